"""A crew of processes of one thread on this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from liveoak.config import cores
from liveoak.crew.protocol import Failure, Weights, told
from liveoak.crew.roll import Outcome, carry_out
from liveoak.crew.worker import serve
from liveoak.errors import LiveoakError

T = TypeVar("T")
R = TypeVar("R")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What libraries ask how many threads to take."""
_LEAVING = 30
"""Seconds that an idle process has to leave."""


class Processes:
    """Spawned processes, begun when there is work and kept until the context is left."""

    def __init__(self, workers: int | None = None, *, retries: int = 2) -> None:
        """`workers`: None is one a core. `retries`: how often a task is begun again whose process was lost."""
        self.workers = cores() if workers is None else workers
        if self.workers < 1:
            raise ValueError(f"{workers!r} workers: expected at least 1")
        self._retries = retries
        self._pool = _Pool(self.workers)

    def map(self, work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R | Failure]]:
        return self._carry_out(work, None, tasks)

    def map_with(
        self, weights: Weights, work: Callable[[Weights, T], R], tasks: Sequence[T]
    ) -> Iterator[tuple[int, R | Failure]]:
        import numpy as np

        # A file that all map into memory: one copy for all of them, which none can write to.
        with tempfile.TemporaryDirectory(prefix="liveoak-crew-") as folder:
            path = Path(folder) / "weights.npy"
            np.save(path, weights)
            yield from self._carry_out(work, path, tasks)

    def _carry_out(self, work: Callable[..., Any], weights: Path | None, tasks: Sequence[Any]) -> Iterator[Any]:
        check_can_travel(work)
        self._pool.begin(work, weights)
        yield from carry_out(self._pool, tasks, retries=self._retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Whoever interrupts does not wait for tasks under way: they were dropped before.
        self._pool.close()


def check_can_travel(work: Callable[..., Any]) -> None:
    """
    Raises:
        LiveoakError: it is no function of a module, so that another process cannot find it.
    """
    try:
        pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise LiveoakError(
            f"{work!r} cannot be sent to a worker: {error}; expected a function at the top of a module"
        ) from None


class _Hand:
    """One process, and the task that it has."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        with _one_thread():
            # No daemon: what a task starts, such as a world in a process of its own, must be allowed.
            self.process: BaseProcess = context.Process(target=serve, args=(theirs,))
            self.process.start()
        theirs.close()
        self.number: int | None = None

    def end(self) -> None:
        """It leaves by itself when nobody is on the line; a busy one is ended, and one that does not leave."""
        self.line.close()
        if self.number is None:
            self.process.join(_LEAVING)
        self.process.kill()
        self.process.join()

    @property
    def loss(self) -> Failure:
        self.process.join()
        return Failure(error=f"its process ended with exit code {self.process.exitcode}", lost=True)


class _Pool:
    """The processes as the roll sees them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._hands: list[_Hand] = []
        self._work: Callable[..., Any] | None = None
        self._weights: Path | None = None
        self._early: list[Outcome] = []

    def begin(self, work: Callable[..., Any], weights: Path | None) -> None:
        self._work, self._weights = work, weights

    def free(self) -> int:
        return self._size - sum(hand.number is not None for hand in self._hands)

    def give(self, number: int, task: Any) -> None:
        try:
            parcel = pickle.dumps((self._work, self._weights, task), pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # whatever a task's own pickling raises is that task's fault
            self._early.append(Outcome(number=number, result=Failure(error=f"it cannot be sent: {told(error)}")))
            return
        hand = next((hand for hand in self._hands if hand.number is None), None)
        if hand is None:
            hand = _Hand()
            self._hands.append(hand)
        hand.number = number
        # A process that is gone closes its end, which `outcomes` hears.
        with suppress(OSError):
            hand.line.send_bytes(parcel)

    def outcomes(self) -> list[Outcome]:
        if self._early:
            early, self._early = self._early, []
            return early
        busy = {hand.line: hand for hand in self._hands if hand.number is not None}
        return [self._heard(busy[cast("Connection[Any, Any]", line)]) for line in wait(list(busy))]

    def _heard(self, hand: _Hand) -> Outcome:
        number = hand.number
        assert number is not None
        try:
            parcel = hand.line.recv_bytes()
        except (EOFError, OSError):
            self._hands.remove(hand)
            hand.line.close()
            return Outcome(number=number, result=hand.loss)
        hand.number = None
        try:
            return Outcome(number=number, result=pickle.loads(parcel))
        except Exception as error:  # whatever a result's own unpickling raises is that task's fault
            return Outcome(number=number, result=Failure(error=f"its result cannot be read: {told(error)}"))

    def drop(self) -> None:
        for hand in [hand for hand in self._hands if hand.number is not None]:
            self._hands.remove(hand)
            hand.end()
        self._early.clear()

    def close(self) -> None:
        self.drop()
        for hand in self._hands:
            hand.end()
        self._hands.clear()


@contextmanager
def _one_thread() -> Generator[None]:
    """A process begun in here takes one thread; whoever begins it keeps its own."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
