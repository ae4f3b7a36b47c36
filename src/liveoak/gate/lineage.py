"""Which versions there are, which of them is served, and the way back: all that needs no weights, and so no model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from liveoak.errors import NotFound, UserError
from liveoak.experience import Experience
from liveoak.records import Version


class Lineage:
    """The recorded versions of one agent.

    Slow weights have one head, and each session that learned has one of its own, forked from what it was served.
    """

    def __init__(self, experience: Experience, folder: Path, *, agent: str, clock: Callable[[], float]) -> None:
        self._experience, self._folder = experience, folder
        self._agent, self._clock = agent, clock

    def current(self, session: str | None = None) -> Version:
        """What a request without a pin is served by: the session's own version, else the agent's.

        Raises:
            NotFound: the agent was never served from this home.
        """
        own = self._experience.head(self._agent, session) if session is not None else None
        head = own or self._experience.head(self._agent, None)
        if head is None:
            raise NotFound(f"agent {self._agent!r} has no version here yet: serve it, ask it or teach it first")
        return self._experience.version(head)

    def get(self, id: str) -> Version:
        """Any version that may be served.

        Raises:
            NotFound: no such version, or it was retired.
        """
        try:
            version = self._experience.version(id)
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
        line = [self.current(session)]
        while line[-1].parent is not None:
            line.append(self._experience.version(line[-1].parent))
        return tuple(reversed(line))

    def rollback(self, to: str | None, session: str | None) -> Version:
        """Serve an earlier version again; None is the parent of what is served."""
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
        version = self.get(id)
        self.move(None, version, "promoted")
        return version

    def forget(self, session: str) -> Version:
        """Serve a session by the agent's version again."""
        self._experience.session(session)
        self._experience.clear_head(self._agent, session, "forgotten")
        return self.current(session)

    def retire(self, ids: tuple[str, ...], why: str) -> None:
        """Never serve these again, and remove their weights. Heads on them fall back to the nearest ancestor left."""
        for id in ids:
            self._experience.retire_version(id, why)
        sessions = [session.id for session in self._experience.sessions(agent=self._agent, limit=None)]
        for session in (None, *sessions):
            head = self._experience.head(self._agent, session)
            if head in ids:
                self.move(session, self._ancestor(head), why)
        for id in ids:
            shutil.rmtree(self._folder / id, ignore_errors=True)

    def move(self, session: str | None, version: Version, why: str) -> None:
        """Serve `version` from now on."""
        self._experience.move_head(self._agent, session, version.id, why, self._clock())

    def _ancestor(self, id: str) -> Version:
        version = self._experience.version(id)
        while self._experience.retired(version.id) is not None and version.parent is not None:
            version = self._experience.version(version.parent)
        return version
