"""Lessons from waiting to their end, within one transaction of the caller."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from liveoak.errors import Conflict
from liveoak.experience import schema
from liveoak.experience.access import add, already, needed, rows
from liveoak.experience.conversations import not_negative
from liveoak.experience.entries import LessonRecord, LessonStatus
from liveoak.experience.rows import Row, from_lesson, to_lesson
from liveoak.records import Proof

_lessons = schema.lessons


def add_lesson(connection: Connection, record: LessonRecord) -> None:
    row = from_lesson(record)
    if already(connection, _lessons, row, _taught):
        return
    if record.session is not None:
        needed(connection, schema.sessions, record.session)
    add(connection, _lessons, row)


def finish(connection: Connection, proof: Proof) -> LessonRecord:
    """Kept or refused, as the proof's verdict says."""
    status: LessonStatus = "kept" if proof.verdict.kept else "refused"
    record = replace(lesson(connection, proof.lesson), status=status, proof=proof, error=None)
    settle(connection, record)
    return record


def settle(connection: Connection, record: LessonRecord) -> None:
    """Write how a waiting lesson ended; the same end twice is one end."""
    id, row = record.lesson.id, from_lesson(record)
    stored = to_lesson(needed(connection, _lessons, id))
    end = {name: row[name] for name in ("status", "proof", "error")}
    if stored.status != "waiting":
        if {name: from_lesson(stored)[name] for name in end} == {name: _whole(row)[name] for name in end}:
            return
        raise Conflict(f"lesson {id!r} has ended: it was {stored.status}; teach it again under a new id")
    connection.execute(update(_lessons).where(_lessons.c.id == id).values(end))


def lesson(connection: Connection, id: str) -> LessonRecord:
    return to_lesson(needed(connection, _lessons, id))


def lessons(
    connection: Connection, *, session: str | None, status: LessonStatus | None, limit: int | None
) -> list[LessonRecord]:
    query = select(_lessons).order_by(_lessons.c.seq).limit(not_negative("limit", limit))
    if session is not None:
        query = query.where(_lessons.c.session == session)
    if status is not None:
        query = query.where(_lessons.c.status == status)
    return [to_lesson(row) for row in rows(connection, query)]


def _whole(row: Row) -> dict[str, Any]:
    return from_lesson(to_lesson(row))


def _taught(row: Row) -> dict[str, Any]:
    """Without the end: a retry of the beginning may come after it."""
    return {name: value for name, value in _whole(row).items() if name not in ("status", "proof", "error")}
