"""What of a session may be imitated: turns of somebody better, and corrections in the place of what they correct."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from liveoak.records import Feedback, Message, Origin, Session, Turn
from liveoak.signals.trust import origins_of

DemonstrationKind = Literal["trace", "correction", "advice"]
"""A whole session, what stands in the place of one turn, or what a world's answer named for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Whose demonstrations help, and whose do not, is told apart by author and kind."""

    author: str
    kind: DemonstrationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrated:
    """Messages with the origin of each, as the chat renderer takes them. Only demonstrated ones are to be imitated."""

    source: Source
    turns: tuple[str, ...]
    """Ids of the turns that are imitated, or corrected."""
    messages: tuple[Message, ...]
    origins: tuple[Origin, ...]


def demonstrations(
    session: Session, turns: Sequence[Turn], feedback: Sequence[Feedback], teachers: Collection[str]
) -> tuple[Demonstrated, ...]:
    """What somebody who may teach shows in one session, in order.

    A trace is all assistant turns that were demonstrated; it counts only where the session's author is one of
    `teachers`, for anybody may send a conversation in which "the assistant" says anything. A correction counts if it is
    trusted; the latest of each turn stands in the turn's place, after the turns before it. Nothing of what came after
    is used, since it answered the turn that was wrong. A corrected turn is no part of its trace.
    """
    corrections = _corrections(feedback)
    origins = tuple(_as_context(origin) for origin in origins_of(session, turns, teachers))
    shown = [turn for turn in turns if _is_shown(turn) and turn.id not in corrections]
    found: list[Demonstrated] = []
    if shown and session.author in teachers:
        ids = {turn.id for turn in shown}
        last = turns.index(shown[-1]) + 1
        found.append(
            Demonstrated(
                source=Source(author=session.author, kind="trace"),
                turns=tuple(turn.id for turn in shown),
                messages=tuple(turn.message for turn in turns[:last]),
                origins=tuple(
                    Origin.DEMONSTRATED if turn.id in ids else origin
                    for turn, origin in zip(turns[:last], origins, strict=False)
                ),
            )
        )
    for place, turn in enumerate(turns):
        word = corrections.get(turn.id)
        if word is not None and turn.message.role == "assistant":
            right = replace(turn.message, content=word.text or "", tool_calls=())
            found.append(
                Demonstrated(
                    source=Source(author=word.author, kind="correction"),
                    turns=(turn.id,),
                    messages=(*(earlier.message for earlier in turns[:place]), right),
                    origins=(*origins[:place], Origin.DEMONSTRATED),
                )
            )
    return tuple(found)


def _corrections(feedback: Sequence[Feedback]) -> dict[str, Feedback]:
    ordered = sorted(feedback, key=lambda word: word.created)
    return {word.turn: word for word in ordered if word.trusted and word.kind == "correction" and word.text}


def _is_shown(turn: Turn) -> bool:
    return turn.origin is Origin.DEMONSTRATED and turn.message.role == "assistant"


def _as_context(origin: Origin) -> Origin:
    """What the agent did is learned from where the session is rewarded; here it is no part of what is shown."""
    return Origin.GIVEN if origin is Origin.ACTED else origin
