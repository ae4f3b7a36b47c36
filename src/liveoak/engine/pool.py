"""A pool of cached keys and values, one place a token, shared by all sequences that decode.

A sequence's cache is a list of places. Two sequences with a common beginning under the same weights hold the same
places; a place is free again when nobody holds it. Finished sequences stay findable until their places are needed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from liveoak.errors import Overloaded


class Pool:
    """Places for keys and values. `key` arguments name the weights that made a cache: other weights never see it."""

    def __init__(self, *, capacity: int, dtype: torch.dtype, device: torch.device) -> None:
        self.capacity, self.dtype, self.device = capacity, dtype, device
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}
        self._holders = np.zeros(capacity, dtype=np.int32)
        self._free = list(range(capacity - 1, -1, -1))
        self._kept: OrderedDict[int, tuple[Hashable, tuple[int, ...], tuple[int, ...]]] = OrderedDict()
        self._next = 0

    @property
    def stores(self) -> Mapping[int, tuple[Tensor, Tensor]]:
        """Keys and values (capacity, G, D) of each layer that has seen tokens."""
        return self._layers

    def update(self, layer: int, write: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values (T, G, D) at `write` (T); returns the layer's whole stores (capacity, G, D)."""
        if layer not in self._layers:
            self._layers[layer] = self._room_for(keys), self._room_for(values)
        all_keys, all_values = self._layers[layer]
        all_keys[write], all_values[write] = keys, values
        return all_keys, all_values

    def _room_for(self, like: Tensor) -> Tensor:
        # Passes with gradients read what passes without have stored.
        with torch.inference_mode(False):
            return torch.zeros((self.capacity, *like.shape[1:]), dtype=like.dtype, device=self.device)

    def grow(self, capacity: int) -> None:
        """Have this many places, if they are more; whoever holds one holds it still."""
        before, self.capacity = self.capacity, max(self.capacity, capacity)
        self._free[:0] = range(self.capacity - 1, before - 1, -1)
        self._holders = np.concatenate([self._holders, np.zeros(self.capacity - before, dtype=np.int32)])
        for layer, stores in self._layers.items():
            grown = tuple(map(self._room_for, stores))
            for new, old in zip(grown, stores, strict=True):
                new[:before] = old
            self._layers[layer] = grown[0], grown[1]

    def clear(self) -> None:
        """Let go of all places, whoever holds them."""
        self._kept.clear()
        self._holders[:] = 0
        self._free = list(range(self.capacity - 1, -1, -1))

    def take(self, count: int) -> list[int]:
        """Fresh places, at the cost of the oldest kept caches if need be.

        Raises:
            Overloaded: live sequences hold all places.
        """
        while len(self._free) < count and self._kept:
            _, (_, _, places) = self._kept.popitem(last=False)
            self.release(places)
        if len(self._free) < count:
            raise Overloaded(f"cache full: {count} places wanted, {len(self._free)} of {self.capacity} are free")
        places = [self._free.pop() for _ in range(count)]
        self._holders[places] += 1
        return places

    def hold(self, places: Sequence[int]) -> list[int]:
        """Hold places that somebody else holds too."""
        held = list(places)
        self._holders[held] += 1
        return held

    def release(self, places: Sequence[int]) -> None:
        """Stop holding these places."""
        for place in places:
            self._holders[place] -= 1
            if self._holders[place] == 0:
                self._free.append(place)

    def keep(self, key: Hashable, ids: Sequence[int], places: Sequence[int]) -> None:
        """Hand over a finished sequence's cache, to be found again; the pool now holds its places."""
        self._kept[self._next] = (key, tuple(ids), tuple(places))
        self._next += 1

    def find(self, key: Hashable, ids: Sequence[int]) -> list[int]:
        """Hold and return the places of the longest kept beginning of `ids`, short of its last token."""
        best, entry = 0, -1
        for index, (made_by, known, _) in self._kept.items():
            if made_by == key:
                common = common_length(known, ids)
                if common > best:
                    best, entry = common, index
        best = min(best, len(ids) - 1)
        if best <= 0:
            return []
        self._kept.move_to_end(entry)
        return self.hold(self._kept[entry][2][:best])

    @property
    def free(self) -> int:
        """Places that nobody holds."""
        return len(self._free)

    @property
    def bytes_each(self) -> int:
        """Of a place, in all layers that have seen tokens."""
        stores = [store for pair in self._layers.values() for store in pair]
        return sum(store.element_size() * store[0].numel() for store in stores)

    @property
    def kept(self) -> int:
        """Caches of finished sequences that can still be found."""
        return len(self._kept)


def common_length(known: Sequence[int], ids: Sequence[int]) -> int:
    """How many tokens the two begin with alike."""
    length = 0
    for a, b in zip(known, ids, strict=False):
        if a != b:
            break
        length += 1
    return length
