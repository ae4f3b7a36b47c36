"""One session as the tokens that the agent read and wrote, with what was recorded while it was lived."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from liveoak.errors import UserError
from liveoak.records import Feedback, Origin, Rendered, Span, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What the agent sampled in one turn. Forced tokens stand between the places and are none of them."""

    turn: str
    places: tuple[int, ...]
    """Positions in the episode's ids, ascending."""
    logprobs: tuple[float, ...]
    """One a place, as recorded."""
    version: str | None = None
    """Who sampled them; None: the prior."""
    reward: float | None = None
    """What the turn was worth. None: nobody said."""
    heeded: bool | None = None
    """Whether it did what the world's answer named. None: nothing was named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """`acted` in the order in which it was lived; `astray` are acted turns whose tokens the sequence does not hold."""

    id: str
    rendered: Rendered
    acted: tuple[Acted, ...]
    astray: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        places = list(self.places)
        if any(low >= high for low, high in pairwise(places)):
            raise UserError(f"episode {self.id!r} has acted places {places!r}; expected them to ascend")
        if places and not 0 <= places[0] <= places[-1] < len(self.rendered.ids):
            raise UserError(
                f"episode {self.id!r} has acted places {places[0]} to {places[-1]}; it has {len(self.rendered.ids)} ids"
            )
        for turn in self.acted:
            if len(turn.places) != len(turn.logprobs):
                raise UserError(
                    f"turn {turn.turn!r} has {len(turn.places)} sampled tokens and {len(turn.logprobs)} "
                    "log-probabilities; expected one each"
                )

    @property
    def places(self) -> tuple[int, ...]:
        """Those of all acted turns, ascending."""
        return tuple(place for turn in self.acted for place in turn.places)

    @property
    def rewarded(self) -> bool:
        """Whether anybody said what it was worth. An episode of reward 0 is rewarded."""
        return any(turn.reward is not None for turn in self.acted)


def rewards_of(feedback: Sequence[Feedback]) -> dict[str, float]:
    """The reward of each turn: the mean over authors of what each said last. Untrusted feedback is not looked at."""
    said: dict[str, dict[str, float]] = {}
    for word in sorted(feedback, key=lambda word: word.created):
        if word.trusted and word.kind == "reward" and word.value is not None:
            said.setdefault(word.turn, {})[word.author] = word.value
    return {turn: sum(values.values()) / len(values) for turn, values in said.items()}


def episode_of(id: str, turns: Sequence[Turn], rendered: Rendered, feedback: Sequence[Feedback] = ()) -> Episode:
    """Lay the recorded turns along the rendered chat.

    A template may write an old reply otherwise than it was sampled (trimmed, without its thinking). Its tokens are not
    guessed at: the turn goes astray and earns no credit, while the rest of the episode teaches.
    """
    rewards = rewards_of(feedback)
    acted: list[Acted] = []
    astray: list[str] = []
    cursor = 0
    for turn in turns:
        if turn.origin is not Origin.ACTED or not turn.ids:
            continue
        sampled = _sampled(turn)
        start = _find(turn.ids, sampled[0], rendered, cursor) if sampled else None
        if start is None:
            astray.append(turn.id)
            continue
        acted.append(
            Acted(
                turn=turn.id,
                places=tuple(start + offset for offset in sampled),
                logprobs=tuple(turn.logprobs[offset] for offset in sampled),
                version=turn.version,
                reward=rewards.get(turn.id),
            )
        )
        cursor = start + len(turn.ids)
    return Episode(id=id, rendered=rendered, acted=tuple(acted), astray=tuple(astray))


def places_of(rendered: Rendered, *origins: Origin) -> Iterator[int]:
    """Positions of all tokens of these origins, ascending."""
    return (place for span in rendered.spans if span.origin in origins for place in range(span.start, span.end))


def _sampled(turn: Turn) -> tuple[int, ...]:
    """Offsets in the turn's ids of the tokens that the agent chose itself."""
    spans = turn.spans or (Span(origin=turn.origin, start=0, end=len(turn.ids)),)
    return tuple(offset for span in spans if span.origin is Origin.ACTED for offset in range(span.start, span.end))


def _find(ids: tuple[int, ...], first: int, rendered: Rendered, cursor: int) -> int | None:
    """Where a turn stands: at the beginning of an acted span, but for tokens that were forced before its first."""
    for span in rendered.spans:
        if span.origin is Origin.ACTED:
            for start in range(max(cursor, span.start - first), span.start + 1):
                if rendered.ids[start : start + len(ids)] == ids:
                    return start
    return None
