"""Whose request it is, and in which session. Said by the caller, never guessed from what a request contains."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from liveoak.errors import UserError

AuthorHeader = Annotated[str | None, Header(alias="X-Liveoak-Author", min_length=1, max_length=128)]
SessionHeader = Annotated[str | None, Header(alias="X-Liveoak-Session")]

_SESSION = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


def author_of(header: str | None, user: str | None = None) -> str:
    """The author named by `user` or by the header; `local` when nobody is named.

    Raises:
        UserError: both name somebody, and not the same.
    """
    return _one("author", {"user": user, "X-Liveoak-Author": _unicode(header)}) or "local"


def session_of(header: str | None, field: str | None, metadata: dict[str, str] | None) -> str | None:
    """The session that the caller names, or None for a session of the request's own.

    Raises:
        UserError: two places name different sessions, or the name has characters that a path cannot carry.
    """
    places = {"session": field, "X-Liveoak-Session": header, "metadata.session": (metadata or {}).get("session")}
    name = _one("session", places)
    if name is not None and not _SESSION.fullmatch(name):
        raise UserError(f"session {name!r}: expected 1 to 128 letters, digits and any of . _ : @ -")
    return name


def _one(what: str, places: dict[str, str | None]) -> str | None:
    named = {place: value for place, value in places.items() if value is not None}
    if len(set(named.values())) > 1:
        raise UserError(f"the request names more than one {what}: {named!r}; send one of them")
    return next(iter(named.values()), None)


def _unicode(header: str | None) -> str | None:
    """A header that was sent in UTF-8, which servers read as Latin-1."""
    try:
        return None if header is None else header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header
