"""Hundreds of versions on disk, a few in memory: whoever asks gets the right weights, and each is loaded once."""

from __future__ import annotations

import gc
import random
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import everywhere, scored, some_ids, stirred, tiny_engine

from liveoak.adapters import Slot, load_snapshot, save_snapshot
from liveoak.engine import Engine
from liveoak.errors import StorageError
from liveoak.gate.shelf import Shelf, size_of

VERSIONS = 300
IDS = some_ids(6)


@pytest.fixture(scope="module")
def tiny() -> Engine:
    return tiny_engine()


@pytest.fixture(scope="module")
def folder(tiny: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred versions, no two alike; every third of twice the rank."""
    path = tmp_path_factory.mktemp("versions")
    for number in range(VERSIONS):
        save_snapshot(stirred(tiny.bank, rank=4 if number % 3 == 0 else 2, seed=number), path / str(number))
    return path


@pytest.fixture(scope="module")
def expected(tiny: Engine, folder: Path) -> list[torch.Tensor]:
    """Logits of each version, from weights that never left."""
    found = [_logits(tiny, stirred(tiny.bank, rank=4 if n % 3 == 0 else 2, seed=n)) for n in range(VERSIONS)]
    assert not any(torch.equal(found[0], other) for other in found[1:])
    return found


class Disk:
    """Loads, and tells what was loaded."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.loads = engine, folder, list[str]()

    def load(self, id: str) -> Slot:
        self.loads.append(id)
        slot = load_snapshot(self.engine.bank, self.folder / id, optimizer=False)
        slot.slim()
        return slot


def _logits(engine: Engine, slot: Slot) -> torch.Tensor:
    return scored(engine, [everywhere(IDS, slot)])


@settings(max_examples=15, deadline=None)
@given(
    asked=st.lists(st.one_of(st.integers(0, 9), st.integers(0, VERSIONS - 1)), min_size=1, max_size=60),
    slots=st.integers(0, 12),
)
def test_it_is_a_cache_by_bytes_of_the_very_weights(
    tiny: Engine, folder: Path, expected: list[torch.Tensor], asked: list[int], slots: int
):
    disk = Disk(tiny, folder)
    size = {rank: _slim_size(tiny, rank) for rank in (2, 4)}
    room = slots * size[2]
    shelf = Shelf(disk.load, room=room)
    model: OrderedDict[int, int] = OrderedDict()
    loads: list[str] = []
    for number in asked:
        if number not in model:
            loads.append(str(number))
            model[number] = size[4 if number % 3 == 0 else 2]
        model.move_to_end(number)
        while sum(model.values()) > room and len(model) > 1:
            model.popitem(last=False)
        assert torch.equal(_logits(tiny, shelf.get(str(number))), expected[number])
        assert shelf.held == tuple(str(one) for one in model)
        assert shelf.bytes == sum(model.values())
    assert disk.loads == loads


def _slim_size(engine: Engine, rank: int) -> int:
    slot = engine.bank.new_slot(rank=rank)
    slot.slim()
    return size_of(slot)


def test_every_version_comes_back_from_the_disk(tiny: Engine, folder: Path, expected: list[torch.Tensor]):
    shelf = Shelf(Disk(tiny, folder).load, room=20 * _slim_size(tiny, 4))
    for number in (*range(VERSIONS), *range(VERSIONS)):
        assert torch.equal(_logits(tiny, shelf.get(str(number))), expected[number])
    assert 20 <= len(shelf.held) <= 40


def test_hundreds_are_held_and_the_others_are_freed(tiny: Engine, folder: Path, expected: list[torch.Tensor]):
    """Long-tailed requests, with some replies that go on for a while: nobody but they and the shelf holds a slot."""
    disk = Disk(tiny, folder)
    shelf = Shelf(disk.load, room=270 * _slim_size(tiny, 2))
    rng = random.Random(0)
    seen: weakref.WeakSet[Slot] = weakref.WeakSet()
    under_way: deque[Slot] = deque(maxlen=20)
    for place in range(3000):
        number = min(int(rng.paretovariate(0.5)) - 1, VERSIONS - 1) if place % 2 else rng.randrange(VERSIONS)
        slot = shelf.get(str(number))
        seen.add(slot)
        if place % 10 == 0:
            assert torch.equal(_logits(tiny, slot), expected[number])
            under_way.append(slot)
        del slot
        if place % 100 == 99:
            gc.collect()
            held = {id(shelf._held[name]) for name in shelf.held}
            assert {id(one) for one in seen} == held | {id(one) for one in under_way}
    assert 180 <= len(shelf.held) <= 220
    assert len(disk.loads) > 2 * VERSIONS, "evicted, and loaded again"


def test_what_a_reply_still_holds_is_not_loaded_twice(tiny: Engine, folder: Path):
    """Two copies of one version would share no cache and no batch."""
    disk = Disk(tiny, folder)
    shelf = Shelf(disk.load, room=0)
    held = shelf.get("1")
    shelf.get("2")
    assert shelf.held == ("2",)
    assert shelf.get("1") is held
    assert disk.loads == ["1", "2"]


class Gated(Disk):
    """Loading waits to be let go, version by version."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        super().__init__(engine, folder)
        self.begun = threading.Event()
        self.go = threading.Event()

    def load(self, id: str) -> Slot:
        if id == "1":
            self.begun.set()
            assert self.go.wait(30)
        return super().load(id)


def in_threads(count: int, work: Callable[[], object]) -> tuple[list[threading.Thread], list[object]]:
    results: list[object] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, results


def test_one_load_for_all_who_ask_and_others_do_not_wait(tiny: Engine, folder: Path):
    disk = Gated(tiny, folder)
    shelf = Shelf(disk.load, room=2**20)
    shelf.get("2")
    threads, results = in_threads(5, lambda: shelf.get("1"))
    assert disk.begun.wait(30)
    assert shelf.get("2") is not None
    assert shelf.get("3") is not None
    assert results == [], "the first one is still being loaded"
    disk.go.set()
    for thread in threads:
        thread.join(30)
    assert len(results) == 5
    assert all(result is results[0] for result in results)
    assert sorted(disk.loads) == ["1", "2", "3"]


def test_a_version_that_is_dropped_while_it_is_loaded_is_not_kept(tiny: Engine, folder: Path):
    disk = Gated(tiny, folder)
    shelf = Shelf(disk.load, room=2**20)
    threads, results = in_threads(2, lambda: shelf.get("1"))
    assert disk.begun.wait(30)
    shelf.drop(("1", "nobody"))
    disk.go.set()
    for thread in threads:
        thread.join(30)
    assert all(isinstance(result, Slot) for result in results)
    assert shelf.held == ()
    assert shelf.bytes == 0


def test_a_load_that_fails_is_told_to_all_and_tried_again(tiny: Engine, folder: Path):
    fails = [True]
    disk = Gated(tiny, folder)

    def load(id: str) -> Slot:
        slot = disk.load(id)
        if fails:
            raise StorageError("damaged")
        return slot

    shelf = Shelf(load, room=2**20)
    threads, results = in_threads(3, lambda: shelf.get("1"))
    assert disk.begun.wait(30)
    disk.go.set()
    for thread in threads:
        thread.join(30)
    assert [str(result) for result in results] == ["damaged"] * 3
    fails.clear()
    assert isinstance(shelf.get("1"), Slot)


def test_a_slim_slot_is_not_saved(tiny: Engine, tmp_path: Path):
    slot = tiny.bank.new_slot(rank=2)
    slot.slim()
    with pytest.raises(ValueError, match="slim"):
        save_snapshot(slot, tmp_path / "one")
    assert not (tmp_path / "one").exists()
