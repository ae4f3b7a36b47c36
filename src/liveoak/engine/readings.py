"""What the prior made of tokens that no adapter has changed, kept to be found by whoever runs them again.

Below the first layer that an adapter changes all is the prior's own; and what comes before an activated adapter speaks is
the prior's own in every layer. Lessons run the same questions and answers many times over: of those, only what is said
is run, in the upper layers.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass

import torch
from torch import Tensor

from liveoak.engine.batch import Row, Sequence
from liveoak.engine.pool import Pool

ROOM = 512 << 20
"""Bytes of keys and values that are kept; with more all are let go, and what comes again is read again."""
_FIRST_PLACES = 256


@dataclass(slots=True, kw_only=True)
class Unread:
    """Tokens that are to run through a stretch of the layers: T of them, in rows that look into the pool."""

    ids: list[int]
    positions: list[int]
    places: list[int]
    """Of each, in the pool and among the states."""
    rows: list[Row]

    @classmethod
    def none(cls) -> Unread:
        return cls(ids=[], positions=[], places=[], rows=[])

    def add(self, ids: Seq[int], path: Seq[int], first: int) -> None:
        """The tokens of a sequence from position `first` on, `ids`, and the places of all its tokens."""
        queries = torch.arange(len(self.ids), len(self.ids) + len(ids))
        self.rows.append(Row(queries=queries, keys=torch.tensor(path), first=first))
        self.ids.extend(ids)
        self.positions.extend(range(first, len(path)))
        self.places.extend(path[first:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A batch, found or made room for."""

    below: Unread
    """What has yet to run up to the first changed layer."""
    above: Unread
    """What the prior reads, and has yet to run from there on."""
    places: list[int]
    """Of each token of the batch that has one: all, or those that the prior reads where the first layer is changed."""


class _Node:
    """A token after those before it."""

    __slots__ = ("following", "place", "read")

    def __init__(self, place: int) -> None:
        self.following: dict[int, _Node] = {}
        self.place, self.read = place, False
        """`read`: its keys and values are there in every layer, and not below the first changed one alone."""


class Readings:
    """Keys, values and states by tokens. `layer` is the first that any adapter changes; 0 is the lowest one."""

    def __init__(self, *, layer: int, dtype: torch.dtype, device: torch.device, room: int = ROOM) -> None:
        self.layer = layer
        self._room = room
        self.pool = Pool(capacity=_FIRST_PLACES, dtype=dtype, device=device)
        self._states: Tensor | None = None
        self._root = _Node(-1)

    def lay(self, batch: Seq[Sequence], read: int) -> Laid:
        """Find the tokens of a batch, whose first `read` sequences are read by the prior, and make room for others.

        Those in `below` and `above` count as known from now on: if they are not run, all must be forgotten.
        """
        if self.layer == 0:
            batch = batch[:read]
        self._make_room(sum(len(sequence.ids) for sequence in batch))
        laid = Laid(below=Unread.none(), above=Unread.none(), places=[])
        ends: list[tuple[_Node, list[int]]] = []
        for number, sequence in enumerate(batch):
            node, before = (self._root, []) if sequence.prefix is None else ends[sequence.prefix]
            path, fresh, unread = list(before), 0, 0
            for token in sequence.ids:
                following = node.following.get(token)
                if following is None:
                    following = node.following[token] = _Node(self.pool.take(1)[0])
                    fresh += 1
                node = following
                path.append(node.place)
                if number < read and not node.read:
                    node.read = True
                    unread += 1
            if fresh and self.layer:
                laid.below.add(sequence.ids[-fresh:], path, len(path) - fresh)
            if unread:
                laid.above.add(sequence.ids[-unread:], path, len(path) - unread)
            laid.places.extend(path[len(before) :])
            ends.append((node, path))
        return laid

    def keep(self, places: Seq[int], states: Tensor) -> None:
        """What the first changed layer is handed (T, width) for the tokens at these places."""
        if self._states is None or len(self._states) < self.pool.capacity:
            with torch.inference_mode(False):
                grown = torch.empty((self.pool.capacity, states.shape[1]), dtype=states.dtype, device=states.device)
            if self._states is not None:
                grown[: len(self._states)] = self._states
            self._states = grown
        self._states[torch.tensor(places, device=states.device)] = states

    def states(self, places: Seq[int]) -> Tensor:
        """Those that were kept for these places."""
        assert self._states is not None
        return self._states[torch.tensor(places, device=self._states.device)]

    def forget(self) -> None:
        """Everything."""
        self._root = _Node(-1)
        self.pool.clear()

    def _make_room(self, count: int) -> None:
        if self.pool.free >= count:
            return
        more = max(2 * self.pool.capacity, self.pool.capacity + count)
        if self.pool.bytes_each * more > self._room:
            self.forget()
            more = max(self.pool.capacity, count)
        self.pool.grow(more)
