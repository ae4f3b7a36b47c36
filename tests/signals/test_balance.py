"""What foretelling weighs: worked out by hand, and found again on gradients whose truth is known."""

from __future__ import annotations

import math
import random

import pytest

from liveoak.errors import UserError
from liveoak.signals import Balance, BalanceSettings, Products
from liveoak.signals.balance import Recent

SURE = BalanceSettings(steps=2, margin=0.0, memory=0.5, most=10.0)
"""Doubts nothing."""


def products(told_other: float, done_other: float, told_told: float = 1.0, done_done: float = 1.0) -> Products:
    return Products(told_other=told_other, done_other=done_other, told_told=told_told, done_done=done_done)


def after(steps: list[Products], settings: BalanceSettings = SURE) -> Balance:
    balance = Balance(settings=settings)
    for one in steps:
        balance = balance.after(one)
    return balance


def test_a_recent_mean_and_its_error_by_hand():
    found = Recent().after(1.0, 0.5).after(4.0, 0.5)
    # Weights 1/2 and 1: (1/2 + 4) / 1.5 = 3. Variance (1/2 + 16) / 1.5 - 9 = 2; weights squared 1.25 over 2.25.
    assert found.mean == pytest.approx(3.0)
    assert found.error == pytest.approx(math.sqrt(2.0 * 1.25) / 1.5)
    assert (Recent().mean, Recent().error) == (0.0, 0.0)


def test_the_weight_by_hand():
    # What it gains over what it costs, 0.3 / 2, over the same of doing, 0.5 / 4.
    assert after([products(0.3, 0.5, 2.0, 4.0)] * 3).weight == pytest.approx(0.15 / 0.125)


def test_it_is_bounded_by_the_most():
    assert after([products(0.3, 0.5, 2.0, 4.0)] * 3, BalanceSettings(steps=2)).weight == 0.3


@pytest.mark.parametrize(("told", "done"), [(-0.3, 0.5), (0.0, 0.5), (0.3, -0.5)], ids=["against", "across", "lost"])
def test_what_gains_nothing_has_no_weight(told: float, done: float):
    """Neither where foretelling goes against doing, nor where doing itself goes nowhere."""
    assert after([products(told, done)] * 9).weight == 0.0


def test_it_waits_for_steps():
    settings = BalanceSettings(steps=4)
    assert [after([products(1, 1)] * count, settings).weight for count in range(6)] == [0, 0, 0, 0, 0.3, 0.3]


def test_alone_it_has_all_its_weight_until_enough_was_seen():
    settings = BalanceSettings(steps=3)
    found = [after([products(-1, 1)] * count, settings).weight_alone for count in range(5)]
    assert found == [0.3, 0.3, 0.3, 0.0, 0.0]
    assert after([products(1, 1)] * 4, settings).weight_alone == 0.3


def test_doubt_lowers_it():
    steps = [products(told, 1.0) for told in (0.5, -0.1, 0.4, 0.0) * 10]
    doubts = [after(steps, BalanceSettings(margin=margin, most=10.0)).weight for margin in (0.0, 1.0, 2.0, 9.0)]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] > doubts[1] > doubts[2] > 0 == doubts[3]


def weights(gain: float, seed: int, steps: int = 400) -> list[float]:
    """Of gradients in 200 dimensions: doing's is its truth and noise three times as long; foretelling's shares `gain`
    of the truth, beside a direction of its own, and has the same noise as doing of the same step."""
    rng = random.Random(seed)
    size = 200
    balance, found, before = Balance(), list[float](), None
    for _ in range(steps):
        noise = [rng.gauss(0, 3 / math.sqrt(size)) for _ in range(size)]
        done = [noise[0] + 1.0, *noise[1:]]
        told = [gain + 0.5 * noise[0], 0.5 * noise[1] + 1.0, *(0.5 * value for value in noise[2:])]
        if before is not None:
            dot = [sum(map(float.__mul__, one, other)) for one, other in ((told, before), (done, before))]
            norms = [sum(value * value for value in one) for one in (told, done)]
            balance = balance.after(products(*dot, *norms))
        before = done
        found.append(balance.weight)
    return found


def test_what_helps_gets_weight_and_what_does_not_gets_little():
    """Though both gradients have noise of the same episodes, which a comparison within a step would take for help."""
    helps, idle = ([sum(weights(gain, seed)[200:]) / 200 for seed in range(4)] for gain in (0.6, 0.0))
    assert min(helps) > 0.2
    assert max(idle) < 0.06


def test_weights_that_harm_end():
    assert max(weights(-0.5, 1)[50:]) == 0.0


def test_bad_numbers_are_refused():
    with pytest.raises(UserError, match="finite"):
        products(math.nan, 1.0)
    for wrong in ({"most": 0.0}, {"memory": 1.0}, {"margin": -1.0}, {"steps": 1}):
        with pytest.raises(UserError, match="BalanceSettings"):
            BalanceSettings(**wrong)
