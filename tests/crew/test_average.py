"""Gradients are added in the order of tasks: by hand, and whatever the number of workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import crew_work
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveoak.crew import Alone, Crew, Failure, Processes, Push, Share, Shared, Weights, average, forget, once
from liveoak.errors import LearningError

ONES = np.ones(3, np.float32)


class Shuffled(Alone):
    """Results in an order of its own, as workers of different speed give them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def map_with(
        self, weights: Weights, work: Callable[[Weights, Any], Any], tasks: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        found = list(super().map_with(weights, work, tasks))
        np.random.default_rng(self._seed).shuffle(found)
        return iter(found)


def by_hand(weights: Weights, task: str) -> Push:
    if task == "raise":
        raise RuntimeError("no life")
    gradient = {"a": [1, 2, 3], "b": [5, 0, -1], "nan": [1, np.nan, 1], "short": [1, 2]}.get(task, [0, 0, 0])
    return Push(
        gradient=np.array(gradient, np.float32) * weights[0],
        weight={"a": 1.0, "b": 3.0, "negative": -1.0, "nothing": 0.0}.get(task, 1.0),
        losses={"a": {"reward": 1.0, "exam": 2.0}, "b": {"reward": 7.0}}.get(task, {}),
    )


def test_the_sum_over_the_weights_by_hand():
    found = average(Alone(), by_hand, 2 * ONES, ["a", "b"])
    assert found.gradient.tolist() == [3.0, 1.0, 1.0] and found.gradient.dtype == np.float32
    assert found.weight == 4 and found.failed == {}
    assert found.losses == {"reward": 2.0, "exam": 2.0}


def test_what_cannot_count_is_told_and_the_rest_counts():
    found = average(Alone(), by_hand, ONES, ["raise", "a", "nan", "short", "negative", "b"])
    assert found.gradient.tolist() == [1.5, 0.5, 0.5]
    assert {place: one.error.partition(":")[0] for place, one in found.failed.items()} == {
        0: "RuntimeError",
        2: "a gradient that is not finite",
        3: "a gradient of shape (2,)",
        4: "a push of weight -1.0",
    }


@pytest.mark.parametrize("tasks", [[], ["raise", "nan"], ["nothing"]])
def test_nothing_to_average_is_an_error(tasks: list[str]):
    with pytest.raises(LearningError, match="no gradient to average"):
        average(Alone(), by_hand, ONES, tasks)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_the_order_of_arrival_changes_no_bit(seed: int, count: int):
    weights = np.linspace(-1, 1, 33, dtype=np.float32)
    usual = average(Alone(), crew_work.pushed, weights, range(count))
    other = average(Shuffled(seed), crew_work.pushed, weights, range(count))
    assert usual.gradient.tobytes() == other.gradient.tobytes() and usual.weight == other.weight


def summed(weights: Weights, task: Sequence[int]) -> Push:
    """A share of lives, added in float32 where they were lived."""
    pushes = [crew_work.pushed(weights, life) for life in task]
    total = np.zeros_like(weights)
    for push in pushes:
        total += push.gradient
    return Push(gradient=total, weight=sum(push.weight for push in pushes))


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 9))
def test_lives_cut_into_shares_of_workers_move_the_average_within_the_stated_tolerance(lives: int, workers: int):
    weights = np.linspace(-1, 1, 33, dtype=np.float32)
    usual = average(Alone(), crew_work.pushed, weights, range(lives))
    shares = [range(lives)[first::workers] for first in range(min(workers, lives))]
    cut = average(Alone(), summed, weights, shares)
    absolute = sum(np.abs(crew_work.pushed(weights, life).gradient).astype(np.float64) for life in range(lives))
    longest = max(map(len, shares))
    assert cut.weight == usual.weight
    off = np.abs(cut.gradient.astype(np.float64) - usual.gradient)
    # Both means are rounded to float32 once more at the end.
    assert (off <= (longest + 2) / 2**23 * absolute / usual.weight).all()


def test_the_number_of_processes_changes_no_bit():
    weights = np.linspace(-1, 1, 1001, dtype=np.float32)
    usual = average(Alone(), crew_work.pushed, weights, range(7))
    for workers in (1, 2):
        with Processes(workers) as crew:
            other = average(crew, crew_work.pushed, weights, range(7))
        assert other.gradient.tobytes() == usual.gradient.tobytes()


def test_a_share_gives_results_in_the_order_of_tasks():
    crew: Crew = Shuffled(3)
    share: Share[int, float] = Shared(crew, crew_work.scaled)
    assert share.run(ONES, [1, 2, 3, 4]) == [3, 6, 9, 12]
    assert share.run(ONES, []) == []


def test_alone_nobody_writes_into_what_all_share_and_what_was_made_once_ends_with_it():
    forget()
    mine = ONES.copy()
    with Alone() as crew:
        (found,) = Shared(crew, crew_work.scribble).run(mine, [0])
        assert isinstance(found, Failure) and "read-only" in found.error
        mine[0] = 5
        assert once("key", lambda: 1) == once("key", lambda: 2) == 1
    assert once("key", lambda: 3) == 3
    forget()
