"""The durable record, as everybody else sees it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from liveoak.errors import Conflict, LiveoakError, UserError
from liveoak.experience import chain, conversations, erasure, lessons, notes
from liveoak.experience.access import present
from liveoak.experience.database import Database
from liveoak.experience.entries import Erased, HeadMove, LessonRecord, LessonStatus, Stretch
from liveoak.experience.schema import versions
from liveoak.records import Feedback, Lesson, Note, Proof, Session, Turn, Version

_log = logging.getLogger(__name__)

_PAGE = 256


class Experience:
    """Everything an agent lived through, in one database.

    Whatever a method took is on disk when it returns: kill -9 or power loss later, it is there, once. What raised is
    not there at all. Any thread may call any method; several processes may hold the same store open.

    Recording the same record twice is no error, so that a caller who was cut off may try again; recording another one
    under a used id is a Conflict. All methods may raise StorageError (disk full, damaged), Conflict (locked by another
    process) and Unavailable (closed); a record that cannot be meant is a UserError, an id that is not there NotFound.
    """

    def __init__(self, location: Path | str, *, clock: Callable[[], float] = time.time, patience: float = 10.0) -> None:
        """Open, create or migrate. `location` is the path of a SQLite file or a database URL; `clock` dates what
        comes without a date; `patience` is how many seconds to wait for another process's lock.

        Raises:
            Conflict: a newer liveoak wrote the store, or another process keeps it locked.
            StorageError: not a database, damaged, or the disk is full.
        """
        self._clock = clock
        self._database = Database(location, patience=patience)
        try:
            self._scrub()
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path | None:
        """The file; None for a database server."""
        return self._database.path

    def close(self) -> None:
        """Wait for a write under way, then let go of the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Sessions and turns

    def add_session(self, session: Session) -> None:
        with self._database.write() as connection:
            conversations.add_session(connection, session)

    def session(self, id: str) -> Session:
        with self._database.read() as connection:
            return conversations.session(connection, id)

    def sessions(
        self,
        agent: str | None = None,
        author: str | None = None,
        limit: int | None = 100,
        before: str | None = None,
    ) -> list[Session]:
        """Newest first. For the next page, `before` is the id of the last one of this page."""
        with self._database.read() as connection:
            return conversations.sessions(connection, agent=agent, author=author, limit=limit, before=before)

    def append(self, *turns: Turn) -> None:
        """Record turns, all or none, in one commit.

        Raises:
            Conflict: an index that is not the session's next, or an id that is there with other content.
        """
        with self._database.write() as connection:
            for turn in turns:
                conversations.append(connection, turn)

    def turns(self, session: str, start: int = 0, limit: int | None = None) -> list[Turn]:
        """In order, from index `start`."""
        with self._database.read() as connection:
            return conversations.turns(connection, session, start=start, limit=limit)

    def turn(self, id: str) -> Turn:
        with self._database.read() as connection:
            return conversations.turn(connection, id)

    def last_index(self, session: str) -> int | None:
        """None: no turn yet."""
        with self._database.read() as connection:
            return conversations.last_index(connection, session)

    def replay(self, session: str) -> Iterator[Turn]:
        """The session as it was lived, a page at a time: for those too long to hold."""
        start = 0
        while page := self.turns(session, start, _PAGE):
            yield from page
            start = page[-1].index + 1

    def since(self, cursor: int = 0, limit: int = _PAGE) -> Stretch:
        """Turns of all sessions in the order in which they were appended, after `cursor` (0: from the beginning).

        A cursor stays valid for ever; turns that were erased are passed over.
        """
        with self._database.read() as connection:
            return conversations.since(connection, cursor, limit=limit)

    # Feedback

    def add_feedback(self, feedback: Feedback) -> None:
        with self._database.write() as connection:
            conversations.add_feedback(connection, feedback)

    def confirm_feedback(self, id: str) -> Feedback:
        """Out of quarantine: trusted from now on."""
        with self._database.write() as connection:
            return conversations.confirm_feedback(connection, id)

    def feedback_on(self, turn: str) -> list[Feedback]:
        """Oldest first, trusted or not."""
        with self._database.read() as connection:
            return conversations.feedback(connection, turn=turn, trusted=None, session=None, author=None, limit=None)

    def feedback(
        self,
        trusted: bool | None = None,
        session: str | None = None,
        author: str | None = None,
        limit: int | None = None,
    ) -> list[Feedback]:
        """Oldest first; `trusted=False` is the quarantine."""
        with self._database.read() as connection:
            return conversations.feedback(
                connection, turn=None, trusted=trusted, session=session, author=author, limit=limit
            )

    def unharvested(self, agent: str) -> dict[str, list[str]]:
        """Ids of the trusted feedback that no harvest has taken, by session; who has waited longest comes first."""
        with self._database.read() as connection:
            return conversations.unharvested(connection, agent)

    def finish_harvest(self, feedback: Collection[str], proofs: Sequence[Proof] = ()) -> None:
        """The feedback is not harvested again, and the lessons of these proofs have ended: all of it or nothing."""
        with self._database.write() as connection:
            for proof in proofs:
                lessons.finish(connection, proof)
            conversations.harvest(connection, feedback)

    # Notes

    def add_note(self, note: Note, dropped: Collection[str] = ()) -> None:
        """Record a note; the earlier ones named in `dropped` leave the session's prompt for it."""
        with self._database.write() as connection:
            notes.add_note(connection, note, dropped)

    def notes(self, session: str) -> list[Note]:
        """Oldest first; those without `dropped` are in the session's prompt."""
        with self._database.read() as connection:
            return notes.notes(connection, session)

    # Lessons

    def add_lesson(self, lesson: Lesson, *, session: str | None, author: str, created: float) -> None:
        """Record a lesson that waits to be studied."""
        record = LessonRecord(lesson=lesson, session=session, author=author, created=created, status="waiting")
        with self._database.write() as connection:
            lessons.add_lesson(connection, record)

    def finish_lesson(self, id: str, proof: Proof) -> LessonRecord:
        """Kept or refused, as the proof's verdict says."""
        if proof.lesson != id:
            raise UserError(f"proof of lesson {proof.lesson!r} given for lesson {id!r}; expected its own proof")
        with self._database.write() as connection:
            return lessons.finish(connection, proof)

    def fail_lesson(self, id: str, error: str) -> LessonRecord:
        with self._database.write() as connection:
            record = replace(lessons.lesson(connection, id), status="failed", proof=None, error=error)
            lessons.settle(connection, record)
            return record

    def lesson(self, id: str) -> LessonRecord:
        with self._database.read() as connection:
            return lessons.lesson(connection, id)

    def lessons(
        self, session: str | None = None, status: LessonStatus | None = None, limit: int | None = None
    ) -> list[LessonRecord]:
        """Oldest first: with status `waiting`, the queue."""
        with self._database.read() as connection:
            return lessons.lessons(connection, session=session, status=status, limit=limit)

    # Versions and heads

    def add_version(self, version: Version) -> None:
        """
        Raises:
            NotFound: its session, or a lesson of its lineage, is not in the record or was erased meanwhile.
        """
        with self._database.write() as connection:
            chain.add_version(connection, version)

    def version(self, id: str) -> Version:
        with self._database.read() as connection:
            return chain.version(connection, id)

    def versions(self, agent: str) -> list[Version]:
        """Oldest first, retired ones too."""
        with self._database.read() as connection:
            return chain.versions(connection, agent)

    def line(self, id: str) -> list[Version]:
        """A version and its ancestors, oldest first."""
        with self._database.read() as connection:
            return chain.line(connection, id)

    def unrecorded(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that no version has."""
        with self._database.read() as connection:
            return set(ids) - present(connection, versions, list(ids))

    def retire_version(self, id: str, why: str) -> None:
        """Never to be served again. Retiring twice keeps the first reason. Heads that are on it stay: move them."""
        with self._database.write() as connection:
            chain.retire_version(connection, id, why)

    def retired(self, id: str) -> str | None:
        """Why the version was retired, or None."""
        with self._database.read() as connection:
            return chain.retired(connection, id)

    def move_head(self, agent: str, session: str | None, version: str, why: str, created: float) -> None:
        """From now on this version is served to the session, or to the agent where `session` is None.

        Raises:
            Conflict: the version is another agent's, or retired.
        """
        move = HeadMove(agent=agent, session=session, version=version, why=why, created=created)
        with self._database.write() as connection:
            chain.move_head(connection, move)

    def clear_head(self, agent: str, session: str | None, why: str = "cleared", created: float | None = None) -> None:
        """Nothing of its own is served here from now on; the history stays."""
        when = self._clock() if created is None else created
        with self._database.write() as connection:
            if chain.head(connection, agent, session) is not None:
                move = HeadMove(agent=agent, session=session, version=None, why=why, created=when)
                chain.move_head(connection, move)

    def head(self, agent: str, session: str | None = None) -> str | None:
        with self._database.read() as connection:
            return chain.head(connection, agent, session)

    def heads(self, agent: str, session: str | None = None) -> list[HeadMove]:
        """Everything that was served, oldest first."""
        with self._database.read() as connection:
            return chain.heads(connection, agent, session)

    # Erasure and care

    def erase(self, session: str) -> Erased:
        """Remove the session with its turns, notes, feedback, lessons and heads, and their bytes from the file.

        The caller retires `versions`. May be called again, and gives the same answer. Writes the whole file anew:
        seconds for a large store, while other writers wait.
        """
        with self._database.write() as connection:
            erased = erasure.erase(connection, session, created=self._clock())
        return erased if erased.scrubbed else replace(erased, scrubbed=self._scrub())

    def erasures(self) -> list[Erased]:
        """The tombstones, oldest first."""
        with self._database.read() as connection:
            return erasure.erasures(connection)

    def counts(self) -> dict[str, int]:
        """How many sessions, turns, notes, feedback, lessons, versions and erasures there are."""
        with self._database.read() as connection:
            return erasure.counts(connection)

    def check(self) -> list[str]:
        """Read the whole store and say what is damaged, a line each."""
        return self._database.problems()

    def _scrub(self) -> bool:
        """Finish erasures whose bytes may still be in the file. What stands in the way must not undo the erasure."""
        if self.path is None:
            return False
        with self._database.read() as connection:
            pending = erasure.unscrubbed(connection)
        if not pending:
            return True
        try:
            if not self._database.scrub():
                raise Conflict("another process is reading the store")
            with self._database.write() as connection:
                erasure.mark_scrubbed(connection, pending)
        except LiveoakError as error:
            _log.warning("%d erased sessions left bytes in %s, tried again later: %s", len(pending), self.path, error)
            return False
        return True
