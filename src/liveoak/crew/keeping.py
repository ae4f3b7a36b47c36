"""What a worker makes once and keeps for its later tasks, an engine above all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
_kept: dict[Hashable, Any] = {}
_making = threading.RLock()


def once(key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gave the first time that it was asked for under `key` in this process."""
    with _making:
        if key not in _kept:
            _kept[key] = make()
        return _kept[key]


def forget() -> None:
    """Let go of everything. What holds a thread or a file must end when nobody refers to it."""
    with _making:
        _kept.clear()
