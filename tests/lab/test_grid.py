"""Cells in processes of their own: kept as they end, failing alone, and not done twice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from liveoak.config import Settings
from liveoak.crew import Alone, Crew, Processes
from liveoak.lab.lives.grid import run_cells
from liveoak.lab.lives.life import Life, Stage, as_config
from liveoak.lab.lives.running import run_lives, world_scores
from liveoak.lab.order import Order


def double(cell: int) -> dict[str, float]:
    if cell < 0:
        raise ValueError(f"no cell {cell}")
    return {"double": 2.0 * cell, "threads": float(os.environ["OMP_NUM_THREADS"])}


def seeded(cell: tuple[str, Life]) -> dict[str, float]:
    arm, life = cell
    if arm == "broken":
        raise RuntimeError("this arm cannot")
    return {"seed": float(life.seed)}


def test_cells_are_kept_as_they_end_and_a_failure_is_alone():
    kept: dict[str, Mapping[str, float]] = {}
    said: list[str] = []
    before = os.environ.get("OMP_NUM_THREADS")
    cells = {"one": 1, "bad": -1, "two": 2}
    with Processes(2) as crew:
        done = run_cells(
            cells, double, keep=lambda name, figures: kept.update({name: figures}), crew=crew, tell=said.append
        )
    assert done.figures == kept == {"one": {"double": 2, "threads": 1}, "two": {"double": 4, "threads": 1}}
    assert list(done.figures) == ["one", "two"], "in the order of the cells, whichever was first"
    assert done.failed == ({"part": "bad", "error": "ValueError: no cell -1"},)
    assert any("bad failed" in line for line in said)
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_without_cells_nothing_is_done():
    assert run_cells({}, double, keep=lambda *_: None, crew=Alone(), tell=print).figures == {}


def order(folder: Path, said: list[str]) -> Order:
    return Order(settings=Settings(home=folder), count=2, folder=folder, tell=said.append, jobs=1)


def lives(seeds: range) -> dict[str, tuple[str, Life]]:
    stages = (Stage(settings=None, episodes=32),)
    return {
        f"{arm} {seed}": (arm, Life(world="bandit", options={}, stages=stages, seed=seed))
        for seed in seeds
        for arm in ("plain", "broken")
    }


def test_an_interrupted_run_goes_on_and_failed_cells_are_tried_again(tmp_path: Path):
    said: list[str] = []
    first = run_lives("trial", order(tmp_path, said), lives(range(1)), seeded)
    assert first.figures == {"plain 0": {"seed": 0}} and [one["part"] for one in first.failed] == ["broken 0"]
    said.clear()
    second = run_lives("trial", order(tmp_path, said), lives(range(2)), seeded)
    assert second.figures == {"plain 0": {"seed": 0}, "plain 1": {"seed": 1}}
    assert not any("plain 0" in line for line in said), "what was done is not done again"
    assert {one["part"] for one in second.failed} == {"broken 0", "broken 1"}


def test_a_part_is_of_its_life_alone():
    one = lives(range(1))["plain 0"][1]
    assert as_config(one)["stages"] == [{"settings": None, "episodes": 32}]
    assert as_config(one) != as_config(lives(range(2))["plain 1"][1])


def test_the_crew_is_hired_as_told_and_only_where_something_is_left_to_do(tmp_path: Path):
    hired: list[int | None] = []

    def hire(workers: int | None) -> Crew:
        hired.append(workers)
        return Alone()

    told = replace(order(tmp_path, []), hire=hire, jobs=7)
    cells = {name: cell for name, cell in lives(range(2)).items() if "plain" in name}
    for _ in range(2):
        assert run_lives("trial", told, cells, seeded).figures == {"plain 0": {"seed": 0}, "plain 1": {"seed": 1}}
    assert hired == [7]


def test_a_world_is_scored_by_guessing_and_by_its_expert():
    guess, expert = world_scores("bandit", {"pulls": 1, "levers": 2})
    assert guess < 0.65 < expert
    assert world_scores("journey", {"miles": 1})[1] == pytest.approx(1.0)
