"""One gradient of many workers' sums.

They are added in the order of tasks, not of arrival, in float64. So where a task is the same piece of work whatever the
number of workers, the average is the same to the last bit; where tasks are cut by that number, each a float32 sum of m
terms, it moves by at most m / 2**23 of the sum of the terms' absolute values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from liveoak.crew.protocol import Crew, Failure, Weights
from liveoak.errors import LearningError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Push:
    """What a task would change: a sum of gradients, and how much it counts (its lives, tokens or credit)."""

    gradient: Weights
    """(N,) as the weights."""
    weight: float
    losses: Mapping[str, float] = field(default_factory=dict[str, float])
    """Sums by name, which are averaged alike."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Average:
    """The sum of all gradients over the sum of their weights."""

    gradient: Weights
    """(N,)"""
    weight: float
    losses: Mapping[str, float]
    """By name, over the weights of those that have it."""
    failed: Mapping[int, Failure]
    """Tasks that are not in it, by place."""


def average(crew: Crew, work: Callable[[Weights, T], Push], weights: Weights, tasks: Sequence[T]) -> Average:
    """Carry out all tasks on `weights`, which travel once, and average what comes back.

    A push that is not finite or not of the weights' size is a failed task; the others count.

    Raises:
        LearningError: no task has a push, or their weights sum to nothing.
        Unavailable: no worker is left.
    """
    total = np.zeros(weights.shape, np.float64)
    counted = 0.0
    sums: dict[str, tuple[float, float]] = {}
    failed: dict[int, Failure] = {}
    for number, push in _in_order(crew.map_with(weights, work, tasks)):
        fault = push if isinstance(push, Failure) else _fault(push, weights)
        if isinstance(push, Failure) or fault is not None:
            failed[number] = fault or Failure(error="unknown")
            continue
        total += push.gradient
        counted += push.weight
        for name, value in push.losses.items():
            before, weight = sums.get(name, (0.0, 0.0))
            sums[name] = before + value, weight + push.weight
    if counted <= 0:
        reasons = "; ".join(sorted({one.error for one in failed.values()})) or f"{len(tasks)} tasks of no weight"
        raise LearningError(f"no gradient to average over {len(tasks)} tasks: {reasons}")
    mean: NDArray[np.float32] = (total / counted).astype(np.float32)
    losses = {name: value / weight for name, (value, weight) in sums.items() if weight}
    return Average(gradient=mean, weight=counted, losses=losses, failed=failed)


def _in_order(found: Iterable[tuple[int, Push | Failure]]) -> Iterable[tuple[int, Push | Failure]]:
    """What came early waits for its place, and no longer."""
    early: dict[int, Push | Failure] = {}
    due = 0
    for number, push in found:
        early[number] = push
        while due in early:
            yield due, early.pop(due)
            due += 1


def _fault(push: Push, weights: Weights) -> Failure | None:
    if push.gradient.shape != weights.shape:
        return Failure(error=f"a gradient of shape {push.gradient.shape!r}: expected {weights.shape!r}, as the weights")
    if not (math.isfinite(push.weight) and push.weight >= 0):
        return Failure(error=f"a push of weight {push.weight!r}: expected a finite number from 0")
    if not np.isfinite(push.gradient).all():
        return Failure(error="a gradient that is not finite: the task diverged")
    return None
