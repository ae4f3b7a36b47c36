"""Advice: what the world's answers name that could have been done instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

from liveoak.records import Credit
from liveoak.signals.demonstrations import Source
from liveoak.signals.episode import Episode


def advisor(world: str) -> Source:
    """Whom the advice of a world's answers is from, when it is asked how far to believe it."""
    return Source(author=world, kind="advice")


def advice(possible: Sequence[Sequence[str]], answers: Sequence[str]) -> tuple[str | None, ...]:
    """For each turn, the action that an answer named for it; None where none did.

    `possible` are the actions that each turn could choose from, `answers` what the world said to each. An answer is
    about the latest turn, itself included, that could have done what it names first, in words of its own; what the
    first such answer says of a turn stands. Whether to believe it is not asked here: a world may name what was wrong,
    or repeat what was done.
    """
    named: list[str | None] = [None] * len(answers)
    for place, answer in enumerate(answers):
        for turn in range(place, -1, -1):
            if len(possible[turn]) > 1 and (found := _first(possible[turn], answer)) is not None:
                named[turn] = named[turn] or found
                break
    return tuple(named)


def heeded(episode: Episode, weight: float = 1.0) -> Credit:
    """Credit `weight` on what the agent did as the world's answer named, 0 elsewhere: `advice` of those turns.

    Of turns that did otherwise, what was named is imitated. If it were of them alone, nothing would hold what is
    right by now, and the fewer turns are wrong, the more each would weigh.
    """
    weights = [0.0] * len(episode.rendered.ids)
    for turn in episode.acted:
        if turn.heeded:
            for place in turn.places:
                weights[place] = weight
    return Credit(signal="advice", weights=tuple(weights))


def _first(actions: Sequence[str], answer: str) -> str | None:
    """Of two that begin at the same place, the longer one."""
    longest = sorted({action for action in actions if action.strip()}, key=len, reverse=True)
    if not longest:
        return None
    found = re.search(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", answer, re.IGNORECASE)
    if found is None:
        return None
    return next(action for action in longest if action.lower() == found.group().lower())
