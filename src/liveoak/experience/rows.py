"""Records as rows of their tables, and back. The one place that knows both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from liveoak.errors import StorageError, UserError
from liveoak.experience.codec import JsonCodec, pack_floats, pack_ids, unpack_floats, unpack_ids
from liveoak.experience.entries import Erased, HeadMove, LessonRecord
from liveoak.records import Feedback, Lesson, Message, Note, Origin, Proof, Session, Span, Turn, Verdict, Version

Row = Mapping[str, Any]

_messages: JsonCodec[Message] = JsonCodec(Message)
_lessons: JsonCodec[Lesson] = JsonCodec(Lesson)
_proofs: JsonCodec[Proof] = JsonCodec(Proof)
_verdicts: JsonCodec[Verdict] = JsonCodec(Verdict)
_spans: JsonCodec[tuple[Span, ...]] = JsonCodec(tuple[Span, ...])
_names: JsonCodec[tuple[str, ...]] = JsonCodec(tuple[str, ...])


def from_session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "agent": session.agent,
        "author": session.author,
        "created": finite("created", session.created),
    }


def to_session(row: Row) -> Session:
    return Session(id=row["id"], agent=row["agent"], author=row["author"], created=row["created"])


def from_turn(turn: Turn) -> dict[str, Any]:
    if turn.logprobs and len(turn.logprobs) != len(turn.ids):
        raise UserError(
            f"turn {turn.id!r} cannot be recorded: {len(turn.logprobs)} log-probabilities for {len(turn.ids)} ids; "
            "expected one per id, or none"
        )
    _check_spans(turn)
    return {
        "id": turn.id,
        "session": turn.session,
        "index": turn.index,
        "origin": Origin(turn.origin).value,
        "created": finite("created", turn.created),
        "version": turn.version,
        "message": _messages.encode(turn.message),
        "ids": pack_ids(turn.ids),
        "logprobs": pack_floats(turn.logprobs),
        "spans": _spans.encode(turn.spans) if turn.spans else None,
    }


def to_turn(row: Row) -> Turn:
    return Turn(
        id=row["id"],
        session=row["session"],
        index=row["index"],
        message=_messages.decode(row["message"]),
        origin=_origin(row["origin"]),
        created=row["created"],
        ids=unpack_ids(row["ids"]),
        logprobs=unpack_floats(row["logprobs"]),
        version=row["version"],
        spans=() if row["spans"] is None else _spans.decode(row["spans"]),
    )


def from_note(note: Note) -> dict[str, Any]:
    fields = ("id", "session", "turn", "text", "tokens", "dropped")
    return {**{name: getattr(note, name) for name in fields}, "created": finite("created", note.created)}


def to_note(row: Row) -> Note:
    fields = ("id", "session", "turn", "text", "tokens", "created", "dropped")
    return Note(**{name: row[name] for name in fields})


def from_feedback(feedback: Feedback) -> dict[str, Any]:
    if feedback.kind not in ("reward", "correction", "comment"):
        raise UserError(f"feedback {feedback.id!r}: kind {feedback.kind!r}, expected reward, correction or comment")
    if feedback.value is not None and not -1 <= feedback.value <= 1:
        raise UserError(f"feedback {feedback.id!r}: value {feedback.value!r}, expected a number from -1 to 1")
    return {
        "id": feedback.id,
        "turn": feedback.turn,
        "author": feedback.author,
        "kind": feedback.kind,
        "created": finite("created", feedback.created),
        "value": feedback.value,
        "text": feedback.text,
        "trusted": feedback.trusted,
    }


def to_feedback(row: Row) -> Feedback:
    fields = ("id", "turn", "author", "kind", "created", "value", "text", "trusted")
    return Feedback(**{name: row[name] for name in fields})


def from_lesson(record: LessonRecord) -> dict[str, Any]:
    return {
        "id": record.lesson.id,
        "session": record.session,
        "author": record.author,
        "created": finite("created", record.created),
        "status": record.status,
        "lesson": _lessons.encode(record.lesson),
        "proof": None if record.proof is None else _proofs.encode(record.proof),
        "error": record.error,
    }


def to_lesson(row: Row) -> LessonRecord:
    return LessonRecord(
        lesson=_lessons.decode(row["lesson"]),
        session=row["session"],
        author=row["author"],
        created=row["created"],
        status=row["status"],
        proof=None if row["proof"] is None else _proofs.decode(row["proof"]),
        error=row["error"],
    )


def from_version(version: Version) -> dict[str, Any]:
    """Without the lessons, which have a table of their own."""
    return {
        "id": version.id,
        "agent": version.agent,
        "parent": version.parent,
        "session": version.session,
        "created": finite("created", version.created),
        "prior": version.prior,
        "verdict": None if version.verdict is None else _verdicts.encode(version.verdict),
    }


def to_version(row: Row, lessons: tuple[str, ...]) -> Version:
    return Version(
        id=row["id"],
        agent=row["agent"],
        parent=row["parent"],
        session=row["session"],
        created=row["created"],
        prior=row["prior"],
        lessons=lessons,
        verdict=None if row["verdict"] is None else _verdicts.decode(row["verdict"]),
    )


def to_head(row: Row) -> HeadMove:
    fields = ("agent", "session", "version", "why", "created")
    return HeadMove(**{name: row[name] for name in fields})


def from_erased(erased: Erased) -> dict[str, Any]:
    return {
        "session": erased.session,
        "created": erased.created,
        "turns": erased.turns,
        "feedback": erased.feedback,
        "lessons": erased.lessons,
        "versions": _names.encode(erased.versions),
        "scrubbed": erased.scrubbed,
    }


def to_erased(row: Row) -> Erased:
    fields = ("session", "created", "turns", "feedback", "lessons", "scrubbed")
    return Erased(versions=_names.decode(row["versions"]), **{name: row[name] for name in fields})


def finite(name: str, value: float) -> float:
    """Databases turn NaN into "no value" without a word: refused here."""
    if not math.isfinite(value):
        raise UserError(f"{name} {value!r} cannot be recorded: expected seconds since the epoch")
    return value


def _check_spans(turn: Turn) -> None:
    borders = [0, *(span.end for span in turn.spans)]
    if turn.spans and (
        [span.start for span in turn.spans] != borders[:-1]
        or borders[-1] != len(turn.ids)
        or any(span.end <= span.start for span in turn.spans)
    ):
        ranges = [(span.start, span.end) for span in turn.spans]
        raise UserError(
            f"turn {turn.id!r} cannot be recorded: its spans {ranges!r} do not cover its {len(turn.ids)} ids; "
            "expected each id in one span, in order, or no spans"
        )


def _origin(text: str) -> Origin:
    try:
        return Origin(text)
    except ValueError:
        raise StorageError(f"stored turn is damaged: origin {text!r}; restore the store from a copy") from None
