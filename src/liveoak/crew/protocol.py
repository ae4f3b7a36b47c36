"""What a crew is: some workers that carry out tasks, wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Weights: TypeAlias = NDArray[np.float32]
else:
    # numpy takes a tenth of a second, which whoever lists experiments does not owe.
    Weights = Any

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A task without a result."""

    error: str
    """Kind and message of what was raised, or how the last worker was lost."""
    lost: bool = False
    """Whether its workers were lost under it. Otherwise the work itself failed, and would again."""
    attempts: int = 1
    """How often it was begun."""


class Crew(Protocol):
    """Workers, hired on entering and let go on leaving the context. One call at a time."""

    @property
    def workers(self) -> int:
        """How many tasks may be under way at once. Of a crew that is not entered it may not be known: 0."""
        ...

    def map(self, work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R | Failure]]:
        """Place and result of every task, as they end.

        `work` is a function of a module that the workers can import. Whoever stops asking lets go of the workers that
        are busy.

        Raises:
            LiveoakError: `work` cannot be sent.
            Unavailable: no worker is left and none came in time; results until then were given.
        """
        ...

    def map_with(
        self, weights: Weights, work: Callable[[Weights, T], R], tasks: Sequence[T]
    ) -> Iterator[tuple[int, R | Failure]]:
        """The same with weights that travel once, not once a task, and that workers can only read."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


Hire: TypeAlias = Callable[[int | None], Crew]
"""Makes a crew of so many workers; None: as many as there is room for."""


def attempt(work: Callable[..., R], weights: Weights | None, task: object) -> R | Failure:
    """Carry out one task: the border at which its fault becomes data."""
    try:
        return work(task) if weights is None else work(weights, task)
    except Exception as error:  # the border of a task: its fault must not lose the others
        return Failure(error=told(error))


def told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
