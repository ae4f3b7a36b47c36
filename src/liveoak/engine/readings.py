"""What the prior made of tokens that no adapter has changed, kept to be found by whoever runs them again.

Below the first layer that an adapter changes all is the prior's own; and what comes before an activated adapter speaks
is the prior's own in every layer. Lessons run the same questions and answers many times over: of those, only what is
said is run, in the upper layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass

import torch
from torch import Tensor

from liveoak.engine.batch import Row, Sequence
from liveoak.engine.pool import Pool

ROOM = 512 << 20
"""Bytes of keys and values that are kept; with more all are let go, and what comes again is read again."""
_FIRST_PLACES = 256
_KINDS = ("keys", "values")


@dataclass(slots=True, kw_only=True)
class Unread:
    """Tokens that are to run through a stretch of the layers: T of them, in rows that look into a pool."""

    ids: list[int]
    positions: list[int]
    places: list[int]
    """Of each, in the pool."""
    rows: list[Row]

    @classmethod
    def none(cls) -> Unread:
        return cls(ids=[], positions=[], places=[], rows=[])

    def add(self, ids: Seq[int], path: Seq[int]) -> None:
        """The last tokens of a sequence, `ids`, and the places of all its tokens."""
        first = len(path) - len(ids)
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
    handed: list[int]
    """Of each token of `above`, where what the first changed layer is handed is kept."""
    read: list[int]
    """Of each token that the prior reads, its place in the pool of the layers above."""
    said: list[int]
    """Of each other token, where what the first changed layer is handed is kept."""


class _Node:
    """A token after those before it: its places in the pools, -1 where it was not run."""

    __slots__ = ("above", "below", "following")

    def __init__(self) -> None:
        self.following: dict[int, _Node] = {}
        self.below = self.above = -1


class Readings:
    """Keys, values and states by tokens. `layer` is the first that any adapter changes; 0 is the lowest one."""

    def __init__(self, *, layer: int, dtype: torch.dtype, device: torch.device, room: int = ROOM) -> None:
        self.layer = layer
        self._room = room
        self.below, self.above = (Pool(capacity=_FIRST_PLACES, dtype=dtype, device=device) for _ in range(2))
        """Of the layers before the first changed one, for all tokens; of the others, for those that the prior reads."""
        self._states: Tensor | None = None
        """(places below, width): what the first changed layer is handed."""
        self._root = _Node()
        self._closed = False
        """Restored: nothing can follow what it holds, for which keys and values of the layers below are missing."""

    def lay(self, batch: Seq[Sequence], read: int) -> Laid:
        """Find the tokens of a batch, whose first `read` sequences are read by the prior, and make room for others.

        Those in `below` and `above` count as known from now on: if they are not run, all must be forgotten.
        """
        batch = batch if self.layer else batch[:read]
        if self._closed and not self._has(batch, read):
            self.forget()
        lengths = [len(sequence.ids) for sequence in batch]
        self._make_room(sum(lengths) if self.layer else 0, sum(lengths[:read]))
        laid = Laid(below=Unread.none(), above=Unread.none(), handed=[], read=[], said=[])
        ends: list[tuple[_Node, list[int], list[int]]] = []
        for number, sequence in enumerate(batch):
            node, before, before_above = (self._root, [], []) if sequence.prefix is None else ends[sequence.prefix]
            below, above = list(before), list(before_above)
            fresh, unread = 0, 0
            for token in sequence.ids:
                node = node.following.setdefault(token, _Node())
                if self.layer:
                    if node.below < 0:
                        node.below = self.below.take(1)[0]
                        fresh += 1
                    below.append(node.below)
                if number < read:
                    if node.above < 0:
                        node.above = self.above.take(1)[0]
                        unread += 1
                    above.append(node.above)
            if fresh:
                laid.below.add(sequence.ids[-fresh:], below)
            if unread:
                laid.above.add(sequence.ids[-unread:], above)
                laid.handed.extend(below[-unread:])
            laid.read.extend(above[len(before_above) :])
            laid.said.extend(() if number < read else below[len(before) :])
            ends.append((node, below, above))
        return laid

    def keep(self, places: Seq[int], states: Tensor) -> None:
        """What the first changed layer is handed (T, width) for the tokens at these places below."""
        if self._states is None or len(self._states) < self.below.capacity:
            with torch.inference_mode(False):
                grown = torch.empty((self.below.capacity, states.shape[1]), dtype=states.dtype, device=states.device)
            if self._states is not None:
                grown[: len(self._states)] = self._states
            self._states = grown
        self._states[torch.tensor(places, device=states.device)] = states

    def states(self, places: Seq[int]) -> Tensor:
        """Those that were kept for these places."""
        assert self._states is not None
        return self._states[torch.tensor(places, device=self._states.device)]

    def kept(self) -> dict[str, Tensor]:
        """All that passes over what is known need, to be restored elsewhere: no keys and values of the layers below."""
        nodes: list[tuple[int, int, int, int]] = []
        waiting = [(self._root, -1)]
        while waiting:
            node, number = waiting.pop()
            for token, child in node.following.items():
                waiting.append((child, len(nodes)))
                nodes.append((number, token, child.below, child.above))
        found = {"nodes": torch.tensor(nodes, dtype=torch.long).view(-1, 4)}
        if self._states is not None:
            found["states"] = self._states[: 1 + max((below for _, _, below, _ in nodes), default=-1)].cpu()
        above = 1 + max((above for *_, above in nodes), default=-1)
        for layer, pair in self.above.stores.items():
            for kind, store in zip(_KINDS, pair, strict=True):
                found[f"{kind}.{layer}"] = store[:above].cpu()
        return found

    @classmethod
    def restored(cls, kept: Mapping[str, Tensor], *, layer: int, dtype: torch.dtype, device: torch.device) -> Readings:
        """What was `kept`. Where it is asked for anything else, it forgets all, and goes on as any other."""
        found = cls(layer=layer, dtype=dtype, device=device)
        nodes: list[_Node] = []
        rows: list[list[int]] = kept["nodes"].tolist()
        for parent, token, below, above in rows:
            node = _Node()
            node.below, node.above = below, above
            (nodes[parent] if parent >= 0 else found._root).following[token] = node
            nodes.append(node)
        if "states" in kept:
            found._states = kept["states"].to(device)
        held = 1 + max((above for *_, above in rows), default=-1)
        found.above.grow(held)
        found.above.take(found.above.capacity)
        write = torch.arange(held, device=device)
        for number in sorted(int(name.rpartition(".")[2]) for name in kept if name.startswith(_KINDS[0])):
            keys, values = (kept[f"{kind}.{number}"].to(device) for kind in _KINDS)
            found.above.update(number, write, keys, values)
        found._closed = True
        return found

    def _has(self, batch: Seq[Sequence], read: int) -> bool:
        """Whether it holds every token of a batch."""
        ends: list[_Node] = []
        for number, sequence in enumerate(batch):
            node = self._root if sequence.prefix is None else ends[sequence.prefix]
            for token in sequence.ids:
                found = node.following.get(token)
                if found is None or (self.layer and found.below < 0) or (number < read and found.above < 0):
                    return False
                node = found
            ends.append(node)
        return True

    def forget(self) -> None:
        """Everything."""
        self._closed = False
        self._root = _Node()
        self.below.clear()
        self.above.clear()

    def _make_room(self, below: int, above: int) -> None:
        """For so many more tokens, at the cost of all that is there if need be."""
        more = _more(self.below, below), _more(self.above, above)
        if self.below.bytes_each * more[0] + self.above.bytes_each * more[1] > self._room:
            self.forget()
            more = _more(self.below, below), _more(self.above, above)
        self.below.grow(more[0])
        self.above.grow(more[1])


def _more(pool: Pool, count: int) -> int:
    """How many places a pool is to have, so that so many are free: a good part more than it has, or none."""
    short = count - pool.free
    return pool.capacity + max(short, pool.capacity // 4) if short > 0 else pool.capacity
