"""The experiment on crews of several sizes, with made-up lives: what is tried, timed, paired and claimed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from liveoak.config import Settings
from liveoak.crew import Alone, Crew, Failure
from liveoak.errors import Unavailable
from liveoak.lab.lives import scaling
from liveoak.lab.order import Order


class Sized(Alone):
    """Says that it has so many workers, of which each has been met."""

    def __init__(self, workers: int, fault: Failure | None = None) -> None:
        self.workers, self._fault = workers, fault  # pyright: ignore[reportIncompatibleVariableOverride]

    def map(self, work: Callable[[Any], Any], tasks: Any) -> Any:
        if work is scaling.ready:
            return ((number, self._fault or f"worker {number}") for number in tasks)
        return super().map(work, tasks)


def order(folder: Path, hire: Callable[[int | None], Crew], count: int = 2) -> Order:
    return Order(settings=Settings(home=folder), count=count, folder=folder, tell=print, hire=hire, quick=True)


def test_sizes_are_powers_of_two_that_there_is_room_for():
    assert [scaling.sizes(room) for room in (1, 2, 3, 4, 9)] == [[1], [1, 2], [1, 2], [1, 2, 4], [1, 2, 4, 8]]


@pytest.mark.parametrize("same", [True, False])
def test_sizes_take_turns_and_are_held_against_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool):
    hired: list[int | None] = []
    ticks = [0.0]

    def hire(workers: int | None) -> Crew:
        hired.append(workers)
        return Sized(workers or 2)

    def lived(order: Order, crew: Crew, lives: int, name: str) -> scaling.Done:
        # One worker takes 4 s for the four lives, two take 2.5 s: 0.8 of what two could do.
        ticks[0] += 4.0 if crew.workers == 1 else 2.5
        figures: Mapping[str, Mapping[str, float]] = {
            name: {"score": 1.0 if same else float(crew.workers), "cell_seconds": ticks[0]}
        }
        return scaling.Done(figures=figures, failed=())

    monkeypatch.setattr(scaling, "_lived", lived)
    monkeypatch.setattr(scaling.time, "perf_counter", lambda: ticks[0])
    results = scaling.experiment(order(tmp_path, hire))
    assert hired == [None, 1, 2, 2, 1]
    assert results.arms["1 worker"]["lives_per_hour"].value == pytest.approx(3600)
    assert results.arms["2 workers"]["lives_per_hour"].value == pytest.approx(3600 * 4 / 2.5)
    assert results.metrics["scaling_efficiency"].value == pytest.approx(0.8)
    assert results.arms["1 worker"]["scaling_efficiency"].value == 1
    assert results.config["claims"] == {"the same lives, whatever the number of workers": same}


def test_a_worker_that_cannot_live_is_told_before_anything_is_timed(tmp_path: Path):
    with pytest.raises(Unavailable, match="no torch"):
        scaling.experiment(order(tmp_path, lambda _: Sized(1, Failure(error="no torch"))))
