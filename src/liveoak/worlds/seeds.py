"""Seeds: which are for training and which are held out, and chance that depends on nothing else.

An even seed is for training, an odd one is held out, in every world. Where a world draws hidden rules by seed, it draws
them from a half of its own for each: no rule that was trained on is ever held out.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Hashable, Sequence
from typing import Literal, TypeVar

Split = Literal["train", "held_out"]
T = TypeVar("T")
_HELD_OUT_SHARE = 4


def seed_of(split: Split, index: int) -> int:
    """The seed of the `index`-th episode of a split.

    Raises:
        ValueError: a negative index.
    """
    if index < 0:
        raise ValueError(f"index = {index!r}: episodes are counted from 0")
    return 2 * index + (split == "held_out")


def split_of(seed: int) -> Split:
    return "held_out" if checked(seed) % 2 else "train"


def seeds(split: Split, count: int, start: int = 0) -> tuple[int, ...]:
    """`count` seeds of a split, in the order in which a life meets them."""
    return tuple(seed_of(split, index) for index in range(start, start + count))


def checked(seed: int) -> int:
    """The seed itself.

    Raises:
        ValueError: a negative seed.
    """
    if seed < 0:
        raise ValueError(f"seed = {seed!r}: expected 0 or more, even for training and odd for held out")
    return seed


def dice(*key: Hashable) -> random.Random:
    """Chance that depends on the key alone: the same in every process, and untouched by what was drawn before."""
    return random.Random("/".join(map(repr, key)))


def belongs(key: Hashable) -> Split:
    """The split that something drawn belongs to, by its text alone; about one in four is held out."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return "held_out" if digest[0] % _HELD_OUT_SHARE == 0 else "train"


def drawn(seed: int, draw: Callable[[int], tuple[Hashable, T]]) -> T:
    """What `draw` makes of the first number derived from the seed whose key belongs to the seed's split.

    So two splits never share a key, whatever draws them.

    Raises:
        ValueError: a thousand draws gave none, as where there is only one thing to draw.
    """
    for attempt in range(1000):
        key, made = draw(dice("draw", seed, attempt).randrange(2**31))
        if belongs(key) == split_of(seed):
            return made
    raise ValueError(f"seed = {seed!r}: 1000 draws gave nothing {split_of(seed)}; there is too little to draw from")


def of_split(options: Sequence[T], split: Split) -> tuple[T, ...]:
    """The options that belong to a split: each to exactly one, about one in four held out, both sides never empty.

    Raises:
        ValueError: fewer than two options.
    """
    if len(options) < 2:
        raise ValueError(f"{len(options)} option(s) cannot be split; expected 2 or more")
    order = list(range(len(options)))
    dice("split", len(options)).shuffle(order)
    held_out = set(order[: max(1, len(options) // _HELD_OUT_SHARE)])
    return tuple(option for place, option in enumerate(options) if (place in held_out) == (split == "held_out"))
