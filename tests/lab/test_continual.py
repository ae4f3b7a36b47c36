"""Figures of R matrices, worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from liveoak.lab.lives.continual import continual

R = [
    [0.8, 0.3, 0.1],
    [0.9, 0.7, 0.2],
    [0.5, 0.6, 0.9],
]


def test_each_figure_of_a_matrix_by_hand():
    found = continual(R, untaught=[0.2, 0.2, 0.25], alone=[0.8, 0.9, 1.0])
    assert found.average == pytest.approx((0.5 + 0.6 + 0.9) / 3)
    assert found.backward == pytest.approx(((0.5 - 0.8) + (0.6 - 0.7)) / 2)
    assert found.forward == pytest.approx(((0.3 - 0.2) + (0.2 - 0.25)) / 2)
    assert found.forgetting == pytest.approx(((0.9 - 0.5) + (0.7 - 0.6)) / 2), "from the best, which came later"
    assert found.intransigence == pytest.approx((0.0 + 0.2 + 0.1) / 3)


def test_what_was_not_measured_is_none_and_not_a_number():
    found = continual([[0.5]])
    assert (found.average, found.backward, found.forward, found.forgetting, found.intransigence) == (
        0.5,
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize("scores", [[], [[0.1, 0.2]], [[0.1], [0.2]]])
def test_what_is_no_square_is_refused(scores: list[list[float]]):
    with pytest.raises(ValueError, match="as many as there are stages"):
        continual(scores)


def test_comparisons_of_another_length_are_refused():
    with pytest.raises(ValueError, match="expected one for each of 3 tasks"):
        continual(R, alone=[0.1])


@given(
    some.integers(2, 5).flatmap(
        lambda n: some.lists(some.lists(some.floats(0, 1), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_forgetting_is_at_least_what_backward_transfer_lost(scores: list[list[float]]):
    found = continual(scores)
    assert found.forgetting is not None and found.backward is not None
    assert found.forgetting >= -found.backward - 1e-9
