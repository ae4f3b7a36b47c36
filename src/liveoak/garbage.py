"""When a process of ours looks for garbage.

Importing torch and transformers makes a million objects, none of them garbage, and Python's collector goes through all
of them time and again: a third of the time until a command does anything, and two seconds of its end
([log](../../docs/log.md), 2026-11-29). What programs that import this package do with theirs is left to them.
"""

import gc

_NEW = 100_000
"""Objects made and not yet let go before the collector looks; Python's own habit is 700."""
_USUAL = gc.get_threshold()


def look_seldom() -> None:
    """Said first in a process."""
    gc.set_threshold(_NEW, 20, 100)


def look_as_usual() -> None:
    """Where a process goes on with work of others, which is to run as it would elsewhere."""
    gc.set_threshold(*_USUAL)


def look_no_more() -> None:
    """Said last in a process: what is left goes with it."""
    gc.freeze()
