"""Bits by hand, the bound of outcomes, and what is measured of it in a real life."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from liveoak.runtime.bit_meter import BitMeter, outcome_entropy

LN2 = math.log(2)


def test_bits_are_the_fall_of_the_held_out_loss_over_ln_2():
    meter = BitMeter().read(0, {"answers": 10 * LN2, "choices": 3 * LN2})
    meter = meter.read(32, {"answers": 6 * LN2, "choices": 3 * LN2}).read(64, {"answers": 2 * LN2, "choices": 4 * LN2})
    assert meter.learned("answers") == [(0, 0.0), (32, pytest.approx(4.0)), (64, pytest.approx(8.0))]
    assert meter.bits_per_episode("answers") == pytest.approx(8 / 64)
    assert meter.bits_per_episode("choices") == pytest.approx(-1 / 64), "what was forgotten counts against it"


def test_a_life_that_began_later_counts_the_episodes_since():
    meter = BitMeter().read(100, {"answers": 2 * LN2}).read(104, {"answers": LN2})
    assert meter.bits_per_episode("answers") == pytest.approx(0.25)


def test_readings_that_cannot_be_compared_are_refused():
    meter = BitMeter().read(8, {"answers": 1.0})
    with pytest.raises(ValueError, match="one before and one after"):
        meter.bits_per_episode("answers")
    with pytest.raises(ValueError, match="expected the same kinds, later"):
        meter.read(8, {"answers": 1.0})
    with pytest.raises(ValueError, match="expected the same kinds, later"):
        meter.read(9, {"choices": 1.0})


@pytest.mark.parametrize(
    ("outcomes", "bits"),
    [
        ([1.0], 0.0),
        ([0.5] * 9, 0.0),
        ([0.0, 1.0], 1.0),
        ([0.0, 1.0, 2.0, 3.0], 2.0),
        # 0.25 log2 4 + 0.75 log2 (4/3) = 0.8113, corrected by 1 / (8 ln 2) = 0.1803.
        ([0.0, 1.0, 1.0, 1.0], 0.9916),
        # 0.4690 for one in ten, corrected by 1 / (200 ln 2).
        ([1.0] * 10 + [0.0] * 90, 0.4690 + 0.0072),
    ],
)
def test_the_bound_is_the_entropy_of_the_outcome(outcomes: list[float], bits: float):
    assert outcome_entropy(outcomes) == pytest.approx(bits, abs=1e-4)


def test_no_outcomes_have_no_entropy():
    with pytest.raises(ValueError, match="at least one"):
        outcome_entropy([])


@given(some.lists(some.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=60))
def test_an_outcome_never_holds_more_than_its_kinds_allow(outcomes: list[float]):
    bits = outcome_entropy(outcomes)
    assert 0 <= bits <= math.log2(len(set(outcomes))) + 1e-9
    assert bits == outcome_entropy(outcomes[::-1])
