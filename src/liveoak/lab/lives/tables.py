"""From the figures of cells to those of arms: means over seeds, differences and ratios paired by seed, curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from liveoak.lab.intervals import Interval, bootstrap_ratio, paired_bootstrap
from liveoak.lab.lives.curves import episodes_to, scored
from liveoak.lab.lives.lines import Lines, Mark, marks
from liveoak.lab.results import Figure, figure, figure_over
from liveoak.runtime.bit_meter import KINDS

Cells = Mapping[int, Mapping[str, float]]
"""Figures of one arm by seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Finished cells by world, arm and seed."""

    cells: Mapping[str, Mapping[str, Cells]] = field(default_factory=dict[str, Mapping[str, Cells]])

    @classmethod
    def of(cls, names: Mapping[str, tuple[str, str, int]], figures: Mapping[str, Mapping[str, float]]) -> Table:
        """`names` says of each part which world, arm and seed it is."""
        cells: dict[str, dict[str, dict[int, Mapping[str, float]]]] = {}
        for part, (world, arm, seed) in names.items():
            if part in figures:
                cells.setdefault(world, {}).setdefault(arm, {})[seed] = figures[part]
        return cls(cells=cells)

    def cells_of(self, world: str, arm: str) -> Cells:
        """Empty where none is finished."""
        return self.cells.get(world, {}).get(arm, {})


def curve_of(cell: Mapping[str, float], key: str) -> dict[int, float]:
    """What a cell has under `key@EPISODES`, by episodes."""
    found = {name: value for name, value in cell.items() if name.startswith(f"{key}@")}
    return dict(sorted((int(name.partition("@")[2]), value) for name, value in found.items()))


def reached(cell: Mapping[str, float], threshold: float) -> tuple[int, bool]:
    """Episodes until the threshold and whether it was reached; where not, the whole life."""
    scores = curve_of(cell, "score")
    together = min(scores)
    found = episodes_to(list(scores.values()), threshold, together)
    return (max(scores), False) if found is None else (found, True)


def final_score(cell: Mapping[str, float]) -> float:
    curve = curve_of(cell, "score")
    scores = list(curve.values())[-scored(min(curve)) :]
    return sum(scores) / len(scores)


def anytime_score(cell: Mapping[str, float]) -> float:
    scores = list(curve_of(cell, "score").values())
    return sum(scores) / len(scores)


def arm_figures(cells: Cells, threshold: float) -> dict[str, Figure]:
    """What is told of every arm of every experiment."""
    found: dict[str, Sequence[float]] = {
        "episodes_to_threshold": [float(reached(cell, threshold)[0]) for cell in cells.values()],
        "reached": [float(reached(cell, threshold)[1]) for cell in cells.values()],
        "final_score": [final_score(cell) for cell in cells.values()],
        "anytime_score": [anytime_score(cell) for cell in cells.values()],
    }
    exams = [curve_of(cell, "exam") for cell in cells.values()]
    if exams and all(exams):
        found["exam_score"] = [exam[max(exam)] for exam in exams]
    for key in (*(f"bits_{kind}" for kind in KINDS), "outcome_bits", "cell_seconds"):
        if all(key in cell for cell in cells.values()):
            found[key] = [cell[key] for cell in cells.values()]
    return {key: figure_over(key, values) for key, values in found.items()}


def paired(ours: Cells, theirs: Cells, value: Callable[[Mapping[str, float]], float]) -> Interval | None:
    """Mean difference over the seeds that both have; None without any."""
    seeds = [seed for seed in ours if seed in theirs]
    if not seeds:
        return None
    return paired_bootstrap([value(ours[seed]) for seed in seeds], [value(theirs[seed]) for seed in seeds])


def ratio(ours: Cells, theirs: Cells, value: Callable[[Mapping[str, float]], float]) -> Interval | None:
    """Sum over sum, over the seeds that both have."""
    seeds = [seed for seed in ours if seed in theirs]
    return bootstrap_ratio([value(ours[seed]) for seed in seeds], [value(theirs[seed]) for seed in seeds])


def figure_of(key: str, interval: Interval | None) -> dict[str, Figure]:
    """An interval under its name; nothing where there is none."""
    if interval is None:
        return {}
    return {key: figure(key, interval.mean, n=interval.n, ci95=interval.bounds)}


def score_lines(title: str, arms: Mapping[str, Cells], threshold: float | None, key: str = "score") -> Lines:
    series = {arm: marks([_floats(curve_of(cell, key)) for cell in cells.values()]) for arm, cells in arms.items()}
    return Lines(title=title, up="score an episode", level=threshold, series={k: v for k, v in series.items() if v})


def bit_lines(title: str, arms: Mapping[str, Cells], kind: str, bound: Cells) -> Lines:
    """Bits learned so far, and what outcomes alone could have taught whoever lived the `bound` lives."""
    series = {
        arm: marks([_floats(_bits(curve_of(cell, kind))) for cell in cells.values()]) for arm, cells in arms.items()
    }
    most = _bound_line(bound.values())
    return Lines(
        title=title,
        up="bits learned",
        series={k: v for k, v in series.items() if v} | ({"bound of outcomes": most} if most else {}),
    )


def within_outcomes(cell: Mapping[str, float]) -> bool:
    """Whether a life learned, an episode and of any kind, no more bits than the outcome of one holds."""
    return all(cell[f"bits_{kind}"] <= cell["outcome_bits"] for kind in KINDS if f"bits_{kind}" in cell)


def _bound_line(cells: Iterable[Mapping[str, float]]) -> tuple[Mark, ...]:
    known = [cell for cell in cells if "outcome_bits" in cell]
    if not known:
        return ()
    mean = sum(cell["outcome_bits"] for cell in known) / len(known)
    last = max(curve_of(known[0], "score"))
    return (Mark(at=0, mean=0.0), Mark(at=last, mean=mean * last))


def _bits(losses: Mapping[int, float]) -> dict[int, float]:
    if not losses:
        return {}
    first = losses[min(losses)]
    return {episodes: (first - value) / math.log(2) for episodes, value in losses.items()}


def _floats(curve: Mapping[int, float]) -> dict[float, float]:
    return {float(at): value for at, value in curve.items()}
