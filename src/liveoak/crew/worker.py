"""What a process of a crew does until nobody is on the line."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from liveoak import garbage
from liveoak.crew.protocol import Failure, Weights, attempt, told


def serve(line: Connection[Any, Any]) -> None:
    """Carry out what comes, one after the other."""
    # Ctrl-C reaches every process of a terminal: the one in charge decides what becomes of the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    garbage.look_seldom()
    shelf = _Shelf()
    while True:
        try:
            parcel = line.recv_bytes()
        except (EOFError, OSError):
            return
        reply = _reply(parcel, shelf)
        try:
            line.send_bytes(reply)
        except OSError:
            return


def _reply(parcel: bytes, shelf: _Shelf) -> bytes:
    try:
        work: Callable[..., Any]
        work, weights, task = pickle.loads(parcel)
        shared = None if weights is None else shelf.take(weights)
        return pickle.dumps(attempt(work, shared, task), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # a task or result that cannot be read or sent is that task's fault
        return pickle.dumps(Failure(error=told(error)))


class _Shelf:
    """The weights of this round, mapped into memory once."""

    def __init__(self) -> None:
        self._held: tuple[Path, Weights] | None = None

    def take(self, path: Path) -> Weights:
        import numpy as np

        if self._held is None or self._held[0] != path:
            self._held = (path, np.load(path, mmap_mode="r"))
        return self._held[1]
