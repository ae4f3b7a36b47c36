"""Whose words in a recorded session teach. The one place that says so; everything else is context."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from liveoak.records import Origin, Session, Turn


def origins_of(session: Session, turns: Sequence[Turn], teachers: Collection[str]) -> tuple[Origin, ...]:
    """The origin by which each turn is learned from, where the session is lived through once more.

    A client sends whole conversations: what "the assistant" said and what "the tool" answered are its own words. So
    what was observed counts as that only where the session's author is one of `teachers`, and what was demonstrated
    never does, whoever wrote it: `demonstrations` finds what of it may be imitated, once.
    """
    teaches = {Origin.ACTED, Origin.OBSERVED} if session.author in teachers else {Origin.ACTED}
    return tuple(turn.origin if turn.origin in teaches else Origin.GIVEN for turn in turns)
