"""The record and the versions of a home that nobody serves, read and set right without loading the model."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from liveoak.cli.connection import SessionRecord
from liveoak.config import Settings
from liveoak.errors import NotFound
from liveoak.records import Session, Version

if TYPE_CHECKING:
    from liveoak.experience import Experience
    from liveoak.gate import Lineage
    from liveoak.runtime.rights import Rights


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    record: Experience
    lineage: Lineage
    rights: Rights


class OnDisk:
    """Books over HOME/experience.db. What changes them takes the home's lock first."""

    def __init__(self, settings: Settings, author: str) -> None:
        self._home = settings.home.expanduser()
        self._agent, self._author = settings.agent, author
        self._stack = contextlib.ExitStack()
        path = self._home / "experience.db"
        self._opened: _Opened | None = None
        # A home that was never used stays untouched: looking must not make a record.
        if path.exists():
            from liveoak.experience import Experience
            from liveoak.gate import Lineage
            from liveoak.runtime.rights import Rights

            record = self._stack.enter_context(Experience(path))
            self._opened = _Opened(
                record=record,
                lineage=Lineage(record, self._home / "versions", agent=self._agent, clock=time.time),
                rights=Rights(record, agent=self._agent, teachers=settings.teachers),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def versions(self, session: str | None = None) -> tuple[Version, ...]:
        books = self._books()
        return books.lineage.line(books.rights.need_session(session, self._author))

    def version(self, id: str) -> Version:
        books = self._books()
        return books.rights.need_version(books.record.version(id), self._author)

    def rollback(self, to: str | None, session: str | None) -> Version:
        with self._writing() as books:
            where = books.rights.need_mover(session, self._author, "roll the agent itself back")
            if to is not None:
                books.rights.need_version(books.lineage.get(to), self._author)
            return books.lineage.rollback(to, where)

    def promote(self, version: str) -> Version:
        with self._writing() as books:
            books.rights.need_teacher(self._author, "promote a version to the agent's own")
            books.rights.need_version(books.lineage.get(version), self._author)
            return books.lineage.promote(version)

    def forget(self, session: str) -> Version:
        with self._writing() as books:
            books.rights.need_session(session, self._author)
            return books.lineage.forget(session)

    def sessions(self, limit: int, before: str | None = None) -> tuple[Session, ...]:
        if self._opened is None:
            return ()
        mine = None if self._opened.rights.may_teach(self._author) else self._author
        return tuple(self._opened.record.sessions(author=mine, limit=limit, before=before))

    def record(self, session: str) -> SessionRecord:
        books = self._books()
        books.rights.need_keeper(session, self._author)
        return record_of(books.record, session)

    def erase(self, session: str) -> tuple[str, ...]:
        with self._writing() as books:
            books.rights.need_keeper(session, self._author)
            erased = books.record.erase(session)
            books.lineage.retire(erased.versions, "a record that it learned from was erased")
            return erased.versions

    def _books(self) -> _Opened:
        if self._opened is None:
            raise NotFound(
                f"home {str(self._home)!r} has no record yet: `liveoak ask`, `learn`, `chat` or `serve` begins one"
            )
        return self._opened

    @contextlib.contextmanager
    def _writing(self) -> Generator[_Opened]:
        """The books, while no other process serves or teaches the same agent.

        Raises:
            Conflict: another process holds the home.
        """
        books = self._books()
        from liveoak.runtime import Home

        with contextlib.closing(Home(self._home)):
            yield books


def record_of(record: Experience, session: str) -> SessionRecord:
    """A session with all that was said and taught in it."""
    from liveoak.serving.encoding import as_json

    found = record.session(session)
    turns = tuple(record.turns(session))
    feedback: list[Any] = [one for turn in turns for one in record.feedback_on(turn.id)]
    return SessionRecord(
        session=found,
        turns=turns,
        notes=tuple(record.notes(session)),
        feedback=as_json(feedback),
        lessons=as_json(record.lessons(session=session)),
    )
