"""One new token for each of several sequences: what a step of decoding hands through the model.

Nothing is gathered or padded: each sequence says where its keys and values lie, and each row where its slot's weights.
A step computes each row as if it were alone, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.engine import kernels

MOST_ROWS = 64
"""Sequences in one step. What more would win by being read together is little."""


class Places:
    """A sequence's places in the pool, in order, where the kernels can read them while they grow."""

    def __init__(self, room: int) -> None:
        self._buffer = np.empty(room, dtype=np.int64)
        self._count = 0

    def follow(self, places: Sequence[int]) -> tuple[int, int]:
        """Address and number of `places`, which begin with those of the last call."""
        if self._count < len(places):
            self._buffer[self._count : len(places)] = places[self._count :]
        self._count = len(places)
        return self._buffer.ctypes.data, self._count

    def forget(self) -> None:
        """The sequence holds other places now."""
        self._count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A pass of one token a sequence. It is also the route that linear layers take."""

    rows: Tensor
    """(T, 2): address of a sequence's places, the new token's last, and their number."""
    stores: Mapping[int, tuple[Tensor, Tensor]]
    """Keys and values (places, G, D) of each layer."""
    tables: Sequence[Tensor] | Mapping[int, Tensor]
    """For each target (T, 4): addresses of the slot's a and b, its rank, the bits of its scale; zeros where there is no
    slot, or one that leaves this target as it is."""
    weights: Sequence[Tensor] = ()
    """What is read in place of each target's weight; empty: the weights as they are."""
    compiled: bool = False
    """Layers are run as they were compiled."""

    def linear(self, target: int, x: Tensor, weight: Tensor, bias: Tensor | None, outputs: int) -> Tensor:
        read = self.weights[target] if self.weights else weight
        return kernels.linear(x, read, outputs, bias, self.tables[target])

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        scaling: float | None,
        window: int | None,
        softcap: float | None,
    ) -> Tensor:
        """Attention of the new tokens to all before them, whose keys and values are added to the stores."""
        keys, values = self.stores[layer]
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        return kernels.attend(query, key, value, keys, values, self.rows, scaling=scale, window=window, softcap=softcap)


def tables_of(slots: Sequence[Slot | None], targets: int) -> list[Tensor]:
    """The tables (T, 4) of all targets. They hold addresses: the slots must outlive them."""
    entries = np.zeros((targets, len(slots), 4), dtype=np.int64)
    for row, slot in enumerate(slots):
        if slot is not None:
            own = [pair for pair in slot.pairs if pair is not None]
            entries[slot.first :, row, 0] = [a.data_ptr() for a, _ in own]
            entries[slot.first :, row, 1] = [b.data_ptr() for _, b in own]
            entries[slot.first :, row, 2] = slot.rank
            entries[slot.first :, row, 3] = np.float64(slot.scale).view(np.int64)
    return list(torch.from_numpy(entries).unbind(0))
