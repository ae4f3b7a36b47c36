"""Boilerplate: observed tokens that recur over episodes whatever was done, so that they say nothing of any action."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from liveoak.errors import UserError
from liveoak.records import Origin, Rendered
from liveoak.signals.answers import OWN, answers

_BEGINNING = -1
"""Stands before an answer's first token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerplateSettings:
    context: int = 6
    """How many tokens of the same answer a token is seen to follow."""
    episodes: int = 3
    """In fewer episodes than these, nothing is known to recur."""
    most: int = 100_000
    """Contexts that are remembered; the oldest are forgotten."""

    def __post_init__(self) -> None:
        if self.context < 1 or self.episodes < 2 or self.most < 1:
            raise UserError(f"{self!r}: expected context >= 1, episodes >= 2 and most >= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """What followed one context. `token` is None once two tokens did: that place is worth watching for good."""

    token: int | None
    episodes: int
    action: int
    """Digest of the first action after which the context was seen."""
    varied: bool
    """It was seen after another action too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boilerplate:
    """What has recurred so far. Pure: `after` gives the next one."""

    settings: BoilerplateSettings = field(default_factory=BoilerplateSettings)
    seen: Mapping[tuple[int, ...], Follower] = field(default_factory=dict[tuple[int, ...], Follower])

    def after(self, episodes: Sequence[Rendered], after: Collection[Origin] = OWN) -> Boilerplate:
        """The same with more episodes; give each of them once."""
        seen = dict(self.seen)
        for rendered in episodes:
            told: set[tuple[int, ...]] = set()
            for place, context, action in self._contexts(rendered, after):
                old = seen.get(context)
                seen[context] = _joined(old, rendered.ids[place], action, again=context in told)
                told.add(context)
        excess = len(seen) - self.settings.most
        return replace(self, seen=dict(islice(seen.items(), max(0, excess), None)))

    def places(self, rendered: Rendered, after: Collection[Origin] = OWN) -> frozenset[int]:
        """Positions of boilerplate in an episode. A token that comes where another always came is none."""
        return frozenset(
            place for place, context, _ in self._contexts(rendered, after) if self._recurs(context, rendered.ids[place])
        )

    def _recurs(self, context: tuple[int, ...], token: int) -> bool:
        known = self.seen.get(context)
        return known is not None and known.token == token and known.varied and known.episodes >= self.settings.episodes

    def _contexts(self, rendered: Rendered, after: Collection[Origin]) -> Iterator[tuple[int, tuple[int, ...], int]]:
        """Place, the tokens before it in the same answer, and a digest of the action."""
        width = self.settings.context
        for answer in answers(rendered, after):
            action = hash(tuple(rendered.ids[place] for place in answer.action))
            padded = [_BEGINNING] * width + [rendered.ids[place] for place in answer.places]
            for offset, place in enumerate(answer.places):
                yield place, tuple(padded[offset : offset + width]), action


def _joined(old: Follower | None, token: int, action: int, *, again: bool) -> Follower:
    if old is None:
        return Follower(token=token, episodes=1, action=action, varied=False)
    return Follower(
        token=token if old.token == token else None,
        episodes=old.episodes + (not again),
        action=old.action,
        varied=old.varied or old.action != action,
    )
