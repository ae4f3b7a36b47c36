"""An open database: transactions for readers and writers, on any number of threads.

Knows locations, locks and faults; not which tables there are.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from liveoak.errors import Conflict, LiveoakError, StorageError, Unavailable, UserError
from liveoak.experience import engines
from liveoak.experience.faults import DATABASE_FAULTS, translate
from liveoak.experience.migrate import migrate


class Database:
    """Opens, and creates or migrates where needed; safe when several processes do so at once."""

    def __init__(self, location: Path | str, *, patience: float) -> None:
        url, self.path = _locate(location)
        self.place = repr(str(self.path)) if self.path else repr(url.render_as_string(hide_password=True))
        self._patience = patience
        # SQLite's own lock is polled and unfair: threads of one process take turns here instead.
        self._write_lock = threading.Lock()
        self._closed = False
        with self._faults():
            self._engines = (
                engines.sqlite_engines(self.path, patience=patience) if self.path else engines.server_engines(url)
            )
            try:
                self._prepare()
            except BaseException:
                self._engines.readers.dispose()
                raise

    @contextmanager
    def read(self) -> Generator[Connection]:
        """One snapshot of the record. Keep it short: it holds back the clean-up of the log."""
        self._check_open()
        with self._faults(), self._engines.readers.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """All of it is durable when the block has ended, or none of it is there."""
        with self._write_lock:
            self._check_open()
            with self._faults(), self._engines.writers.begin() as connection:
                yield connection

    def scrub(self) -> bool:
        """Leave no deleted byte in the file. False: another process still reads the old pages, or there is no file."""
        if self.path is None:
            return False
        with self._write_lock:
            self._check_open()
            with self._faults():
                return engines.scrub(self._engines.readers)

    def problems(self) -> list[str]:
        """Damage found by reading the whole file; always empty for a database server, which has its own tools."""
        self._check_open()
        if self.path is None:
            return []
        try:
            with self._faults():
                return engines.problems(self._engines.readers)
        except StorageError as error:
            # Damage may be too great for SQLite to finish its list.
            return [str(error)]

    def close(self) -> None:
        with self._write_lock:
            self._closed = True
            self._engines.readers.dispose()

    def _prepare(self) -> None:
        if self.path is None:
            with self._engines.writers.begin() as connection:
                migrate(connection, self.place)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(f"{self.path}.lock", timeout=self._patience):
                # What people say to an agent is for the owner's eyes; SQLite gives its log the same rights.
                self.path.touch(mode=0o600)
                engines.enter_wal_mode(self._engines.readers, self.path)
                with self._engines.writers.begin() as connection:
                    migrate(connection, self.place)
        except Timeout:
            raise Conflict(
                f"{self.place} is in use: another process has been opening it for {self._patience} s; stop that "
                "process or try again"
            ) from None

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"the record {self.place} is closed; open it again")

    @contextmanager
    def _faults(self) -> Generator[None]:
        """The border where database errors become ours."""
        try:
            yield
        except LiveoakError:
            raise
        except DATABASE_FAULTS as error:
            raise translate(error, self.place, self.path) from error


def _locate(location: Path | str) -> tuple[URL, Path | None]:
    """The URL, and the file where the database is one."""
    if isinstance(location, Path) or "://" not in location:
        path = Path(location).expanduser().absolute()
        return URL.create("sqlite", database=str(path)), path
    try:
        url = make_url(location)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise UserError(f"{location!r} is no database URL ({error}); expected a path or postgresql://...") from None
    if url.get_backend_name() != "sqlite":
        return url, None
    if url.database in (None, "", ":memory:"):
        raise UserError(f"{location!r} keeps nothing: a record must outlive the process; expected the path of a file")
    path = Path(str(url.database)).expanduser().absolute()
    return URL.create("sqlite", database=str(path)), path
