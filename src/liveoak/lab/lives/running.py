"""What the experiments on lives share: running their cells, and making a results file of what came out."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from liveoak import __version__
from liveoak.lab.lives.grid import Done, run_cells
from liveoak.lab.lives.life import Figures, as_config
from liveoak.lab.lives.tables import Table, arm_figures
from liveoak.lab.machine import describe_machine
from liveoak.lab.order import Order
from liveoak.lab.parts import Parts
from liveoak.lab.results import Figure, Results, new_results
from liveoak.worlds import Policy, World, expert, guessing, play, seeds, world

C = TypeVar("C")
"""A frozen dataclass that says all that a cell depends on."""
_TRIALS = 200
"""Episodes that guessing and the expert are scored on."""


def run_lives(
    name: str, order: Order, cells: Mapping[str, tuple[str, C]], work: Callable[[tuple[str, C]], Figures]
) -> Done:
    """Every cell; those of an interrupted run of the same lives and release are reused."""
    # A part is known by its own life alone, so that more seeds or arms reuse what is there.
    parts = {
        part: Parts(order.folder / "parts" / name, {"arm": arm, "life": as_config(life), "liveoak": __version__})
        for part, (arm, life) in cells.items()
    }
    found = {part: figures for part in cells if (figures := parts[part].find(part)) is not None}
    waiting = {part: cell for part, cell in cells.items() if part not in found}

    def keep(part: str, figures: Mapping[str, float]) -> None:
        parts[part].keep(part, figures)

    if not waiting:
        return Done(figures=found, failed=())
    with order.hire(order.jobs) as crew:
        done = run_cells(waiting, work, keep=keep, crew=crew, tell=order.tell)
    merged: dict[str, Mapping[str, float]] = {**found, **done.figures}
    return Done(figures={part: merged[part] for part in cells if part in merged}, failed=done.failed)


def finished(
    name: str,
    order: Order,
    done: Done,
    *,
    metrics: Mapping[str, Figure],
    arms: Mapping[str, Mapping[str, Figure]],
    config: Mapping[str, Any],
    claims: Mapping[str, bool],
    lines: Sequence[Mapping[str, Any]],
) -> Results:
    """The results file."""
    return new_results(
        name,
        machine=describe_machine(device="cpu", dtype="float32"),
        config={
            "prior": "scratch",
            "seeds": list(range(order.first, order.first + order.count)),
            "quick": order.quick,
            **config,
            "claims": dict(claims),
            "failed": list(done.failed),
            "lines": list(lines),
        },
        metrics=metrics,
        arms=arms,
    )


def figures_by_arm(table: Table, thresholds: Mapping[str, float]) -> dict[str, dict[str, Figure]]:
    """The figures that every experiment has, under `WORLD, ARM`."""
    return {
        f"{place}, {arm}": arm_figures(cells, thresholds[place])
        for place, arms in table.cells.items()
        for arm, cells in arms.items()
    }


def world_scores(name: str, options: Mapping[str, Any]) -> tuple[float, float]:
    """Mean scores of guessing and of the expert on training episodes."""
    make = partial(world, name, **options)
    guess = guessing(random.Random(f"guess/{name}"))
    return _mean_score(make(), guess), _mean_score(make(), expert)


def _mean_score(made: World, policy: Policy) -> float:
    return sum(play(made, seed, policy).score for seed in seeds("train", _TRIALS)) / _TRIALS
