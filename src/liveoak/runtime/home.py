"""The folder of one agent, held by one process at a time."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from liveoak.errors import Conflict, StorageError


class Home:
    """Paths of a home, and the lock on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "experience.db"
        self.versions = path / "versions"
        self._holder = path / "lock.pid"
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / "lock")
            self._lock.acquire(timeout=0)
            self._holder.write_text(str(os.getpid()), encoding="utf-8")
        except Timeout:
            holder = self._holder.read_text(encoding="utf-8") if self._holder.exists() else "unknown"
            raise Conflict(
                f"home {str(path)!r} is in use by process {holder}: talk to that one, stop it, or take another --home"
            ) from None
        except OSError as error:
            raise StorageError(f"home {str(path)!r} cannot be used: {error}") from None

    def close(self) -> None:
        """Let go of the home."""
        self._holder.unlink(missing_ok=True)
        self._lock.release()
