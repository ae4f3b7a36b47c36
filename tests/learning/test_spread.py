"""A bounded memory: how much of each source is left, and what is dealt from it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.learning.spread import Spread


def test_each_source_keeps_as_much_as_the_others():
    spread = Spread[str](room=6)
    spread.add([f"a{n}" for n in range(10)])
    assert len(spread) == 6
    spread.add(["b0", "b1", "b2", "b3"])
    assert [len(source) for source in spread.sources()] == [3, 3]
    spread.add(["c0"])
    assert [len(source) for source in spread.sources()] == [2, 2, 1]
    assert spread.sources()[0] == sorted(spread.sources()[0]), "in the order of the source"


def test_with_more_sources_than_room_every_second_is_kept():
    spread = Spread[int](room=4)
    for source in range(12):
        spread.add([source])
    assert spread.all() == [0, 4, 8]


def test_a_source_of_nothing_is_none():
    spread = Spread[int](room=2)
    spread.add([])
    spread.add([1, 2])
    assert not len(Spread[int](room=1))
    assert spread.all() == [1, 2]
    with pytest.raises(ValueError, match="at least 1"):
        Spread(0)


def test_it_deals_from_all_sources_before_twice_from_one():
    spread = Spread[tuple[str, int]](room=30)
    for name in "abc":
        spread.add([(name, n) for n in range(10)])
    rng = random.Random(0)
    for count, most in ((2, 1), (3, 1), (4, 2), (7, 3)):
        for _ in range(20):
            dealt = spread.deal(count, rng)
            assert len(set(dealt)) == count
            assert max([name for name, _ in dealt].count(name) for name in "abc") == most
    assert sorted(spread.deal(99, rng)) == sorted(spread.all())
    firsts = {spread.deal(1, rng)[0][0] for _ in range(50)}
    assert firsts == set("abc")


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 12), st.integers(0, 3))
def test_it_never_holds_more_than_its_room_and_the_same_seed_keeps_the_same(sizes: list[int], room: int, seed: int):
    one, two = Spread[tuple[int, int]](room, seed), Spread[tuple[int, int]](room, seed)
    for source, size in enumerate(sizes):
        for spread in (one, two):
            spread.add([(source, n) for n in range(size)])
            assert len(spread) <= room
    assert one.all() == two.all()
    assert set(one.all()) <= {(source, n) for source, size in enumerate(sizes) for n in range(size)}
    shares = [len(source) for source in one.sources()]
    assert max(shares, default=0) <= max(1, room // max(1, len(shares)))
