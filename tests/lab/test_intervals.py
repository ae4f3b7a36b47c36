"""Intervals against printed tables and sums worked out by hand."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.lab.intervals import bootstrap_ratio, paired_bootstrap, t_interval, t_quantile


@pytest.mark.parametrize(
    ("share", "freedom", "value"),
    [  # from the usual printed table of Student's t
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 3, 3.182),
        (0.975, 4, 2.776),
        (0.975, 5, 2.571),
        (0.975, 9, 2.262),
        (0.975, 10, 2.228),
        (0.975, 30, 2.042),
        (0.975, 120, 1.980),
        (0.95, 7, 1.895),
        (0.995, 4, 4.604),
        (0.5, 6, 0.0),
    ],
)
def test_quantiles_are_the_tables(share: float, freedom: int, value: float):
    assert t_quantile(share, freedom) == pytest.approx(value, abs=6e-4)


def test_quantile_of_one_degree_is_the_tangent():
    # With one degree T is a Cauchy variable, whose quantile is tan(pi (p - 1/2)).
    assert t_quantile(0.9, 1) == pytest.approx(math.tan(math.pi * 0.4), rel=1e-12)


def test_t_interval_by_hand():
    # values 1, 2, 3: mean 2, s = 1, half width 4.303 * 1 / sqrt(3) = 2.484.
    interval = t_interval([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.bounds == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=2e-4)
    assert not interval.differs
    assert t_interval([5.0, 5.1, 5.2]).differs


def test_one_value_has_no_interval_and_no_difference():
    interval = t_interval([0.7])
    assert (interval.mean, interval.bounds, interval.n, interval.differs) == (0.7, None, 1, False)
    with pytest.raises(ValueError, match="at least one"):
        t_interval([])


def test_t_interval_covers_the_truth_as_often_as_it_says():
    rng = random.Random(11)
    covered = 0
    for _ in range(2000):
        low, high = t_interval([rng.gauss(3, 2) for _ in range(5)]).bounds or (0.0, 0.0)
        covered += low <= 3 <= high
    assert 0.935 <= covered / 2000 <= 0.965


def test_bootstrap_of_a_constant_difference_is_that_difference():
    interval = paired_bootstrap([1.5, 2.5, 9.5], [1.0, 2.0, 9.0])
    assert interval.mean == 0.5
    assert interval.bounds == (0.5, 0.5)
    assert interval.differs


def test_bootstrap_of_two_pairs_by_hand():
    # Differences 0 and 1: a resampled mean is 0, 1/2 or 1 with chances 1/4, 1/2, 1/4, so the bounds are 0 and 1.
    interval = paired_bootstrap([0.0, 1.0], [0.0, 0.0])
    assert interval.mean == 0.5
    assert interval.bounds == (0.0, 1.0)
    assert not interval.differs


def test_bootstrap_of_shares_matches_the_binomial():
    # 100 pairs, 50 of them differing by 1: the mean's standard error is 0.05, so about 0.5 ± 0.098.
    interval = paired_bootstrap([1.0] * 50 + [0.0] * 50, [0.0] * 100)
    assert interval.bounds == pytest.approx((0.402, 0.598), abs=0.012)


def test_pairing_removes_what_both_sides_share():
    rng = random.Random(3)
    hard = [rng.gauss(0, 10) for _ in range(40)]
    ours = [value + 1 + rng.gauss(0, 0.1) for value in hard]
    assert paired_bootstrap(ours, hard).differs


def test_sides_must_pair():
    with pytest.raises(ValueError, match="got 2 and 1"):
        paired_bootstrap([1.0, 2.0], [1.0])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_the_mean_lies_in_its_intervals_and_order_does_not_matter(values: list[float]):
    interval = t_interval(values)
    assert interval.bounds is not None
    assert interval.bounds[0] <= interval.mean <= interval.bounds[1]
    assert t_interval(values[::-1]) == interval
    again = paired_bootstrap(values, [0.0] * len(values), draws=200)
    assert again.bounds is not None
    assert again.bounds[0] <= again.mean <= again.bounds[1]


def test_a_ratio_of_sums_with_its_bounds():
    # Half of what was offered was gained, on every pair alike: no width.
    exact = bootstrap_ratio([1.0, 2.0, 0.5], [2.0, 4.0, 1.0])
    assert (exact.mean, exact.bounds, exact.n) == (0.5, (0.5, 0.5), 3)
    # (3 + 0) / (1 + 3), and no mean of 3/1 and 0/3.
    assert bootstrap_ratio([3.0, 0.0], [1.0, 3.0]).mean == 0.75
    low, high = bootstrap_ratio([1.0, 0.0] * 20, [1.0] * 40).bounds
    assert 0.3 < low < 0.5 < high < 0.7


def test_a_ratio_without_a_sure_denominator_has_no_bounds_or_no_value():
    assert bootstrap_ratio([1.0, 1.0], [1.0, -1.0]) is None
    assert bootstrap_ratio([], []) is None
    assert bootstrap_ratio([1.0], [2.0]).bounds is None
    unsure = bootstrap_ratio([1.0, 1.0, 1.0], [3.0, -1.0, -1.0])
    assert (unsure.mean, unsure.bounds) == (3.0, None)
    with pytest.raises(ValueError, match="pairs needed"):
        bootstrap_ratio([1.0], [])
