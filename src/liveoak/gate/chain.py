"""The chain of versions with their weights: what is served, and how one version becomes the next."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from liveoak.adapters import Bank, Slot, digest, load_snapshot, save_snapshot
from liveoak.errors import Conflict
from liveoak.experience import Experience
from liveoak.gate.lineage import ID_LENGTH, Lineage
from liveoak.gate.shelf import Shelf
from liveoak.records import Verdict, Version

ROOM = 2**30
"""Bytes of memory for the weights of versions."""


class Chain:
    """The versions of one agent over one prior: its lineage, and the slots that serve it."""

    def __init__(
        self,
        experience: Experience,
        bank: Bank,
        folder: Path,
        *,
        agent: str,
        prior: str,
        clock: Callable[[], float],
        room: int = ROOM,
    ) -> None:
        self._experience, self._bank, self._folder = experience, bank, folder
        self._agent, self._prior, self._clock = agent, prior, clock
        self._lineage = Lineage(experience, folder, agent=agent, clock=clock)
        self._shelf = Shelf(self._load, room=room)
        self._begin()
        self._lineage.mend()

    def current(self, session: str | None = None) -> Version:
        """What a request without a pin is served by: the session's own version, else the agent's."""
        return self._lineage.current(session)

    def get(self, id: str) -> Version:
        """Any version that may be served. Raises NotFound for one that is unknown, retired or refused."""
        return self._lineage.get(id)

    def line(self, session: str | None = None) -> tuple[Version, ...]:
        """The versions that led to the current one, oldest first."""
        return self._lineage.line(session)

    def slot(self, version: Version) -> Slot | None:
        """The weights of a version, for serving; None is the prior itself.

        Whoever holds a slot goes on with it, whatever is served or retired meanwhile.
        """
        return None if version.parent is None else self._shelf.get(version.id)

    @property
    def in_memory(self) -> tuple[str, ...]:
        """Versions whose weights are in memory, the one used longest ago first."""
        return self._shelf.held

    def draft(self, version: Version, fresh: Callable[[Bank], Slot]) -> Slot:
        """A slot that goes on from a version, optimizer state and all; `fresh` makes the first one over the prior."""
        if version.parent is None:
            return fresh(self._bank)
        return load_snapshot(self._bank, self._folder / version.id)

    def keep(
        self,
        slot: Slot,
        parent: Version,
        *,
        session: str | None,
        lesson: str,
        verdict: Verdict,
        beside: Sequence[str] = (),
    ) -> Version:
        """Make a candidate the next version and serve it. Weights are on disk before the record names them.
        `beside` are further lessons that it was made from.

        Raises:
            StorageError: not enough room; what was served stays served.
            Conflict: something else is served since the candidate was begun, after a rollback for example.
            NotFound: the lesson was erased meanwhile.
        """
        lessons = (*parent.lessons, *beside, lesson)
        return self._next(slot, parent, session=session, lessons=lessons, verdict=verdict, why=f"lesson {lesson}")

    def adopt(self, slot: Slot, *, verdict: Verdict, why: str) -> Version:
        """Make weights that were learned over the prior itself, from no record, the agent's, and serve them. Adopting
        them again serves the same version again.

        Raises:
            Conflict: the agent is served by what learned otherwise, which these weights do not have.
            StorageError: not enough room; what was served stays served.
            NotFound: they were adopted before, and retired.
        """
        with self._lineage.moving:
            first, *later = self._lineage.line()
            id = self._named(slot, first, ())
            if later and later[-1].id != id:
                raise Conflict(
                    f"agent {self._agent!r} serves version {later[-1].id!r}, which has learned what these weights have "
                    f"not: take another --agent, or go back to the prior first: `liveoak versions rollback {first.id}`"
                )
            if id in {version.id for version in self._experience.versions(self._agent)}:
                return later[-1] if later else self._lineage.promote(id)
            return self._next(slot, first, session=None, lessons=(), verdict=verdict, why=why)

    def rollback(self, to: str | None, session: str | None) -> Version:
        """Serve an earlier version again; None is the parent of what is served."""
        return self._lineage.rollback(to, session)

    def promote(self, id: str) -> Version:
        """Make a version, a session's for example, the agent's own."""
        return self._lineage.promote(id)

    def forget(self, session: str) -> Version:
        """Serve a session by the agent's version again."""
        return self._lineage.forget(session)

    def retire(self, ids: tuple[str, ...], why: str) -> None:
        """Never serve these again, and remove their weights. Heads on them fall back to the nearest ancestor left."""
        self._lineage.retire(ids, why)
        self._shelf.drop(ids)

    def retire_unproven(self, lesson: str) -> None:
        """Retire what was made of a lesson whose proof was never recorded."""
        self._shelf.drop(self._lineage.retire_unproven(lesson))

    def _next(
        self, slot: Slot, parent: Version, *, session: str | None, lessons: tuple[str, ...], verdict: Verdict, why: str
    ) -> Version:
        id = self._named(slot, parent, lessons)
        version = Version(
            id=id,
            agent=self._agent,
            parent=parent.id,
            session=session,
            created=self._clock(),
            prior=self._prior,
            lessons=lessons,
            verdict=verdict,
        )
        folder = self._folder / id
        with self._lineage.moving:
            self._lineage.still(parent, session)
            written = not folder.exists()
            if written:
                save_snapshot(slot, folder)
            try:
                # Into memory before anybody is sent to it, so that no reply waits for the disk.
                self._shelf.get(id)
                self._experience.add_version(version)
            except BaseException:
                # Weights that the record does not know must not lie about: their lesson may have been erased.
                if written:
                    self._shelf.drop((id,))
                    shutil.rmtree(folder, ignore_errors=True)
                raise
            self._lineage.move(session, version, why)
        return version

    def _named(self, slot: Slot, parent: Version, lessons: tuple[str, ...]) -> str:
        content = "\n".join((digest(slot), parent.id, self._prior, *lessons))
        return hashlib.sha256(content.encode()).hexdigest()[:ID_LENGTH]

    def _load(self, id: str) -> Slot:
        slot = load_snapshot(self._bank, self._folder / id, optimizer=False)
        slot.slim()
        return slot

    def _begin(self) -> None:
        """The first version is the prior itself."""
        self._folder.mkdir(parents=True, exist_ok=True)
        head = self._experience.head(self._agent, None)
        if head is not None:
            found = self._experience.version(head).prior
            if found != self._prior:
                raise Conflict(
                    f"agent {self._agent!r} learned over another prior (fingerprint {found[:12]}, this one is "
                    f"{self._prior[:12]}); serve it with that prior, or take another home or agent name"
                )
            return
        id = hashlib.sha256(f"{self._agent}\n{self._prior}".encode()).hexdigest()[:ID_LENGTH]
        first = Version(id=id, agent=self._agent, parent=None, session=None, created=self._clock(), prior=self._prior)
        self._experience.add_version(first)
        self._lineage.move(None, first, "the prior itself")
