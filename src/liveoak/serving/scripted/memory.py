"""The record, in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from liveoak.errors import NotFound
from liveoak.experience import HeadMove, LessonRecord, new_id
from liveoak.records import Feedback, Message, Note, Origin, Session, Turn, Version


@dataclass(slots=True, kw_only=True)
class Memory:
    """What the HTTP face reads of a record, and little more."""

    known_sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    known_turns: dict[str, Turn] = field(default_factory=dict[str, Turn])
    known_versions: dict[str, Version] = field(default_factory=dict[str, Version])
    given: list[Feedback] = field(default_factory=list[Feedback])
    taught: dict[str, LessonRecord] = field(default_factory=dict[str, LessonRecord])
    noted: list[Note] = field(default_factory=list[Note])
    moves: list[HeadMove] = field(default_factory=list[HeadMove])

    def session(self, id: str) -> Session:
        return found(self.known_sessions, id, "session")

    def sessions(
        self, agent: str | None = None, author: str | None = None, limit: int = 100, before: str | None = None
    ) -> tuple[Session, ...]:
        newest = [one for one in reversed(self.known_sessions.values()) if author in (None, one.author)]
        start = 0 if before is None else newest.index(self.session(before)) + 1
        return tuple(newest[start : start + limit])

    def turns(self, session: str) -> tuple[Turn, ...]:
        return tuple(turn for turn in self.known_turns.values() if turn.session == session)

    def notes(self, session: str) -> tuple[Note, ...]:
        return tuple(note for note in self.noted if note.session == session)

    def feedback_on(self, turn: str) -> tuple[Feedback, ...]:
        return tuple(one for one in self.given if one.turn == turn)

    def lessons(self, session: str | None = None, status: str | None = None, limit: int = 100) -> tuple[Any, ...]:
        chosen = [one for one in self.taught.values() if session in (None, one.session)]
        return tuple(chosen[:limit])

    def version(self, id: str) -> Version:
        return found(self.known_versions, id, "version")

    def heads(self, agent: str, session: str | None = None) -> tuple[HeadMove, ...]:
        return tuple(move for move in self.moves if move.session == session)

    def open(self, session: str, agent: str, author: str) -> None:
        """Begin a session, or go on with it.

        Raises:
            NotFound: somebody else began it.
        """
        opened = Session(id=session, agent=agent, author=author, created=time.time())
        if self.known_sessions.setdefault(session, opened).author != author:
            raise NotFound(f"session {session!r} is not known for author {author!r}")

    def append(self, session: str, message: Message, origin: Origin, version: str | None = None) -> Turn:
        """A turn; one with a version was acted, in two tokens."""
        turn = Turn(
            id=new_id("turn"),
            session=session,
            index=len(self.turns(session)),
            message=message,
            origin=origin,
            created=time.time(),
            ids=() if version is None else (1, 2),
            logprobs=() if version is None else (-0.5, -0.5),
            version=version,
        )
        self.known_turns[turn.id] = turn
        return turn

    def erase(self, session: str) -> tuple[str, ...]:
        """Forget all of a session; gives the versions that learned in it."""
        self.session(session)
        self.known_turns = {id: turn for id, turn in self.known_turns.items() if turn.session != session}
        self.noted = [note for note in self.noted if note.session != session]
        del self.known_sessions[session]
        return tuple(version.id for version in self.known_versions.values() if version.session == session)


def found(known: dict[str, Any], id: str, what: str) -> Any:
    if id not in known:
        raise NotFound(f"no {what} {id!r}")
    return known[id]
