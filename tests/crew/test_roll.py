"""Tasks are handed out, lost and counted right, whatever the workers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveoak.crew import Failure, Outcome, carry_out
from liveoak.errors import Unavailable

LOST = Failure(error="gone", lost=True)


class Script:
    """Workers that end or lose tasks as they are told: each number drawn picks who is next and whether it is lost."""

    def __init__(self, size: int, draws: Sequence[int]) -> None:
        self.size, self.draws = size, list(draws)
        self.busy: list[tuple[int, Any]] = []
        self.begun: list[int] = []
        self.losses: dict[int, int] = {}
        self.dropped: list[int] = []

    def free(self) -> int:
        return self.size - len(self.busy)

    def give(self, number: int, task: Any) -> None:
        self.busy.append((number, task))
        self.begun.append(number)
        assert len(self.busy) <= self.size

    def outcomes(self) -> list[Outcome]:
        if not self.busy:
            raise Unavailable("nobody is left")
        draw = self.draws.pop() if self.draws else 0
        number, task = self.busy.pop(draw % len(self.busy))
        if draw % 3 == 1:
            self.losses[number] = self.losses.get(number, 0) + 1
            return [Outcome(number=number, result=LOST)]
        return [Outcome(number=number, result=-task)]

    def drop(self) -> None:
        self.dropped = [number for number, _ in self.busy]


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(1, 5), st.integers(0, 3), st.lists(st.integers(0, 60), max_size=40))
def test_every_task_ends_once_and_is_begun_as_often_as_it_was_lost_and_once_more(
    count: int, size: int, retries: int, draws: list[int]
):
    hands = Script(size, draws)
    found = list(carry_out(hands, range(100, 100 + count), retries=retries))
    assert sorted(number for number, _ in found) == list(range(count))
    for number, result in found:
        losses = hands.losses.get(number, 0)
        if losses <= retries:
            assert result == -(100 + number) and hands.begun.count(number) == losses + 1
        else:
            assert result == Failure(error="gone", lost=True, attempts=retries + 1)
            assert hands.begun.count(number) == losses == retries + 1


def test_a_lost_task_is_next():
    hands = Script(1, [0, 0, 0, 1])
    assert [number for number, _ in carry_out(hands, range(3), retries=1)] == [0, 1, 2]
    assert hands.begun == [0, 0, 1, 2]


def test_what_is_under_way_is_dropped_when_nobody_asks_or_nobody_is_left():
    hands = Script(2, [])
    results = carry_out(hands, range(4), retries=0)
    next(results)
    results.close()
    assert hands.dropped == [1]
    with pytest.raises(Unavailable):
        list(carry_out(Script(0, []), range(1), retries=0))
