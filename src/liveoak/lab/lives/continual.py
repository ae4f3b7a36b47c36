"""Figures of learning one thing after the other, from R[i][j]: the score on task j after stage i.

Sources: Lopez-Paz and Ranzato 2017 (average accuracy, backward and forward transfer), Chaudhry et al. 2018 (forgetting,
intransigence). Stages and tasks are counted from 0; stage i taught task i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Continual:
    """Figures of one matrix, in its own unit. None: too few stages, or what it is compared with is not given."""

    average: float
    """Mean score on all tasks after the last stage."""
    backward: float | None
    """Mean change of a task's score since its own stage; negative: later stages harmed it."""
    forward: float | None
    """Mean score on a task just before its stage, less that of who was never taught."""
    forgetting: float | None
    """Mean fall of a task's score from its best, between its own stage and the last, to the end."""
    intransigence: float | None
    """Mean shortfall on a task, right after its stage, against who was taught it alone; positive: learns worse."""


def continual(
    scores: Sequence[Sequence[float]],
    *,
    untaught: Sequence[float] | None = None,
    alone: Sequence[float] | None = None,
) -> Continual:
    """`untaught` are scores on each task before anything was learned, `alone` after learning that task alone.

    Raises:
        ValueError: no square matrix, or others of another length.
    """
    size = len(scores)
    if not size or any(len(row) != size for row in scores):
        raise ValueError(f"rows of {[len(row) for row in scores]!r} scores; expected as many as there are stages")
    for name, given in (("untaught", untaught), ("alone", alone)):
        if given is not None and len(given) != size:
            raise ValueError(f"{len(given)} scores {name}; expected one for each of {size} tasks")
    last = scores[-1]
    earlier, later = range(size - 1), range(1, size)
    return Continual(
        average=_mean(last),
        backward=_mean([last[task] - scores[task][task] for task in earlier]) if size > 1 else None,
        forward=_mean([scores[task - 1][task] - untaught[task] for task in later]) if untaught and size > 1 else None,
        forgetting=_mean([max(row[task] for row in scores[task:-1]) - last[task] for task in earlier])
        if size > 1
        else None,
        intransigence=_mean([alone[task] - scores[task][task] for task in range(size)]) if alone else None,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
