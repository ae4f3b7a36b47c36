"""Places of the pool: none is lost, none is held by two that do not share it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from liveoak.engine.pool import Pool, common_length
from liveoak.errors import Overloaded

CAPACITY = 24


def pool_of(capacity: int = CAPACITY) -> Pool:
    return Pool(capacity=capacity, dtype=torch.float32, device=torch.device("cpu"))


class PoolMachine(RuleBasedStateMachine):
    """Sequences begin, grow, end or are dropped in any order. Each place remembers which token of whom it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = pool_of()
        self.live: list[tuple[int, list[int], list[int]]] = []
        self.content: dict[int, tuple[int, tuple[int, ...]]] = {}
        """By place: under which weights it was filled, and the tokens up to it."""

    @rule(key=st.integers(0, 1), ids=st.lists(st.integers(0, 1), min_size=1, max_size=8))
    def begin(self, key: int, ids: list[int]) -> None:
        places = self.pool.find(key, ids)
        assert len(places) < len(ids), "at least one token must be run, to have logits"
        for length, place in enumerate(places, 1):
            assert self.content[place] == (key, tuple(ids[:length])), "found what somebody else cached"
        self.live.append((key, ids[: len(places)], places))
        self._grow(len(self.live) - 1, ids[len(places) :])

    @precondition(lambda self: self.live)
    @rule(data=st.data(), ids=st.lists(st.integers(0, 1), min_size=1, max_size=3))
    def grow(self, data: st.DataObject, ids: list[int]) -> None:
        self._grow(data.draw(st.integers(0, len(self.live) - 1)), ids)

    def _grow(self, index: int, ids: list[int]) -> None:
        key, known, places = self.live[index]
        before = self.pool.free
        try:
            new = self.pool.take(len(ids))
        except Overloaded:
            assert self.pool.kept == 0, "caches of finished sequences give way first"
            assert self.pool.free < len(ids)
            assert self.pool.free >= before
            return
        assert len(set(new)) == len(ids)
        held = {place for _, _, others in self.live for place in others}
        assert not held & set(new), "handed out a place that a live sequence holds"
        for place, id in zip(new, ids, strict=True):
            known.append(id)
            places.append(place)
            self.content[place] = (key, tuple(known))

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        key, ids, places = self.live.pop(data.draw(st.integers(0, len(self.live) - 1)))
        if places:
            self.pool.keep(key, ids, places)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        self.pool.release(self.live.pop(data.draw(st.integers(0, len(self.live) - 1)))[2])

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def share(self, data: st.DataObject) -> None:
        key, ids, places = self.live[data.draw(st.integers(0, len(self.live) - 1))]
        length = data.draw(st.integers(0, len(places)))
        self.live.append((key, ids[:length], self.pool.hold(places[:length])))

    @invariant()
    def live_places_keep_their_content(self) -> None:
        for key, ids, places in self.live:
            assert len(places) == len(ids)
            for length, place in enumerate(places, 1):
                assert self.content[place] == (key, tuple(ids[:length]))

    @invariant()
    def nothing_leaks(self) -> None:
        if self.pool.kept == 0:
            held = {place for _, _, places in self.live for place in places}
            assert self.pool.free + len(held) == CAPACITY

    def teardown(self) -> None:
        for _, _, places in self.live:
            self.pool.release(places)
        assert len(set(self.pool.take(CAPACITY))) == CAPACITY
        assert (self.pool.free, self.pool.kept) == (0, 0)


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_longest_beginning_is_found_short_of_the_last_token() -> None:
    pool = pool_of()
    short, long = pool.take(3), pool.take(5)
    pool.keep("w", [1, 2, 3], short)
    pool.keep("w", [1, 2, 3, 4, 5], long)
    assert pool.find("w", [1, 2, 3, 4, 9, 9]) == long[:4]
    assert pool.find("w", [1, 2, 3]) in (short[:2], long[:2])
    assert pool.find("w", [1]) == []
    assert pool.find("w", [2, 1, 3]) == []
    assert pool.find("other weights", [1, 2, 3, 4, 9]) == []


def test_the_cache_used_longest_ago_goes_first() -> None:
    pool = pool_of(6)
    for first in (1, 2, 3):
        pool.keep("w", [first, 0], pool.take(2))
    pool.release(pool.find("w", [1, 0, 5]))
    pool.release(pool.take(2))
    assert pool.find("w", [2, 0, 5]) == []
    assert len(pool.find("w", [1, 0, 5])) == 2
    assert len(pool.find("w", [3, 0, 5])) == 2


def test_a_found_cache_outlives_its_entry() -> None:
    pool = pool_of(4)
    pool.keep("w", [1, 2, 3], pool.take(3))
    mine = pool.find("w", [1, 2, 9])
    rest = pool.take(2)  # the entry goes, its first two places stay mine
    assert pool.kept == 0
    assert not set(rest) & set(mine)
    with pytest.raises(Overloaded, match="1 places wanted, 0 of 4"):
        pool.take(1)
    pool.release(mine)
    assert pool.free == 2


def test_updates_write_their_places_alone() -> None:
    pool = pool_of(5)
    keys, values = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    all_keys, all_values = pool.update(1, torch.tensor([4, 0]), keys, values)
    assert all_keys.shape == (5, 3, 4)
    assert torch.equal(all_keys[[4, 0]], keys)
    assert torch.equal(all_values[[4, 0]], values)
    assert not all_keys[[1, 2, 3]].any()
    other_keys, _ = pool.update(2, torch.tensor([1]), keys[:1], values[:1])
    assert not other_keys[[4, 0]].any()


def test_common_length() -> None:
    assert common_length([1, 2, 3], [1, 2, 4]) == 2
    assert common_length([1, 2], [1, 2, 4]) == 2
    assert common_length([], [1]) == 0
    assert common_length([3], [1]) == 0
