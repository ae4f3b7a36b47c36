"""Who does what: tasks are handed out one a worker, and those of a lost worker are begun again elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from liveoak.crew.protocol import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a task that was handed out."""

    number: int
    result: Any
    """Its result, or a `Failure`; one that says `lost` may be tried again."""


class Hands(Protocol):
    """Workers as the roll sees them."""

    def free(self) -> int:
        """How many tasks can be handed out now."""
        ...

    def give(self, number: int, task: Any) -> None:
        """Hand out one task. Trouble on the way comes back as its outcome."""
        ...

    def outcomes(self) -> Iterable[Outcome]:
        """Wait until something happened: tasks that ended, or nothing, where only workers came.

        Raises:
            Unavailable: nothing can happen any more.
        """
        ...

    def drop(self) -> None:
        """Let go of all that is under way."""
        ...


def carry_out(hands: Hands, tasks: Sequence[Any], *, retries: int) -> Iterator[tuple[int, Any]]:
    """Place and result of every task, as they end.

    A task whose worker is lost is begun again at most `retries` times, before those that were never begun: it may be
    the one that all wait for. After that it has failed. What is under way when nobody asks any more is dropped.
    """
    waiting = deque(range(len(tasks)))
    begun = [0] * len(tasks)
    under_way: set[int] = set()
    try:
        while waiting or under_way:
            for _ in range(min(hands.free(), len(waiting))):
                number = waiting.popleft()
                begun[number] += 1
                under_way.add(number)
                hands.give(number, tasks[number])
            for outcome in hands.outcomes():
                number, result = outcome.number, outcome.result
                under_way.discard(number)
                if isinstance(result, Failure) and result.lost:
                    if begun[number] <= retries:
                        waiting.appendleft(number)
                        continue
                    result = Failure(error=result.error, lost=True, attempts=begun[number])
                yield number, result
    finally:
        if under_way:
            hands.drop()
