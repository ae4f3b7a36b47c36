"""One SQLAlchemy engine a database, set up so that a commit is durable and one writer writes at a time.

All that is particular to SQLite or PostgreSQL is in this file. An engine has two faces over one pool of connections:
`readers` see a stable snapshot; `writers` hold the write lock from their first statement, so that what a transaction
checks is still true when it commits, and `seq` numbers become visible in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from liveoak.errors import StorageError, UserError

_WRITES = "liveoak_writes"
_ADVISORY_LOCK = 0x6C6976656F616B


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    readers: Engine
    writers: Engine


def sqlite_engines(path: Path, *, patience: float) -> Engines:
    """WAL mode. `patience` is how many seconds a statement waits for another process's lock."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        max_overflow=-1,  # A web server brings more threads than any fixed pool has connections.
        connect_args={"timeout": patience, "isolation_level": None, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        # FULL: the log is synced at each commit, else power loss takes the last ones. fullfsync matters on macOS only.
        for pragma in ("foreign_keys=ON", "synchronous=FULL", "fullfsync=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        # A deferred transaction that reads first and writes later fails at once when somebody wrote in between.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return Engines(readers=engine, writers=engine.execution_options(**{_WRITES: True}))


def server_engines(url: URL) -> Engines:
    """A database server; SQL that only PostgreSQL knows is used on PostgreSQL only.

    Raises:
        UserError: the driver that the URL needs is not installed.
    """
    try:
        engine = create_engine(url, pool_pre_ping=True, max_overflow=-1)
    except ModuleNotFoundError as error:
        where = url.render_as_string(hide_password=True)
        raise UserError(f"{where!r} needs the driver {error.name!r}: install it, or give the path of a file") from None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        if connection.dialect.name == "postgresql" and connection.get_execution_options().get(_WRITES, False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")

    return Engines(readers=engine, writers=engine.execution_options(**{_WRITES: True}))


def enter_wal_mode(engine: Engine, path: Path) -> None:
    """
    Raises:
        StorageError: the file system lacks the shared memory that WAL needs.
    """
    mode = _raw(engine, "PRAGMA journal_mode=WAL")[0][0]
    if mode != "wal":
        raise StorageError(f"{str(path)!r} cannot be kept durably: journal mode {mode!r}; put it on a local disk")


def scrub(engine: Engine) -> bool:
    """Leave no deleted byte in the file or its log; False where a reader elsewhere still holds the old pages.

    secure_delete alone does not do: when SQLite splits a page it leaves stale copies of the rows that moved away, and
    those are not zeroed when the rows are deleted. VACUUM writes the file anew from live rows only.
    """
    _raw(engine, "VACUUM")
    busy = _raw(engine, "PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
    return not busy


def problems(engine: Engine) -> list[str]:
    """What SQLite's own check of the whole file finds."""
    found = [str(row[0]) for row in _raw(engine, "PRAGMA integrity_check")]
    orphans = [
        f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}"
        for row in _raw(engine, "PRAGMA foreign_key_check")
    ]
    return [line for line in found if line != "ok"] + orphans


def _raw(engine: Engine, statement: str) -> list[Any]:
    """Run outside any transaction, which these statements demand."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return list(cursor.fetchall())
    finally:
        connection.close()
