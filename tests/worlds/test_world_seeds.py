"""Splits never overlap, and chance depends on its key alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.worlds import seed_of, seeds, split_of
from liveoak.worlds.seeds import belongs, checked, dice, drawn, of_split


def test_seeds_by_hand():
    assert seeds("train", 3) == (0, 2, 4)
    assert seeds("held_out", 3, start=5) == (11, 13, 15)
    assert (split_of(6), split_of(7)) == ("train", "held_out")


@given(index=st.integers(0, 2**60), split=st.sampled_from(["train", "held_out"]))
def test_a_seed_knows_its_split(index: int, split: str):
    assert split_of(seed_of(split, index)) == split
    assert seed_of(split, index) // 2 == index


@given(options=st.lists(st.integers(), min_size=2, max_size=200, unique=True))
def test_every_option_belongs_to_one_split_and_neither_is_empty(options: list[int]):
    train, held_out = of_split(options, "train"), of_split(options, "held_out")
    assert sorted((*train, *held_out)) == sorted(options)
    assert len(held_out) == max(1, len(options) // 4)
    assert train


@given(key=st.lists(st.one_of(st.integers(), st.text())).map(tuple))
def test_dice_fall_alike_for_equal_keys(key: tuple[object, ...]):
    assert [dice(*key).random() for _ in range(3)] == [dice(*key).random()] * 3


def test_neighbouring_keys_fall_apart():
    first = [dice("a", seed).random() for seed in range(1000)]
    assert len(set(first)) == 1000
    assert sum(first) / 1000 == pytest.approx(0.5, abs=4 * (1 / 12 / 1000) ** 0.5)
    assert dice("ab", 1).random() != dice("a", "b1").random()


def test_what_is_drawn_belongs_to_the_split_of_its_seed():
    def draw(number: int) -> tuple[int, str]:
        return number % 40, f"made of {number % 40}"

    keys = {split: {drawn(seed, draw) for seed in seeds(split, 300)} for split in ("train", "held_out")}
    assert not keys["train"] & keys["held_out"]
    assert len(keys["train"] | keys["held_out"]) == 40
    share = sum(belongs(number) == "held_out" for number in range(4000)) / 4000
    assert share == pytest.approx(0.25, abs=4 * (0.1875 / 4000) ** 0.5)


def test_where_there_is_one_thing_to_draw_one_split_has_none():
    lacking = 1 if belongs("only") == "train" else 0
    assert drawn(1 - lacking, lambda _: ("only", "it")) == "it"
    with pytest.raises(ValueError, match="too little to draw from"):
        drawn(lacking, lambda _: ("only", "it"))


@pytest.mark.parametrize("call", [lambda: checked(-1), lambda: seed_of("train", -1), lambda: of_split([1], "train")])
def test_what_makes_no_sense_is_refused(call: object):
    with pytest.raises(ValueError, match=r"expected|counted"):
        call()


_EPISODES = """
import hashlib, random
from liveoak.worlds import guessing, play, world, worlds
told = [repr(play(world(entry.name), seed, guessing(random.Random(0))))
        for entry in worlds() if entry.extra is None and entry.needs is None and entry.factory.startswith("liveoak.")
        for seed in range(4)]
print(hashlib.sha256("".join(told).encode()).hexdigest())
"""


def test_episodes_are_the_same_in_every_process():
    """Set orders and hashes differ from process to process; episodes must not."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", _EPISODES], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
