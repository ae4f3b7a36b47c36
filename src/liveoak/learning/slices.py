"""How the examples of a step are cut into what is run at once, and what of it is run only once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

import torch

from liveoak.adapters import Slot
from liveoak.engine import Sequence as Tokens
from liveoak.engine import common_length
from liveoak.learning.objective import Example

T = TypeVar("T")
ROOM = 768
"""Tokens of a pass on a processor: what a pass costs however short it is hardly counts, and what it keeps for the way
back is small. Replies wait for no whole pass: they go first between its layers."""
ROOM_ON_GPU = 8192
"""The same on a GPU, whose products need many rows to be worth their start."""
SHARED = 8
"""A common beginning of at least this many tokens is run once for a whole slice."""


def room(device: torch.device) -> int:
    """Tokens of a pass on this device."""
    return ROOM_ON_GPU if device.type == "cuda" else ROOM


def slices(examples: Sequence[Example], size: int = ROOM) -> list[list[Example]]:
    """The examples in order, cut so that each part runs at most `size` tokens, or holds one sequence.

    Neighbours over the same tokens, one for each signal for example, are one sequence.
    """
    parts: list[list[Example]] = []
    common = total_length = count = 0
    for example in examples:
        if parts:
            again = example.ids == parts[-1][-1].ids
            shared = min(common, common_length(parts[-1][0].ids, example.ids), example.wanted[0])
            joined = total_length + (0 if again else len(example.ids))
            run = joined - (count - again) * shared if shared >= SHARED else joined
            if run <= size or (again and count == 1):
                parts[-1].append(example)
                common, total_length, count = shared, joined, count + (not again)
                continue
        parts.append([example])
        common, total_length, count = example.wanted[0], len(example.ids), 1
    return parts


def share_beginning(examples: Sequence[Example], slot: Slot | None, first: int = 0) -> list[Tokens]:
    """Sequences for one pass, from place `first` of it. What all begin with alike, before credit, is run once."""
    common = min(example.wanted[0] for example in examples)
    for example in examples[1:]:
        common = min(common, common_length(examples[0].ids, example.ids))
    rows = [
        (ids, tuple(place for example in same for place in example.wanted))
        for ids, same in groupby(examples, key=lambda example: example.ids)
    ]
    if len(rows) < 2 or common < SHARED:
        return [Tokens(ids=ids, slot=slot, wanted=wanted) for ids, wanted in rows]
    head = Tokens(ids=examples[0].ids[:common], slot=slot)
    return [head] + [
        Tokens(ids=ids[common:], slot=slot, prefix=first, wanted=tuple(place - common for place in wanted))
        for ids, wanted in rows
    ]


def passes(queues: Sequence[Sequence[tuple[T, int]]], size: int = ROOM) -> list[list[T]]:
    """The slices of several slots, each with its tokens, put together in passes of at most `size`.

    A slot's slices stay in order, and none is cut anew for the sake of another slot: its gradients are summed over the
    same slices, in the same order, as if it were alone. Only last slices, which are seldom full, share a pass.
    """
    found = [[piece] for queue in queues for piece, _ in queue[:-1]]
    room = 0
    for piece, tokens in (queue[-1] for queue in queues if queue):
        if tokens <= room:
            found[-1].append(piece)
            room -= tokens
        else:
            found.append([piece])
            room = size - tokens
    return found
