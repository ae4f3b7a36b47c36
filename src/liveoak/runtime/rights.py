"""Who may see, move and erase what. Authors are taken at their word; who vouches for it is the gateway's business."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from liveoak.errors import NotAllowed, NotFound
from liveoak.experience import HeadMove
from liveoak.records import Session, Version


class Books(Protocol):
    """The part of the record that rights follow from."""

    def session(self, id: str) -> Session: ...
    def version(self, id: str) -> Version: ...
    def heads(self, agent: str, session: str | None = None) -> Sequence[HeadMove]: ...


class Rights:
    """Rights over one agent.

    A session and the versions that learned in it belong to the author who began it; to anybody else they do not exist.
    A version of a session that the agent itself was ever served by, or grew from, belongs to everybody. What everybody
    is served is for teachers to change. A session's record may be read and erased by its author or a teacher.
    """

    def __init__(self, books: Books, *, agent: str, teachers: Collection[str]) -> None:
        self._books, self._agent, self._teachers = books, agent, teachers

    def may_teach(self, author: str) -> bool:
        return author in self._teachers

    def owns(self, session: str, author: str) -> bool:
        """Whether the session is there and the author's."""
        try:
            return self.need_session(session, author) is not None
        except NotFound:
            return False

    def need_teacher(self, author: str, what: str) -> None:
        """
        Raises:
            NotAllowed: the author may not change what everybody is served.
        """
        if not self.may_teach(author):
            raise NotAllowed(
                f"author {author!r} may not {what}, only change sessions of their own: add the name to the setting "
                "'teachers'"
            )

    def need_session(self, session: str | None, author: str) -> str | None:
        """The session, which is the author's; None stays None: the agent itself.

        Raises:
            NotFound: no such session, or somebody else's.
        """
        if session is not None:
            found = self._books.session(session)
            if (found.author, found.agent) != (author, self._agent):
                # The very words of the record, so that nobody learns from them whether it exists.
                raise NotFound(
                    f"no session {session!r} in the record; expected the id of one that was recorded and not erased"
                )
        return session

    def need_mover(self, session: str | None, author: str, what: str) -> str | None:
        """The same for who wants to change what is served there."""
        if session is None:
            self.need_teacher(author, what)
        return self.need_session(session, author)

    def need_keeper(self, session: str, author: str) -> None:
        """Its author and teachers may read and erase the record of a session.

        Raises:
            NotFound: somebody else's session.
        """
        if not self.may_teach(author):
            self.need_session(session, author)

    def need_version(self, version: Version, author: str) -> Version:
        """The version, which the author may know of.

        Raises:
            NotFound: the fast weights of somebody else's session.
        """
        if version.session is None or self.owns(version.session, author) or version.id in self._everybodys():
            return version
        raise NotFound(f"version {version.id!r} is not known; `liveoak versions` lists those that are")

    def _everybodys(self) -> set[str]:
        """Versions that the agent itself was served by, and their ancestors."""
        found: set[str] = set()
        for move in self._books.heads(self._agent, None):
            id = move.version
            while id is not None and id not in found:
                found.add(id)
                id = self._books.version(id).parent
        return found
