"""Which versions there are, which of them is served, and the way back: all that needs no weights, and so no model."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from liveoak.errors import Conflict, NotFound, UserError
from liveoak.experience import Experience
from liveoak.records import Version

ID_LENGTH = 12
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")
_REMEMBERED = 512
"""Versions that the record is not asked for again."""


class Lineage:
    """The recorded versions of one agent.

    Slow weights have one head, and each session that learned has one of its own, forked from what it was served.
    """

    def __init__(self, experience: Experience, folder: Path, *, agent: str, clock: Callable[[], float]) -> None:
        self._experience, self._folder = experience, folder
        self._agent, self._clock = agent, clock
        self._version = lru_cache(_REMEMBERED)(experience.version)
        """Versions never change, and every request asks for one."""
        self.moving = threading.RLock()
        """Held while what is served changes, so that a lesson that is kept and a rollback do not miss each other."""

    def current(self, session: str | None = None) -> Version:
        """What a request without a pin is served by: the session's own version, else the agent's.

        Raises:
            NotFound: the agent was never served from this home.
        """
        own = self._experience.head(self._agent, session) if session is not None else None
        head = own or self._experience.head(self._agent, None)
        if head is None:
            raise NotFound(f"agent {self._agent!r} has no version here yet: serve it, ask it or teach it first")
        return self._version(head)

    def get(self, id: str) -> Version:
        """Any version that may be served.

        Raises:
            NotFound: no such version, or it was retired.
        """
        try:
            version = self._version(id)
        except NotFound:
            raise NotFound(f"version {id!r} is not known; `liveoak versions` lists those that are") from None
        if version.agent != self._agent:
            raise NotFound(f"version {id!r} belongs to agent {version.agent!r}, not to {self._agent!r}")
        why = self._experience.retired(id)
        if why is not None:
            raise NotFound(f"version {id!r} was retired: {why}")
        if version.verdict is not None and not version.verdict.kept:
            raise NotFound(f"version {id!r} was refused by the gate and is not served")
        return version

    def line(self, session: str | None = None) -> tuple[Version, ...]:
        """The versions that led to the current one, oldest first."""
        return tuple(self._experience.line(self.current(session).id))

    def rollback(self, to: str | None, session: str | None) -> Version:
        """Serve an earlier version again; None is the parent of what is served."""
        with self.moving:
            now = self.current(session)
            if to is None:
                if now.parent is None:
                    raise UserError(f"version {now.id!r} is the first: there is nothing to roll back to")
                to = now.parent
            version = self.get(to)
            self.move(session, version, f"rolled back from {now.id}")
        return version

    def promote(self, id: str) -> Version:
        """Make a version, a session's for example, the agent's own."""
        with self.moving:
            version = self.get(id)
            self.move(None, version, "promoted")
        return version

    def forget(self, session: str) -> Version:
        """Serve a session by the agent's version again."""
        self._experience.session(session)
        with self.moving:
            self._experience.clear_head(self._agent, session, "forgotten", self._clock())
        return self.current(session)

    def still(self, parent: Version, session: str | None) -> None:
        """
        Raises:
            Conflict: a lesson begun on `parent` would not go on from it now, after a rollback for example.
        """
        own = self._experience.head(self._agent, session)
        if own != parent.id and (own is not None or parent.session == session):
            raise Conflict(
                f"version {parent.id!r}, which the lesson was written on, is not what is served any more: it was "
                "rolled back or replaced meanwhile; teach the lesson again"
            )

    def retire(self, ids: tuple[str, ...], why: str) -> None:
        """Never serve these again, and remove their weights.

        Heads on them fall back to the nearest ancestor left; a session that has none of its own left is served by
        the agent's version again. May be called again after it was cut off.
        """
        with self.moving:
            for id in ids:
                self._experience.retire_version(id, why)
            sessions = [session.id for session in self._experience.sessions(agent=self._agent, limit=None)]
            for session in (None, *sessions):
                head = self._experience.head(self._agent, session)
                if head in ids:
                    self._fall_back(session, head, why)
        for id in ids:
            shutil.rmtree(self._folder / id, ignore_errors=True)

    def retire_unproven(self, lesson: str) -> tuple[str, ...]:
        """Retire what was made of a lesson whose proof was never recorded: nobody was told of it. Gives what it was."""
        made = tuple(version.id for version in self._experience.versions(self._agent) if lesson in version.lessons)
        self.retire(made, "the process ended before its lesson was proved")
        return made

    def mend(self) -> None:
        """Finish what a process that was killed had begun: erasures, and weights that no record names."""
        for erased in self._experience.erasures():
            left = [id for id in erased.versions if self._belongs(id)]
            if any(self._experience.retired(id) is None or (self._folder / id).exists() for id in left):
                self.retire(tuple(left), "a record that it learned from was erased")
        names = [folder.name for folder in self._folder.glob("*")]
        unnamed = self._experience.unrecorded([name for name in names if _ID.fullmatch(name)])
        for name in names:
            if name in unnamed or ".draft-" in name:
                shutil.rmtree(self._folder / name, ignore_errors=True)

    def move(self, session: str | None, version: Version, why: str) -> None:
        """Serve `version` from now on."""
        self._experience.move_head(self._agent, session, version.id, why, self._clock())

    def _ancestor(self, id: str) -> Version:
        version = self._experience.version(id)
        while self._experience.retired(version.id) is not None and version.parent is not None:
            version = self._experience.version(version.parent)
        return version

    def _fall_back(self, session: str | None, head: str, why: str) -> None:
        ancestor = self._ancestor(head)
        if session is not None and ancestor.session != session:
            self._experience.clear_head(self._agent, session, why, self._clock())
        else:
            self.move(session, ancestor, why)

    def _belongs(self, id: str) -> bool:
        try:
            return self._version(id).agent == self._agent
        except NotFound:
            return False
