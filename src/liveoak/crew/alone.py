"""A crew of one: this very process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Self, TypeVar

from liveoak.crew.keeping import forget
from liveoak.crew.protocol import Failure, Weights, attempt

T = TypeVar("T")
R = TypeVar("R")


class Alone:
    """Tasks one after the other, in the process and thread of whoever asks. `work` may be any function."""

    workers = 1

    def map(self, work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R | Failure]]:
        for number, task in enumerate(tasks):
            yield number, attempt(work, None, task)

    def map_with(
        self, weights: Weights, work: Callable[[Weights, T], R], tasks: Sequence[T]
    ) -> Iterator[tuple[int, R | Failure]]:
        # As elsewhere: who writes into what all share is found out here, not on the first cluster.
        shared = weights.view()
        shared.flags.writeable = False
        for number, task in enumerate(tasks):
            yield number, attempt(work, shared, task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        forget()
