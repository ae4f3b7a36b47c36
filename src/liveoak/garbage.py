"""When a process of ours looks for garbage, and when it gives memory back.

Importing torch and transformers makes a million objects, none of them garbage, and Python's collector goes through all
of them time and again: a third of the time until a command does anything, and two seconds of its end (docs/log.md,
2026-11-29). So our own processes look seldom until they load a model, and from then on as usual, but not at what was
imported. What programs that import this package do with theirs is left to them.
"""

import ctypes
import gc
from collections.abc import Callable
from functools import cache

_NEW = 100_000
"""Objects made and not yet let go before the collector looks; Python's own habit is 700."""


class _Collector:
    usual: tuple[int, int, int] | None = None
    """What to come back to; None: it looks as usual."""


def look_seldom() -> None:
    """Said first in a process of ours."""
    if _Collector.usual is None:
        _Collector.usual = gc.get_threshold()
        gc.set_threshold(_NEW, 20, 100)


def look_as_usual() -> None:
    """Said once all that is heavy is imported, which is not looked at again. Nothing happens in others' processes."""
    if _Collector.usual is not None:
        gc.freeze()
        gc.set_threshold(*_Collector.usual)
        _Collector.usual = None


def look_no_more() -> None:
    """Said last in a process: what is left goes with it."""
    gc.freeze()


def give_back() -> None:
    """Said after work that took much memory. What the C library keeps of it for later goes back to the system: lessons
    of many sizes, one after the other, leave it several times as much as any of them needed. Where the C library cannot
    be told so, nothing happens."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """That of glibc."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
