"""Distillation: from the agent with more in its context to the agent without.

The teacher reads a source, a hint, or what became of an earlier try, and the student does not; both are run over the
same reply. The teacher's weights are the prior's, or old ones: a teacher that follows its student collapses with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from liveoak.errors import UserError
from liveoak.records import Credit, Feedback, Message, Origin, Rendered, Turn, Version
from liveoak.signals.episode import places_of, rewards_of

_WRITTEN = (Origin.ACTED, Origin.DEMONSTRATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two chats that end with the same reply. The origin of the reply is up to who renders them."""

    teacher: tuple[Message, ...]
    student: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distilled:
    """`teacher` and `student` are the positions of the credited tokens in either rendered chat, in step."""

    credit: Credit
    teacher: tuple[int, ...]
    student: tuple[int, ...]


def informed(messages: Sequence[Message], reply: Message, more: str) -> Pair:
    """`more` (a source or a hint) before the last question, for the teacher alone.

    Raises:
        UserError: there is no question, the reply is nobody's, or there is nothing more to know.
    """
    asked = max((place for place, message in enumerate(messages) if message.role == "user"), default=None)
    if asked is None or reply.role != "assistant" or not more.strip():
        roles = [message.role for message in messages]
        raise UserError(
            f"a pair needs a user's message, an assistant's reply and more to know; got roles {roles!r}, a reply of "
            f"{reply.role!r} and {len(more.strip())} characters"
        )
    question = replace(messages[asked], content=f"{more.strip()}\n\n{messages[asked].content}")
    return Pair(
        teacher=(*messages[:asked], question, *messages[asked + 1 :], reply),
        student=(*messages, reply),
    )


def reflection(turn: Turn, feedback: Sequence[Feedback]) -> str | None:
    """What became of an earlier reply, as a teacher may read it: the reply, its reward, and what was said of it.

    None where nobody who is trusted said anything.
    """
    said = [word for word in feedback if word.turn == turn.id and word.trusted]
    worth = rewards_of(said).get(turn.id)
    lines = [f"Rewarded with {worth:+.2f}, from -1 to 1."] if worth is not None else []
    lines += [f"Said of it: {word.text}" for word in said if word.kind == "comment" and word.text]
    lines += [f"Better: {word.text}" for word in said if word.kind == "correction" and word.text]
    return "\n".join([f"An earlier reply: {turn.message.content}", *lines]) if lines else None


def distillation(
    teacher: Rendered, student: Rendered, divergences: Sequence[float] | None = None, least: float = 0.01
) -> Distilled:
    """Credit 1 on each token of the reply, the last that either chat holds.

    `divergences` are KL(teacher || student) in nats by token of the reply: where the source changes less than `least`,
    there is nothing to distil, and the token gets 0.

    Raises:
        UserError: the chats do not end with the same tokens, or there are no tokens to distil.
    """
    above, below = _reply(teacher), _reply(student)
    if not below or [teacher.ids[place] for place in above] != [student.ids[place] for place in below]:
        raise UserError(
            f"the teacher's reply has {len(above)} tokens, the student's {len(below)}; expected the same tokens at the "
            "end of both chats: render the same reply after both"
        )
    if divergences is not None and len(divergences) != len(below):
        raise UserError(f"{len(divergences)} divergences for {len(below)} tokens of the reply; expected one each")
    kept = [token for token in range(len(below)) if divergences is None or divergences[token] >= least]
    weights = [0.0] * len(student.ids)
    for token in kept:
        weights[below[token]] = 1.0
    return Distilled(
        credit=Credit(signal="distillation", weights=tuple(weights)),
        teacher=tuple(above[token] for token in kept),
        student=tuple(below[token] for token in kept),
    )


def teacher_of(lineage: Sequence[Version], every: int | None = None) -> Version | None:
    """Which weights teach the newest version of a lineage, oldest first. None: the prior.

    `every` None is a frozen teacher. Else a slow one: it takes over what is served at each `every`-th version only.
    """
    if every is None or not lineage:
        return None
    if every < 2:
        raise UserError(f"a teacher renewed every {every!r} versions follows its student; expected 2 or more, or None")
    return lineage[(len(lineage) - 1) // every * every]


def _reply(rendered: Rendered) -> tuple[int, ...]:
    """Places written by an assistant after anybody else's last word."""
    start = max(places_of(rendered, Origin.GIVEN, Origin.OBSERVED), default=-1) + 1
    return tuple(place for place in places_of(rendered, *_WRITTEN) if place >= start)
