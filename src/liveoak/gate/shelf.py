"""Slots of versions in memory: as many as there is room for, and each only once.

Knows how much memory a slot takes and which was used longest ago. Knows nothing of lineage or of what is served.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import Future
from weakref import WeakValueDictionary

from liveoak.adapters import Slot


class Shelf:
    """Loads slots when they are asked for. Over `room` bytes, those used longest ago are let go.

    A slot that is let go or dropped lives on for as long as a reply under way holds it, and is put back without loading
    if it is asked for meanwhile. Any thread may ask; one that loads keeps nobody waiting but those who want the same.
    """

    def __init__(self, load: Callable[[str], Slot], *, room: int) -> None:
        self._load, self._room = load, room
        self._held: OrderedDict[str, Slot] = OrderedDict()
        self._alive: WeakValueDictionary[str, Slot] = WeakValueDictionary()
        self._loading: dict[str, Future[Slot]] = {}
        self._guard = threading.Lock()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What the slots that are held take. At most the room, but for a slot that alone takes more."""
        return self._bytes

    @property
    def held(self) -> tuple[str, ...]:
        """Versions in memory, the one used longest ago first."""
        with self._guard:
            return tuple(self._held)

    def get(self, id: str) -> Slot:
        """The slot of a version. Raises what its loading raises, to everybody who waits for it."""
        with self._guard:
            slot = self._held.get(id) or self._alive.get(id)
            if slot is not None:
                self._hold(id, slot)
                return slot
            first = id not in self._loading
            loading = self._loading.setdefault(id, Future())
        if not first:
            return loading.result()
        try:
            slot = self._load(id)
        except BaseException as error:
            with self._guard:
                self._forget_loading(id, loading)
            loading.set_exception(error)
            raise
        with self._guard:
            # Dropped while it was loaded: who waits gets it, and nobody after them.
            if self._forget_loading(id, loading):
                self._hold(id, slot)
        loading.set_result(slot)
        return slot

    def drop(self, ids: Collection[str]) -> None:
        """Hold these no more, and load them afresh if they are asked for again."""
        with self._guard:
            for id in ids:
                self._loading.pop(id, None)
                self._alive.pop(id, None)
                if id in self._held:
                    self._bytes -= size_of(self._held.pop(id))

    def _hold(self, id: str, slot: Slot) -> None:
        if id not in self._held:
            self._held[id] = self._alive[id] = slot
            self._bytes += size_of(slot)
        self._held.move_to_end(id)
        while self._bytes > self._room and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            self._bytes -= size_of(gone)

    def _forget_loading(self, id: str, mine: Future[Slot]) -> bool:
        """Whether it was still wanted."""
        if self._loading.get(id) is not mine:
            return False
        del self._loading[id]
        return True


def size_of(slot: Slot) -> int:
    """Bytes of a slot's tensors."""
    tensors = (slot.master, slot.weights, slot.gradient, slot.first_moment, slot.second_moment, slot.gram)
    return sum(tensor.nbytes for tensor in tensors if tensor is not None)
