"""Names for new records: unique, and sorted by the time they were made."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_BITS = 55
_RANDOM_BITS = 75


def new_id(
    prefix: str,
    *,
    clock: Callable[[], float] = time.time,
    generator: random.Random = random.SystemRandom(),  # noqa: B008 - stateless: it asks the operating system
) -> str:
    """`prefix`, an underscore and 26 characters: microseconds since the epoch, then 75 random bits.

    Two ids of different microseconds sort by time. The alphabet lacks i, l, o and u, which people misread.
    """
    microseconds = int(clock() * 1e6)
    number = microseconds << _RANDOM_BITS | generator.getrandbits(_RANDOM_BITS)
    length = (_TIME_BITS + _RANDOM_BITS) // 5
    return prefix + "_" + "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))
