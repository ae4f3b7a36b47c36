"""What a turn was worth: advantages worked out by hand, and what must hold for all of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lived import episode

from liveoak.errors import UserError
from liveoak.signals import RewardSettings, advantages, residuals, returns, reward


def weights(group: list[tuple[str, tuple[float | None, ...]]], **settings: object) -> list[tuple[float, ...]]:
    found = reward([episode(*each) for each in group], RewardSettings(**settings))  # type: ignore[arg-type]
    return [credit.weights for credit in found.credits]


def test_returns_by_hand():
    assert returns([1.0, 0.0, 2.0]) == (3.0, 2.0, 2.0)
    assert returns([1.0, 0.0, 2.0], 0.5) == (1.5, 1.0, 2.0)
    assert returns([1.0, 0.0, 2.0], 0.0) == (1.0, 0.0, 2.0)


def test_one_turn_against_the_others():
    # Returns 1, 0, -1: the others' means are -1/2, 0, 1/2.
    group = [("gsaa", (1.0,)), ("gsa", (0.0,)), ("gsa", (-1.0,))]
    assert weights(group) == [(0, 0, 1.5, 1.5), (0, 0, 0), (0, 0, -1.5)]


def test_one_turn_against_the_group():
    group = [("gsa", (1.0,)), ("gsa", (0.0,)), ("gsa", (0.0,)), ("gsa", (-1.0,))]
    assert [each[2] for each in weights(group, baseline="group")] == [1, 0, 0, -1]
    # The spread of 1, 0, 0, -1 is the root of 1/2.
    scaled = weights(group, baseline="group", scaled=True)
    assert [each[2] for each in scaled] == pytest.approx([math.sqrt(2), 0, 0, -math.sqrt(2)])


def test_without_a_baseline_the_return_itself():
    assert weights([("gsaosa", (0.5, 1.0))], baseline="none") == [(0, 0, 1.5, 0, 0, 1.0)]


def test_turns_are_credited_with_what_came_after_them():
    # Returns from each turn on: (1, 1) and (3, 0).
    group = [("gsaosa", (0.0, 1.0)), ("gsaosa", (3.0, 0.0))]
    assert weights(group) == [(0, 0, -2, 0, 0, 1), (0, 0, 2, 0, 0, -1)]


def test_or_with_the_whole_episode():
    group = [("gsaosa", (0.0, 1.0)), ("gsaosa", (3.0, 0.0))]
    assert weights(group, per="episode") == [(0, 0, -2, 0, 0, -2), (0, 0, 2, 0, 0, 2)]


def test_one_that_ended_early_stands_with_its_last_return():
    # From the first turn on 1 and 0.5, from the second 1 against the other's last, 0.5.
    group = [("gsaosa", (0.0, 1.0)), ("gsa", (0.5,))]
    assert weights(group) == [(0, 0, 0.5, 0, 0, 0.5), (0, 0, -0.5)]


def test_a_learned_value_is_the_baseline_of_each_turn():
    # One step: delta_1 = 1 - 0.25 = 0.75, delta_0 = 0 + 0.25 - 0.5 = -0.25; with trace 1 they add up to return - value.
    assert residuals([0.0, 1.0], [0.5, 0.25], trace=0.0) == (-0.25, 0.75)
    assert residuals([0.0, 1.0], [0.5, 0.25]) == (0.5, 0.75)
    # Discount 1/2, trace 1/2: delta_0 = 0.125 - 0.5 = -0.375, and a quarter of 0.75 comes back.
    assert residuals([0.0, 1.0], [0.5, 0.25], 0.5, 0.5) == (-0.375 + 0.1875, 0.75)
    found = reward([episode("gsaosa", (0.0, 1.0))], RewardSettings(baseline="value"), values=[(0.5, 0.25)])
    assert found.credits[0].weights == (0, 0, 0.5, 0, 0, 0.75)
    whole = reward([episode("gsaosa", (0.0, 1.0))], RewardSettings(baseline="value", per="episode"), [(0.5, 0.25)])
    assert whole.credits[0].weights == (0, 0, 0.5, 0, 0, 0.5)


def test_an_episode_that_nobody_rewarded_is_not_one_of_reward_zero():
    found = weights([("gsa", (1.0,)), ("gsa", (None,)), ("gsa", (0.0,))])
    assert found == [(0, 0, 1), (0, 0, 0), (0, 0, -1)]
    assert weights([("gsa", (1.0,)), ("gsa", (0.0,)), ("gsa", (0.0,))])[0] == (0, 0, 1)
    assert weights([("gsa", (1.0,)), ("gsa", (0.0,)), ("gsa", (0.0,))])[1] == (0, 0, -0.5)


@pytest.mark.parametrize(
    ("group", "settings", "why"),
    [
        ([], {}, "the group is empty"),
        ([(None,), (None,)], {}, "none of 2 episodes was rewarded"),
        ([(1.0,), (None,)], {}, "one rewarded episode has no others"),
        ([(0.1,), (0.1,), (0.1,)], {}, "all 3 rewarded episodes were worth the same"),
        (
            [(0.1,), (0.1,), (0.1,)],
            {"baseline": "group", "scaled": True},
            "all 3 rewarded episodes were worth the same",
        ),
        ([(0.0,)], {"baseline": "none"}, "every turn was worth what its baseline expected"),
    ],
)
def test_a_silent_group_says_why(group: list[tuple[float | None]], settings: dict[str, object], why: str):
    found = reward([episode("gsaa", rewards) for rewards in group], RewardSettings(**settings))  # type: ignore[arg-type]
    assert found.silent is not None and why in found.silent
    assert all(set(credit.weights) == {0.0} and len(credit.weights) == 4 for credit in found.credits)


def test_a_group_that_differs_is_not_silent():
    assert reward([episode("gsa", (1.0,)), episode("gsa", (0.0,))]).silent is None


def test_values_of_another_shape_and_numbers_that_are_none_are_refused():
    one = [episode("gsaosa", (0.0, 1.0))]
    for values in (None, [(1.0,)], []):
        with pytest.raises(UserError, match="value baseline got values for"):
            reward(one, RewardSettings(baseline="value"), values)
    with pytest.raises(UserError, match="reward nan"):
        reward([episode("gsa", (math.nan,)), episode("gsa", (1.0,))])
    with pytest.raises(UserError, match="value inf"):
        reward(one, RewardSettings(baseline="value"), [(0.0, math.inf)])
    with pytest.raises(UserError, match="discount"):
        RewardSettings(discount=1.5)


numbers = st.floats(-1, 1, allow_subnormal=False)
groups = st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=2, max_size=6)


@given(groups, st.floats(0, 1), st.sampled_from(["group", "leave_one_out"]))
def test_advantages_of_whole_episodes_sum_to_zero(group: list[list[float]], discount: float, baseline: str):
    settings = RewardSettings(baseline=baseline, per="episode", discount=discount)  # type: ignore[arg-type]
    found = advantages([returns(own, discount) for own in group], settings)
    assert sum(own[0] for own in found) == pytest.approx(0, abs=1e-6)


@given(groups)
def test_leaving_oneself_out_is_the_group_baseline_times_n_over_n_minus_one(group: list[list[float]]):
    gone = [returns(own) for own in group]
    left_out = advantages(gone, RewardSettings(per="episode"))
    grouped = advantages(gone, RewardSettings(baseline="group", per="episode"))
    factor = len(group) / (len(group) - 1)
    for mine, theirs in zip(left_out, grouped, strict=True):
        assert mine == pytest.approx([factor * value for value in theirs], abs=1e-7)


@given(groups, numbers)
def test_a_left_out_baseline_does_not_know_what_it_is_the_baseline_of(group: list[list[float]], other: float):
    """Unbiased: however an episode's own reward changes, its advantage changes by as much."""
    settings = RewardSettings()
    changed = [[*group[0][:-1], other], *group[1:]]
    before, after = (advantages([returns(own) for own in each], settings)[0] for each in (group, changed))
    assert [high - low for low, high in zip(before, after, strict=True)] == pytest.approx(
        [other - group[0][-1]] * len(group[0]), abs=1e-7
    )


@given(groups, st.floats(0.01, 10), numbers)
def test_scaled_advantages_know_no_unit(group: list[list[float]], unit: float, shift: float):
    settings = RewardSettings(baseline="group", scaled=True, per="episode")
    firsts = [own[0] for own in group]
    moved = [(unit * value + shift,) for value in firsts]
    spread = max(firsts) - min(firsts)
    if spread > 1e-3:
        found = advantages([(value,) for value in firsts], settings)
        assert [own[0] for own in advantages(moved, settings)] == pytest.approx([own[0] for own in found], abs=1e-4)
        assert sum(own[0] ** 2 for own in found) / len(found) == pytest.approx(1)


@given(st.lists(numbers, min_size=1, max_size=6), st.lists(numbers, min_size=6, max_size=6), st.floats(0, 1))
def test_with_the_whole_trace_values_are_a_baseline_and_nothing_else(
    rewards: list[float], values: list[float], discount: float
):
    known = values[: len(rewards)]
    expected = [gone - value for gone, value in zip(returns(rewards, discount), known, strict=True)]
    assert residuals(rewards, known, discount) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(st.text("sgoad", min_size=1, max_size=20), numbers), min_size=2, max_size=4))
def test_acted_tokens_alone_have_credit(drafts: list[tuple[str, float]]):
    group = [episode(text, (value,) if "a" in text else ()) for text, value in drafts]
    for one, credit in zip(group, reward(group).credits, strict=True):
        own = {place for turn in one.acted for place in turn.places}
        assert credit.signal == "reward"
        assert len(credit.weights) == len(one.rendered.ids)
        assert {place for place, weight in enumerate(credit.weights) if weight} <= own
