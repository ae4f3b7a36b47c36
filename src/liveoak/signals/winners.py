"""In a contest, how it is done is shown by whoever wins: the agent itself, or a rival whom it watches.

That an episode went well says of every turn of the winner that it was good enough, and of the loser's nothing. Source:
self-imitation (Oh et al. 2018), for the agent's own side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from liveoak.records import Origin, Rendered


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What somebody else did in sight, and what was written before it: what that one had before their eyes."""

    turn: int
    """Of the agent, in whose answer it stands; counted from 0."""
    seen: str
    action: str


def moves(possible: Sequence[Sequence[str]], answers: Sequence[str]) -> tuple[Move, ...]:
    """Lines of the world's answers that are nothing but an action, each with the lines before it.

    `possible` are the actions that each turn could choose from, `answers` what the world said to each. Only what the
    agent could have done at that turn is understood, and an action that follows nothing was done nowhere.
    """
    found: list[Move] = []
    for turn, (actions, answer) in enumerate(zip(possible, answers, strict=True)):
        seen: list[str] = []
        for line in answer.splitlines():
            action = line.strip()
            if action and action in actions and any(map(str.strip, seen)):
                found.append(Move(turn=turn, seen="\n".join(seen), action=action))
                seen = []
            else:
                seen.append(line)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What an episode of one world has been worth on average. Pure: `after` gives the next one."""

    total: float = 0.0
    count: int = 0

    @property
    def mean(self) -> float:
        """0 where nothing is known yet."""
        return self.total / self.count if self.count else 0.0

    def after(self, worth: float) -> Usual:
        """With one episode more."""
        return Usual(total=self.total + worth, count=self.count + 1)


def as_demonstrated(rendered: Rendered) -> Rendered:
    """What the agent chose, as something that was shown."""
    spans = (
        replace(span, origin=Origin.DEMONSTRATED) if span.origin is Origin.ACTED else span for span in rendered.spans
    )
    return replace(rendered, spans=tuple(spans))
