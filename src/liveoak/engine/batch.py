"""Ragged batches: sequences of any length, packed without padding, and who may attend to whom.

A sequence may continue another one of the batch (`prefix`): a shared beginning is then computed once, however
many sequences follow it. Attention is done in groups of sequences of like length; a group is an index into the
packed tokens, so packing, shared beginnings and caches are all the same operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from liveoak.adapters import Slot

T = TypeVar("T")
PADDING_WASTE = 1.3
"""A group's longest sequence is at most this much longer than its shortest; more would be computed for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Tokens to run under one slot; None is the prior itself."""

    ids: tuple[int, ...]
    slot: Slot | None = None
    prefix: int | None = None
    """Place in the batch of the sequence that this one continues. It comes earlier, under the same slot, or is read by
    the prior itself where the slot is an activated one."""
    wanted: tuple[int, ...] = ()
    """Positions in `ids` whose next-token logits are wanted, ascending."""


def portions(batch: Seq[Sequence], most: int) -> Iterator[list[Sequence]]:
    """Sequences without prefixes in order, in portions of at most `most` tokens, or of one sequence."""
    return portioned(batch, most, lambda sequence: len(sequence.ids))


def portioned(items: Iterable[T], most: int, tokens: Callable[[T], int]) -> Iterator[list[T]]:
    """Items in order, in portions of at most `most` tokens, or of one item."""
    portion: list[T] = []
    size = 0
    for item in items:
        own = tokens(item)
        if portion and size + own > most:
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += own
    if portion:
        yield portion


@dataclass(slots=True)
class Group:
    """Sequences that attend in one call. N sequences, Q query places, K key places.

    `queries` (N, Q) are places in the packed batch, `keys` (N, K) places among its keys (or in the pool),
    `query_positions` and `key_positions` the positions in each sequence, -1 where a key place is padding.
    """

    queries: Tensor
    keys: Tensor
    query_positions: Tensor
    key_positions: Tensor
    _masks: dict[tuple[int | None, torch.dtype], Tensor] = field(
        default_factory=dict[tuple[int | None, torch.dtype], Tensor], init=False
    )

    def mask(self, window: int | None, dtype: torch.dtype) -> Tensor:
        """Additive mask (N, 1, Q, K): 0 where a query may look, else minus infinity."""
        key = (window, dtype)
        if key not in self._masks:
            distance = self.query_positions.unsqueeze(2) - self.key_positions.unsqueeze(1)
            seen = (distance >= 0) & (self.key_positions >= 0).unsqueeze(1)
            if window is not None:
                seen &= distance < window
            mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))
            self._masks[key] = mask.unsqueeze(1)
        return self._masks[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One sequence's part in attention: its places among queries and keys, with their positions."""

    queries: Tensor
    keys: Tensor
    first: int
    """Position of the first query."""


class Plan:
    """How a packed batch of T tokens attends, in whichever of two forms the attention that is there reads."""

    def __init__(self, rows: Seq[Row], device: torch.device) -> None:
        self._rows, self._device = rows, device

    @cached_property
    def table(self) -> tuple[Tensor, Tensor]:
        """For each row (R, 5): where among the places its queries begin, their number, where its keys begin, their
        number, the position of its first query; and all places, one after the other."""
        numbers: list[tuple[int, int, int, int, int]] = []
        start = 0
        for row in self._rows:
            queries, keys = len(row.queries), len(row.keys)
            numbers.append((start, queries, start + queries, keys, row.first))
            start += queries + keys
        places = torch.cat([part for row in self._rows for part in (row.queries, row.keys)])
        return torch.tensor(numbers, device=self._device), places.to(self._device)

    @cached_property
    def grouped(self) -> tuple[tuple[Group, ...], Tensor]:
        """Rows of like length in one group each, and the place of each token (T) in the groups' joined outputs."""
        return _grouped(self._rows, self._device)


def _grouped(rows: Seq[Row], device: torch.device) -> tuple[tuple[Group, ...], Tensor]:
    ranked = sorted(range(len(rows)), key=lambda i: (len(rows[i].keys), len(rows[i].queries)))
    bundles: list[list[int]] = []
    for i in ranked:
        shortest = rows[bundles[-1][0]] if bundles else None
        if shortest is not None and _alike(shortest, rows[i]):
            bundles[-1].append(i)
        else:
            bundles.append([i])
    groups: list[Group] = []
    order = torch.empty(sum(len(row.queries) for row in rows), dtype=torch.long)
    offset = 0
    for bundle in bundles:
        members = [rows[i] for i in bundle]
        width, depth = max(len(r.queries) for r in members), max(len(r.keys) for r in members)
        queries = torch.zeros((len(members), width), dtype=torch.long)
        keys = torch.zeros((len(members), depth), dtype=torch.long)
        query_positions = torch.zeros((len(members), width), dtype=torch.long)
        key_positions = torch.full((len(members), depth), -1, dtype=torch.long)
        for n, row in enumerate(members):
            q, k = len(row.queries), len(row.keys)
            # Padding repeats the row's last query, so that it has something to look at and stays finite, and its
            # first key: what is masked still counts if it is no number, and must not be another sequence's.
            queries[n] = row.queries[-1]
            queries[n, :q] = row.queries
            keys[n] = row.keys[0]
            keys[n, :k] = row.keys
            query_positions[n] = row.first + q - 1
            query_positions[n, :q] = torch.arange(row.first, row.first + q)
            key_positions[n, :k] = torch.arange(k)
            order[row.queries] = torch.arange(offset + n * width, offset + n * width + q)
        offset += len(members) * width
        tensors = (queries, keys, query_positions, key_positions)
        groups.append(Group(*(tensor.to(device) for tensor in tensors)))
    return tuple(groups), order.to(device)


def _alike(short: Row, long: Row) -> bool:
    queries = sorted((len(short.queries), len(long.queries)))
    return len(long.keys) <= PADDING_WASTE * len(short.keys) + 16 and queries[1] <= PADDING_WASTE * queries[0] + 4


def rows_of(batch: Seq[Sequence]) -> tuple[list[Row], list[int]]:
    """The rows of a batch without a cache, and the position of each packed token.

    Raises:
        ValueError: a sequence without tokens, or a prefix that cannot be continued.
    """
    starts: list[int] = []
    total = 0
    for sequence in batch:
        starts.append(total)
        total += len(sequence.ids)
    rows: list[Row] = []
    positions: list[int] = []
    for i, sequence in enumerate(batch):
        if not sequence.ids:
            raise ValueError(f"sequence {i} has no tokens: leave it out of the batch")
        own = torch.arange(starts[i], starts[i] + len(sequence.ids))
        first, keys = 0, own
        if sequence.prefix is not None:
            head = batch[sequence.prefix] if 0 <= sequence.prefix < i else sequence
            if head is sequence or not _continues(sequence, head):
                raise _wrong(sequence, i)
            first, keys = len(rows[sequence.prefix].keys), torch.cat([rows[sequence.prefix].keys, own])
        rows.append(Row(queries=own, keys=keys, first=first))
        positions.extend(range(first, first + len(sequence.ids)))
    return rows, positions


def _wrong(sequence: Sequence, place: int) -> ValueError:
    return ValueError(
        f"prefix {sequence.prefix!r} of sequence {place} must come earlier, under the same slot or, before an "
        "activated one, under none"
    )


def _continues(sequence: Sequence, head: Sequence) -> bool:
    if head.slot is sequence.slot:
        return True
    return head.slot is None and sequence.slot is not None and sequence.slot.activated


def activated(batch: Seq[Sequence]) -> list[Sequence]:
    """The batch with sequences under activated slots cut into what the prior reads and what the slot changes.

    Those that continue others, or are continued, are cut already. Wanted places stay in their order.

    Raises:
        ValueError: a prefix that does not come earlier.
    """
    linked = {sequence.prefix for sequence in batch}
    found: list[Sequence] = []
    moved: dict[int | None, int | None] = {None: None}
    for place, sequence in enumerate(batch):
        slot = sequence.slot
        if sequence.prefix not in moved:
            raise _wrong(sequence, place)
        if slot is None or not slot.activated or sequence.prefix is not None or place in linked or not sequence.wanted:
            moved[place] = len(found)
            found.append(replace(sequence, prefix=moved[sequence.prefix]))
        else:
            found.extend(_cut(sequence, slot, len(found)))
    return found


def _cut(sequence: Sequence, slot: Slot, first: int) -> list[Sequence]:
    """A reply's own tokens are read by the prior where a later one is wanted."""
    ids = sequence.ids
    found: list[Sequence] = []
    head, read = None, 0
    for since, own in slot.replies(ids, sequence.wanted):
        if since > read:
            found.append(Sequence(ids=ids[read:since], prefix=head))
            head, read = first + len(found) - 1, since
        places = tuple(sequence.wanted[i] - since for i in own)
        found.append(Sequence(ids=ids[since : since + places[-1] + 1], slot=slot, prefix=head, wanted=places))
    return found


def read_first(batch: Seq[Sequence]) -> tuple[list[Sequence], int]:
    """The batch with sequences that the prior reads, and nothing is wanted of, in front; and how many they are."""
    read: set[int | None] = {None}
    for place, sequence in enumerate(batch):
        if sequence.slot is None and not sequence.wanted and sequence.prefix in read:
            read.add(place)
    order = sorted(range(len(batch)), key=lambda place: place not in read)
    moved: dict[int | None, int | None] = {None: None, **{old: new for new, old in enumerate(order)}}
    return [replace(batch[old], prefix=moved[batch[old].prefix]) for old in order], len(read) - 1
