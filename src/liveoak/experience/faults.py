"""What a database reports, said in our errors."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from liveoak.errors import Conflict, LiveoakError, StorageError, UserError

DATABASE_FAULTS = (SQLAlchemyError, sqlite3.Error, OSError, UnicodeEncodeError, OverflowError)
"""What may come out of a database call."""


def translate(error: Exception, place: str, path: Path | None) -> LiveoakError:
    """The same fault as one of ours. `place` names the store, `path` its file if it has one."""
    if isinstance(error, UnicodeEncodeError):
        return UserError(f"text {error.object[error.start : error.end]!r} cannot be recorded: it is not valid Unicode")
    if isinstance(error, OverflowError):
        return UserError(f"a number is too large to be recorded in {place}: expected 64 bits")
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorname", "")
    if code.startswith("SQLITE_FULL"):
        return StorageError(f"disk full: {place}: nothing of this was recorded; free some space and try again")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StorageError(f"{place} is damaged or not an experience store ({cause}); restore it from a copy")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return Conflict(f"{place} is in use: another process kept it locked ({cause}); stop that process or try again")
    if code.startswith("SQLITE_TOOBIG"):
        return UserError(f"a record is too large for {place} ({cause}); shorten it")
    if isinstance(error, IntegrityError) or code.startswith("SQLITE_CONSTRAINT"):
        return Conflict(f"{place} refuses a record that contradicts what it holds ({cause})")
    return StorageError(f"{place} cannot be used: {cause}; check {_circumstances(path)}")


def _circumstances(path: Path | None) -> str:
    if path is None:
        return "that the database server is up and lets this user in"
    try:
        free = f"disk space ({shutil.disk_usage(path.parent).free} bytes free)"
    except OSError:
        free = f"that the folder {str(path.parent)!r} is there"
    return f"{free} and the rights on the file and its folder"
