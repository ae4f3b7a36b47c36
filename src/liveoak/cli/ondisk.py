"""The record and the versions of a home that nobody serves, read and set right without loading the model."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from liveoak.cli.connection import SessionRecord
from liveoak.config import Settings
from liveoak.errors import NotFound
from liveoak.records import Session, Version

if TYPE_CHECKING:
    from liveoak.experience import Experience
    from liveoak.gate import Lineage


class OnDisk:
    """Books over HOME/experience.db. What changes them takes the home's lock first."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home.expanduser()
        self._agent = settings.agent
        self._stack = contextlib.ExitStack()
        path = self._home / "experience.db"
        self._opened: tuple[Experience, Lineage] | None = None
        # A home that was never used stays untouched: looking must not make a record.
        if path.exists():
            from liveoak.experience import Experience
            from liveoak.gate import Lineage

            record = self._stack.enter_context(Experience(path))
            self._opened = record, Lineage(record, self._home / "versions", agent=self._agent, clock=time.time)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def versions(self, session: str | None = None) -> tuple[Version, ...]:
        record, lineage = self._books()
        return lineage.line(_known(record, session))

    def version(self, id: str) -> Version:
        return self._books()[0].version(id)

    def rollback(self, to: str | None, session: str | None) -> Version:
        with self._writing() as (record, lineage):
            return lineage.rollback(to, _known(record, session))

    def promote(self, version: str) -> Version:
        with self._writing() as (_, lineage):
            return lineage.promote(version)

    def forget(self, session: str) -> Version:
        with self._writing() as (_, lineage):
            return lineage.forget(session)

    def sessions(self, limit: int, before: str | None = None) -> tuple[Session, ...]:
        if self._opened is None:
            return ()
        return tuple(self._opened[0].sessions(limit=limit, before=before))

    def record(self, session: str) -> SessionRecord:
        return record_of(self._books()[0], session)

    def erase(self, session: str) -> tuple[str, ...]:
        with self._writing() as (record, lineage):
            erased = record.erase(session)
            lineage.retire(erased.versions, "a record that it learned from was erased")
            return erased.versions

    def _books(self) -> tuple[Experience, Lineage]:
        if self._opened is None:
            raise NotFound(
                f"home {str(self._home)!r} has no record yet: `liveoak ask`, `learn`, `chat` or `serve` begins one"
            )
        return self._opened

    @contextlib.contextmanager
    def _writing(self) -> Generator[tuple[Experience, Lineage]]:
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
        feedback=as_json(feedback),
        lessons=as_json(record.lessons(session=session)),
    )


def _known(record: Experience, session: str | None) -> str | None:
    if session is not None:
        record.session(session)
    return session
