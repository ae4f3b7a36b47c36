"""A life on disk: its orders, its record, its metrics, and where it can go on from.

    FOLDER/life.json         what was ordered
    FOLDER/metrics.jsonl     a line for each episode and each round
    FOLDER/experience.db     every turn and reward
    FOLDER/checkpoints/N     the learner after N rounds, the latest ones

Rounds after the latest checkpoint are lived again when a life goes on. With equal seeds on one machine they are the
same, so that its curve is that of a life which was never cut off.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from liveoak.config import Settings
from liveoak.engine import Decoder, Engine, Scheduler, only_team
from liveoak.errors import Conflict, StorageError
from liveoak.experience import Experience
from liveoak.learning.anchoring import Anchors
from liveoak.learning.arms import LearnerSettings
from liveoak.learning.general import anchors, ground
from liveoak.learning.learner import Learner
from liveoak.priors import load_prior
from liveoak.runtime.chronicle import Chronicle
from liveoak.runtime.device import choose_device, choose_dtype
from liveoak.runtime.diary import Diary
from liveoak.runtime.living import Living, Round
from liveoak.runtime.orders import LifeOrder, agree
from liveoak.worlds import world

_log = logging.getLogger(__name__)
KEPT = 2
"""Checkpoints that stay, so that a damaged one has another before it."""


class Life:
    """A life in a folder, held by one process at a time. Use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        order: LifeOrder,
        engine: Engine,
        *,
        anchors: Anchors | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin, or go on where the folder's latest sound checkpoint is.

        Raises:
            Conflict: another process holds the folder, or it holds a life of other orders.
            StorageError: it cannot be used, or no checkpoint in it can be read.
            BadSettings, NotFound, WorldError: the orders cannot be carried out.
        """
        self.order = order = order.model_copy(update={"fingerprint": engine.prior.fingerprint})
        settings, living = order.learning(), order.living()
        self._folder, self._clock = folder, clock
        self.diary = Diary(folder / "metrics.jsonl")
        with ExitStack() as stack:
            _hold(folder, stack)
            agree(folder, order)
            learner, begun = None, self.diary.rounds
            if settings is not None:
                learner, begun = self._learner(engine, settings, anchors)
            self.diary.cut(begun)
            self.living = stack.enter_context(
                Living(
                    engine,
                    Decoder(engine, kind="study"),
                    lambda: world(order.world, **order.options),
                    learner,
                    living,
                    seed=order.seed,
                    begun=begun,
                )
            )
            self.experience = stack.enter_context(Experience(folder / "experience.db", clock=clock))
            made = self.living.world
            self._chronicle = Chronicle(
                self.experience,
                life=f"{order.world.replace(':', '.')}-{order.seed}",
                agent="agent",
                instructions=made.instructions,
                scale=1 / max(1.0, *(abs(bound) for bound in made.rewards)),
                clock=clock,
            )
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def rounds(self, episodes: int) -> Iterator[tuple[Round, dict[str, Any]]]:
        """Live until there are `episodes` in all: each round, and what the metrics say of it, once it is on disk.

        Raises:
            StorageError: the disk is full. What is there is sound, and the life can go on from it.
        """
        learner = self.living.learner
        while self.living.rounds_lived * self.order.together < episodes:
            began = time.perf_counter()
            done = self.living.round()
            for attempt in done.attempts:
                # Who acted is told by the round: these weights are no version of a served agent.
                self._chronicle.record(attempt, None)
            told = self.diary.write(done, time.perf_counter() - began)
            number = done.number + 1
            if learner is not None and (number % self.order.every == 0 or number * self.order.together >= episodes):
                self._keep(learner, number)
            yield done, told

    def _learner(self, engine: Engine, settings: LearnerSettings, anchors: Anchors | None) -> tuple[Learner, int]:
        kept = self._checkpoints()
        failed: list[str] = []
        for number, path in reversed(kept):
            try:
                found = Learner.resume(engine, settings, path, seed=self.order.seed, anchors=anchors)
            except StorageError as error:
                _log.warning("checkpoint %s is passed over: %s", path, error)
                failed.append(str(error))
            else:
                return found, number
        if kept:
            raise StorageError(
                f"no checkpoint of the life in {str(self._folder)!r} can be read: {failed[0]}; restore one from a "
                "copy, or begin anew in another folder"
            )
        return Learner(engine, settings, seed=self.order.seed, anchors=anchors), 0

    def _checkpoints(self) -> list[tuple[int, Path]]:
        """Oldest first."""
        found = (self._folder / "checkpoints").glob("[0-9]*")
        return sorted((int(path.name), path) for path in found if path.name.isdigit())

    def _keep(self, learner: Learner, number: int) -> None:
        path = self._folder / "checkpoints" / f"{number:06}"
        # One that is there from before was passed over as damaged.
        shutil.rmtree(path, ignore_errors=True)
        learner.save(path)
        for _, old in self._checkpoints()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def open_life(
    folder: Path, order: LifeOrder, settings: Settings, on_fetch: Callable[[str, int, int], None] | None = None
) -> Generator[Life]:
    """A life with a prior of its own, in one computing thread. Of `settings` the machine's part is used.

    Raises:
        what `load_prior` and `Life` raise.
    """
    device = choose_device(settings.device)
    # A million parameters are as fast in float32, and what was sampled is then exactly what is learned from.
    dtype = choose_dtype("float32" if order.prior == "scratch" else settings.dtype, device)
    cache = settings.cache.expanduser()

    def load(scheduler: Scheduler) -> Engine:
        prior = load_prior(
            order.prior,
            cache=cache,
            dtype=dtype,
            device=device,
            accept_licence=settings.accept_licence,
            progress=on_fetch,
        )
        return Engine(prior, scheduler)

    with only_team(settings.threads or os.cpu_count() or 1) as scheduler:
        engine = scheduler.run(lambda: load(scheduler))
        held = None
        if order.anchor and order.prior != "scratch":
            held = Anchors(engine, anchors(engine, ground(engine, Decoder(engine, kind="study"), cache)))
        with Life(folder, order, engine, anchors=held) as life:
            yield life


def _hold(folder: Path, stack: ExitStack) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FileLock(folder / "lock").acquire(timeout=0))
    except Timeout:
        raise Conflict(f"the life in {str(folder)!r} is being lived by another process; take another --out") from None
    except OSError as error:
        raise StorageError(f"folder {str(folder)!r} cannot be used: {error}") from None
