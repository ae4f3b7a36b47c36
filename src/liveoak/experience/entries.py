"""What the record says of the records in it: where a lesson stands, what was served, what was erased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from liveoak.records import Lesson, Proof, Turn

LessonStatus = Literal["waiting", "kept", "refused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonRecord:
    """A lesson and how it ended. `proof` is there once kept or refused, `error` once failed."""

    lesson: Lesson
    session: str | None
    """None: taught to the agent itself, outside any session."""
    author: str
    created: float
    status: LessonStatus
    proof: Proof | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMove:
    """From `created` on, this version was served. `version` None: the head was cleared."""

    agent: str
    session: str | None
    """None: the agent's own head. Else: the head of the session's fast weights."""
    version: str | None
    why: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure took away: three counts, and the versions that learned from it."""

    session: str
    created: float
    """When the session was erased."""
    turns: int
    feedback: int
    lessons: int
    versions: tuple[str, ...]
    """Versions to retire or rebuild: their lineage holds a lesson of the session, or they are its fast weights."""
    scrubbed: bool
    """The bytes are out of the file too. False: something stood in the way, and it is tried again on the next erase or
    open; or the record is on a database server, which is vacuumed by who runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Turns in the order in which they were appended, over all sessions."""

    turns: tuple[Turn, ...]
    cursor: int
    """Where to read on."""
