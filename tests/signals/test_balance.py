"""The transition signal's weight backs off where it costs reward, and comes back where it does not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.errors import UserError
from liveoak.signals import Balance, BalanceSettings

EVERY = BalanceSettings(rounds=1, memory=0.5, margin=0.0)
"""Decides each round, from the second on, and takes every drop seriously."""


def weights(rewards: list[float], settings: BalanceSettings = EVERY) -> list[float]:
    balance, found = Balance(settings=settings), list[float]()
    for reward in rewards:
        balance = balance.after(reward)
        found.append(balance.weight)
    return found


def test_decisions_by_hand():
    # Levels 0, 1/2, 3/4, 3/8, 3/16, 3/32: up, up, then below the mark of 3/4.
    assert weights([0, 1, 1, 0, 0, 0]) == pytest.approx([0.3, 0.375, 0.46875, 0.234375, 0.1171875, 0.05859375])


def test_below_the_least_it_is_off_and_after_a_while_it_is_tried_again():
    settings = BalanceSettings(rounds=1, memory=0.5, margin=0.0, first=0.1, least=0.06, grow=2.0)
    # 1 sets the mark. Off at once, off still, and since reward lies no higher without: anew from the first weight.
    assert weights([1, 1, 0, 0, 0, 0.9, 0.9], settings) == pytest.approx([0.1, 0.2, 0.1, 0, 0, 0.1, 0.2])


def test_it_grows_up_to_the_most():
    assert weights([0.5] * 30)[-1] == 1.0


def test_decisions_are_rounds_apart_and_wait_for_the_first():
    found = weights([0.5] * 20, BalanceSettings(rounds=5))
    assert found == pytest.approx([0.3] * 9 + [0.375] * 5 + [0.46875] * 5 + [0.5859375])


def test_a_fall_within_the_noise_is_none():
    noisy = [0.5 + 0.2 * (-1) ** n for n in range(40)]
    assert weights(noisy, BalanceSettings(rounds=5, margin=1.0)) == sorted(weights(noisy, BalanceSettings(rounds=5)))


def test_a_round_without_reward_changes_nothing():
    balance = Balance().after(0.5)
    assert balance.after(None) is balance
    assert Balance().weight == 0.3


def lived(world: Callable[[float, float, int], float], seed: int, rounds: int = 400) -> tuple[list[float], list[float]]:
    """Weights and true skill; `world` gives the next skill from the last, the weight and the round."""
    rng = random.Random(seed)
    balance, skill = Balance(), 0.2
    weights, skills = list[float](), list[float]()
    for round_ in range(rounds):
        skill = world(skill, balance.weight, round_)
        balance = balance.after(skill + rng.gauss(0, 0.1))
        weights.append(balance.weight)
        skills.append(skill)
    return weights, skills


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def harmful(skill: float, weight: float, _: int) -> float:
    """Where the signal pulls away from what is rewarded: 0.8 without it, 0.2 with weight 1."""
    return skill + 0.3 * (0.8 - 0.6 * weight - skill)


def helpful(skill: float, weight: float, _: int) -> float:
    """Where it speeds learning up fivefold."""
    return skill + (0.01 + 0.04 * weight) * (0.9 - skill)


def drifting(skill: float, weight: float, round_: int) -> float:
    return 0.2 if round_ % 150 == 149 else helpful(skill, weight, round_)


def test_where_it_does_harm_it_backs_off_and_reward_is_kept():
    found = [lived(harmful, seed) for seed in range(10)]
    assert mean([mean(skills[-100:]) for _, skills in found]) > 0.7, (
        "0.8 without, 0.62 had it stayed at its first weight"
    )
    assert mean([mean(weights[-100:]) for weights, _ in found]) < 0.15


def test_where_it_helps_it_is_used_while_there_is_something_to_learn():
    found = [lived(helpful, seed) for seed in range(10)]
    assert mean([mean(weights[:60]) for weights, _ in found]) > 0.45

    def without(skill: float, _: float, round_: int) -> float:
        return helpful(skill, 0.0, round_)

    gained = [sum(lived(helpful, seed)[1]) - sum(lived(without, seed)[1]) for seed in range(10)]
    assert min(gained) > 0


def test_where_the_world_changes_it_is_not_blamed_for_ever():
    for seed in range(5):
        weights, _ = lived(drifting, seed, 300)
        assert min(weights[150:200]) < 0.1, "reward fell, so it was suspected"
        assert max(weights[170:300]) > 0.25, "and cleared"


@given(st.lists(st.floats(-1, 1), max_size=80), st.floats(0, 2))
def test_the_weight_stays_within_its_bounds_and_never_grows_in_a_fall(rewards: list[float], margin: float):
    settings = BalanceSettings(rounds=2, margin=margin)
    balance = Balance(settings=settings)
    for reward in rewards:
        before, balance = balance, balance.after(reward)
        assert balance.weight == 0 or settings.least <= balance.weight <= settings.most
        if balance.weight > before.weight and balance.weight != settings.first:
            assert balance.level + margin * math.sqrt(balance.variance) >= before.mark


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UserError, match="mean reward nan"):
        Balance().after(math.nan)
    for wrong in ({"first": 2.0}, {"least": 0.0}, {"grow": 1.0}, {"shrink": 1.0}, {"rounds": 0}, {"memory": 1.0}):
        with pytest.raises(UserError, match="BalanceSettings"):
            BalanceSettings(**wrong)
