"""A bounded memory of things from many sources, as many from each as from the others."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Spread(Generic[T]):
    """At most `room` things. Each source keeps a random part of its own, which shrinks as sources are added.

    With more sources than room, every second one is kept, then every fourth, and so on.
    """

    def __init__(self, room: int, seed: int = 0) -> None:
        if room < 1:
            raise ValueError(f"room for {room!r} things: expected at least 1")
        self._room, self._rng = room, random.Random(f"spread {seed}")
        self._sources: list[list[tuple[int, T]]] = []
        """Of each source (place in it, thing), in an order drawn once: what is over its share leaves from the end."""
        self._seen, self._stride = 0, 1

    def __len__(self) -> int:
        return sum(map(len, self._sources))

    def add(self, things: Sequence[T]) -> None:
        """One more source. One without things is none."""
        if not things:
            return
        if self._seen % self._stride == 0:
            places = self._rng.sample(range(len(things)), min(len(things), self._room))
            self._sources.append([(place, things[place]) for place in places])
        self._seen += 1
        while len(self._sources) > self._room:
            self._sources, self._stride = self._sources[::2], 2 * self._stride
        each = self._room // len(self._sources)
        self._sources = [source[:each] for source in self._sources]

    def sources(self) -> list[list[T]]:
        """What is kept of each source, in the order of the sources and within each in its own."""
        return [[thing for _, thing in sorted(source, key=lambda kept: kept[0])] for source in self._sources]

    def all(self) -> list[T]:
        """All that is kept, source by source."""
        return [thing for source in self.sources() for thing in source]

    def deal(self, count: int, rng: random.Random) -> list[T]:
        """Up to `count` different things, from as many sources as there are before two come from one."""
        order = rng.sample(self._sources, len(self._sources))
        shuffled = [rng.sample(source, len(source)) for source in order]
        dealt: list[T] = []
        depth = 0
        while len(dealt) < min(count, len(self)):
            dealt += [source[depth][1] for source in shuffled if depth < len(source)]
            depth += 1
        return dealt[:count]
