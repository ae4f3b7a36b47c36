"""Distillation: from the agent with more in its context to the agent without.

The teacher reads a source, a hint, or what became of an earlier try, and the student does not; both are run over the
same reply. The teacher's weights are the prior's, or old ones: a teacher that follows its student collapses with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liveoak.errors import UserError
from liveoak.records import Credit, Feedback, Origin, Rendered, Span, Turn
from liveoak.signals.episode import places_of, rewards_of

_ASKED = (Origin.GIVEN, Origin.OBSERVED)
_SAID = (Origin.ACTED, Origin.DEMONSTRATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A reply, and what became of it."""

    reply: str
    reward: float | None = None
    """From -1 to 1."""
    said: tuple[str, ...] = ()
    """What the world or somebody who is trusted said of it."""
    better: tuple[str, ...] = ()
    """Replies that somebody who is trusted would have given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distilled:
    """`teacher` and `student` are the positions of the credited tokens in either rendered chat, in step."""

    credit: Credit
    teacher: tuple[int, ...]
    student: tuple[int, ...]


def tries(turns: Sequence[Turn], feedback: Sequence[Feedback]) -> tuple[Try, ...]:
    """The turns of a record of which somebody who is trusted said anything, in order."""
    rewards = rewards_of(feedback)
    found: list[Try] = []
    for turn in turns:
        own = [word for word in feedback if word.turn == turn.id and word.trusted]
        comments = tuple(word.text for word in own if word.kind == "comment" and word.text)
        better = tuple(word.text for word in own if word.kind == "correction" and word.text)
        worth = rewards.get(turn.id)
        if worth is not None or comments or better:
            found.append(Try(reply=turn.message.content, reward=worth, said=comments, better=better))
    return tuple(found)


def reflection(tried: Sequence[Try]) -> str:
    """What became of earlier replies, as a teacher may read it; empty where there were none."""
    lines: list[str] = []
    for one in tried:
        lines.append(f"An earlier reply: {one.reply}")
        lines += [f"Rewarded with {one.reward:+.2f}, from -1 to 1."] if one.reward is not None else []
        lines += [f"Said of it: {text}" for text in one.said]
        lines += [f"Better: {text}" for text in one.better]
    return "\n".join(lines)


def informed(chat: Rendered, more: Sequence[int]) -> Rendered:
    """`more` (a source, a hint or a reflection, as tokens) before the question that the first reply answers.

    Raises:
        UserError: there is no reply, nothing was asked before it, or there is nothing more to know.
    """
    reply = min(places_of(chat, *_SAID), default=-1)
    asked = max((span.start for span in chat.spans if span.origin in _ASKED and span.start < reply), default=None)
    if asked is None or not more:
        raise UserError(
            f"a teacher needs a question, a reply to it and more to know; got spans of "
            f"{[span.origin.value for span in chat.spans]!r} and {len(more)} tokens"
        )
    size = len(more)
    spans = [span for span in chat.spans if span.start < asked]
    spans.append(Span(origin=Origin.GIVEN, start=asked, end=asked + size))
    spans += [
        Span(origin=span.origin, start=span.start + size, end=span.end + size)
        for span in chat.spans
        if span.start >= asked
    ]
    return Rendered(ids=(*chat.ids[:asked], *more, *chat.ids[asked:]), spans=tuple(spans))


def distillation(
    teacher: Rendered, student: Rendered, divergences: Sequence[float] | None = None, least: float = 0.01
) -> Distilled:
    """Credit 1 on each token that the agent chose itself; both chats hold the same ones.

    `divergences` are KL(teacher || student) in nats by token of the replies: where knowing more changes less than
    `least`, there is nothing to distil, and the token gets 0.

    Raises:
        UserError: the chats do not hold the same replies, or there are no tokens to distil.
    """
    above, below = (tuple(places_of(chat, Origin.ACTED)) for chat in (teacher, student))
    if not below or [teacher.ids[place] for place in above] != [student.ids[place] for place in below]:
        raise UserError(
            f"the teacher's replies have {len(above)} tokens, the student's {len(below)}; expected the same tokens in "
            "both chats: inform the chat that the student replied in"
        )
    if divergences is not None and len(divergences) != len(below):
        raise UserError(f"{len(divergences)} divergences for {len(below)} tokens of the replies; expected one each")
    kept = [token for token in range(len(below)) if divergences is None or divergences[token] >= least]
    weights = [0.0] * len(student.ids)
    for token in kept:
        weights[below[token]] = 1.0
    return Distilled(
        credit=Credit(signal="distillation", weights=tuple(weights)),
        teacher=tuple(above[token] for token in kept),
        student=tuple(below[token] for token in kept),
    )


def teacher_of(newest: int, every: int | None = None) -> int:
    """Which weights teach those numbered `newest`, the first being number 0.

    `every` None is a frozen teacher: the first. Else a slow one: it takes over each `every`-th weights only.

    Raises:
        UserError: a teacher that would follow its student.
    """
    if every is None:
        return 0
    if every < 2:
        raise UserError(f"a teacher renewed every {every!r} times follows its student; expected 2 or more, or None")
    return newest // every * every
