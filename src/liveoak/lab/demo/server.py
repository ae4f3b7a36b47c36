"""The real server as a process of its own, to be killed without warning and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

import httpx

from liveoak.config import Settings
from liveoak.errors import Conflict, LiveoakError, NotFound, StorageError, Unavailable, UserError

_START_SECONDS = 900.0
"""Time to start in; the first start also fetches the prior."""
_STOP_SECONDS = 30.0


class Killable(Protocol):
    """A server that can lose its life and come back, perhaps at another address."""

    @property
    def url(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    def start(self) -> str: ...

    def kill(self) -> None: ...


class Server:
    """`python -m liveoak serve` on a free port. A context manager: no process outlives the block."""

    def __init__(self, settings: Settings, *, on_wait: Callable[[str], None] = lambda line: None) -> None:
        self._settings = settings
        self._home = settings.home.expanduser()
        self._on_wait = on_wait
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._log is not None:
            self._log.close()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> str:
        """Start and wait until requests are answered; gives the address.

        Raises:
            LiveoakError: the process ended, or said nothing for too long; with the last lines that it wrote.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        if self._log is None:
            self._log = self._log_path.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "liveoak", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=os.environ | environment_of(self._settings),
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop the server.
        )
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise self._ended(self._process.returncode)
            if (url := self._announced()) is not None:
                self.url = url
                return url
            self._on_wait(self._last_lines(1))
            time.sleep(0.1)
        raise Unavailable(f"the server did not answer within {_START_SECONDS:.0f} s:\n{self._last_lines()}")

    def kill(self) -> None:
        """SIGKILL: nothing can be written, closed or said good-bye to."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not listen."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    @property
    def _announcement(self) -> Path:
        return self._home / "server.json"

    @property
    def _log_path(self) -> Path:
        return self._home / "server.log"

    def _ended(self, code: int) -> LiveoakError:
        # The server's own exit code says what kind of fault it was; ours is the same then.
        kind = {2: UserError, 3: NotFound, 4: Conflict, 6: StorageError}.get(code, Unavailable)
        self._process = None
        return kind(f"the server ended with code {code}; it said:\n{self._last_lines()}")

    def _announced(self) -> str | None:
        with contextlib.suppress(OSError, ValueError, KeyError, httpx.HTTPError):
            said = json.loads(self._announcement.read_text(encoding="utf-8"))
            if said["pid"] == self.pid and httpx.get(f"{said['url']}/healthz", timeout=5).status_code == 200:
                return str(said["url"])
        return None

    def _last_lines(self, count: int = 12) -> str:
        with contextlib.suppress(OSError):
            text = self._log_path.read_bytes()[-8192:].decode("utf-8", errors="replace")
            lines = [line for line in text.replace("\r", "\n").splitlines() if line.strip()]
            return "\n".join(lines[-count:])
        return ""


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as the variables that a fresh process reads, on a free port."""
    told = settings.model_copy(update={"port": 0}).model_dump(mode="json", exclude={"gate"})
    return {
        f"LIVEOAK_{name.upper()}": ",".join(value) if isinstance(value, list) else str(value)
        for name, value in told.items()
    }
