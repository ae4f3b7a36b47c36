"""One piece of work with weights that change from round to round, for those who want results in the order of tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from liveoak.crew.protocol import Crew, Failure, Weights

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Share(Protocol[T_contra, R_co]):
    """Some work on (weights, task), wherever it is done."""

    def run(self, weights: Weights, tasks: Sequence[T_contra]) -> Sequence[R_co | Failure]:
        """Results in the order of `tasks`. `weights` travel once."""
        ...


class Shared(Generic[T, R]):
    """A share of a crew."""

    def __init__(self, crew: Crew, work: Callable[[Weights, T], R]) -> None:
        self._crew, self._work = crew, work

    def run(self, weights: Weights, tasks: Sequence[T]) -> list[R | Failure]:
        found = dict(self._crew.map_with(weights, self._work, tasks))
        return [found[number] for number in range(len(tasks))]
