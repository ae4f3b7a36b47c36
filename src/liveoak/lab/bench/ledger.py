"""What a bench found: rows, arms and what failed, on their way into a results file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from liveoak.lab.intervals import t_interval
from liveoak.lab.results import Figure, figure, figure_over


class Ledger:
    """Filled row by row."""

    def __init__(self) -> None:
        self.metrics: dict[str, Figure] = {}
        self.arms: dict[str, dict[str, Figure]] = {}
        self.failed: list[dict[str, str]] = []
        self.notes: dict[str, Any] = {}
        """What the figures cannot say: layouts chosen, points cut, what was scaled."""

    def ratio(self, key: str, above: Sequence[float], below: Sequence[float]) -> None:
        """A row: `above` over `below`, paired by repeat."""
        self.metrics[key] = ratio(key, above, below)

    def row(self, key: str, values: Sequence[float]) -> None:
        """A row that is a mean over repeats."""
        self.metrics[key] = figure_over(key, values)

    def arm(self, name: str, values: Mapping[str, Sequence[float]]) -> None:
        """Figures of one side, each from its values over the repeats; more of the same arm are added."""
        self.arms.setdefault(name, {}).update({key: figure_over(key, some) for key, some in values.items() if some})

    def fail(self, part: str, error: object) -> None:
        self.failed.append({"part": part, "error": str(error)})


def ratio(key: str, above: Sequence[float], below: Sequence[float]) -> Figure:
    """Geometric mean of the paired ratios, with Student's interval of their logarithms.

    A ratio and its inverse are then equally far from 1, which the mean of ratios itself would not give.

    Raises:
        ValueError: sides of different length, or values that are not positive.
    """
    if len(above) != len(below) or min((*above, *below), default=0.0) <= 0:
        raise ValueError(f"{key}: a ratio needs pairs of positive values, got {list(above)!r} and {list(below)!r}")
    interval = t_interval([math.log(a / b) for a, b in zip(above, below, strict=True)])
    value = math.exp(interval.mean)
    bounds = interval.bounds
    # Rounding must not push equal values out of their own interval.
    ci95 = None if bounds is None else (min(math.exp(bounds[0]), value), max(math.exp(bounds[1]), value))
    return figure(key, value, n=interval.n, ci95=ci95)
