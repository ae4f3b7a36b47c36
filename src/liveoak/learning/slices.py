"""How the examples of a step are cut into what is run at once, and what of it is run only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

import torch

from liveoak.adapters import Slot
from liveoak.engine import Sequence as Tokens
from liveoak.engine import common_length
from liveoak.learning.objective import Example, cut

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


def slices(examples: Sequence[Example], slot: Slot | None, size: int = ROOM) -> list[list[Example]]:
    """The examples in order, cut so that each part runs at most `size` tokens, or holds one sequence."""
    parts: list[list[Example]] = []
    shared = _Shared()
    for row in _rows(examples, slot):
        if parts and shared.tokens_with(row) <= size:
            parts[-1].extend(row.examples)
        else:
            parts.append(list(row.examples))
            shared = _Shared()
        shared.add(row)
    return parts


def by_reply(example: Example, slot: Slot) -> list[Example]:
    """An example whose credit lies in several replies as one of each, where an activated slot speaks them apart."""
    parts = [cut(example, own.start, own.stop) for _, own in slot.replies(example.ids, example.wanted)]
    return parts if len(parts) == 1 else [replace(one, ids=one.ids[: one.wanted[-1] + 1]) for one in parts]


def share_beginning(examples: Sequence[Example], slot: Slot | None, first: int = 0) -> list[Tokens]:
    """Sequences for one pass, from place `first` of it. What several begin with alike, before credit, is run once; what
    comes before an activated slot speaks is read by the prior."""
    rows = _rows(examples, slot)
    reader = None if slot is None or slot.activated else slot
    shared = _Shared()
    for row in rows:
        shared.add(row)
    heads: dict[tuple[int, ...], int] = {}
    found: list[Tokens] = []
    for row in rows:
        start, prefix = shared.common(row), None
        if start:
            if row.key not in heads:
                heads[row.key] = first + len(found)
                found.append(Tokens(ids=row.ids[:start], slot=reader))
            prefix = heads[row.key]
        if row.read > start:
            found.append(Tokens(ids=row.ids[start : row.read], slot=reader, prefix=prefix))
            start, prefix = row.read, first + len(found) - 1
        wanted = tuple(place - start for example in row.examples for place in example.wanted)
        found.append(Tokens(ids=row.ids[start:], slot=slot, prefix=prefix, wanted=wanted))
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """Neighbours over the same tokens, one for each signal for example: they are one sequence."""

    ids: tuple[int, ...]
    read: int
    """How many of them an activated slot leaves to the prior."""
    examples: tuple[Example, ...]
    activated: bool

    @property
    def open(self) -> int:
        """First tokens that others may share: those before the first with credit, or that the prior reads."""
        if self.activated:
            return self.read
        return min(place for example in self.examples for place in example.wanted)

    @property
    def key(self) -> tuple[int, ...]:
        """Those with the same begin alike; empty where too little may be shared."""
        return self.ids[:SHARED] if self.open >= SHARED else ()


def _rows(examples: Sequence[Example], slot: Slot | None) -> list[_Row]:
    def of(example: Example) -> tuple[tuple[int, ...], int]:
        return example.ids, 0 if slot is None else slot.since(example.ids, example.wanted[0])

    activated = slot is not None and slot.activated
    return [_Row(ids, read, tuple(same), activated) for (ids, read), same in groupby(examples, key=of)]


@dataclass(frozen=True, slots=True)
class _Alike:
    """Sequences that begin alike: the first of them, what all have in common and may share, how many they are."""

    ids: tuple[int, ...]
    common: int
    count: int


class _Shared:
    """Who begins like whom among the rows of one pass, and how many tokens it runs."""

    def __init__(self) -> None:
        self._alike: dict[tuple[int, ...], _Alike] = {}
        self._tokens = 0
        """Without any sharing."""

    def add(self, row: _Row) -> None:
        self._tokens += len(row.ids)
        if row.key:
            self._alike[row.key] = self._joined(row)

    def tokens_with(self, row: _Row) -> int:
        """What the pass would run."""
        alike = {**self._alike, row.key: self._joined(row)} if row.key else self._alike
        return self._tokens + len(row.ids) - sum((each.count - 1) * each.common for each in alike.values())

    def common(self, row: _Row) -> int:
        """How many tokens of it are run once for all that begin like it; 0 if it is alone."""
        alike = self._alike.get(row.key)
        return 0 if alike is None or alike.count < 2 else alike.common

    def _joined(self, row: _Row) -> _Alike:
        alike = self._alike.get(row.key)
        if alike is None:
            return _Alike(row.ids, row.open, 1)
        common = min(alike.common, common_length(alike.ids, row.ids), row.open)
        return _Alike(alike.ids, common, alike.count + 1)


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
