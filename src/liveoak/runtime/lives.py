"""A life on disk: its orders, its record, its metrics, and where it can go on from.

    FOLDER/life.json         what was ordered
    FOLDER/metrics.jsonl     a line for each episode and each round
    FOLDER/experience.db     every turn and reward
    FOLDER/checkpoints/N     the learner after N rounds, the latest ones

Rounds after the latest checkpoint are lived again when a life goes on. With equal seeds on one machine they are the
same, so that its curve is that of a life which was never cut off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from liveoak.config import Settings
from liveoak.engine import Decoder, Engine, only_team
from liveoak.experience import Experience
from liveoak.learning.anchoring import Anchors
from liveoak.learning.arms import LearnerSettings
from liveoak.learning.general import anchors
from liveoak.learning.learner import Learner
from liveoak.learning.transcript import Layout
from liveoak.runtime.bit_meter import KINDS, BitMeter, Kind, outcome_entropy
from liveoak.runtime.chronicle import Chronicle
from liveoak.runtime.device import load_engine
from liveoak.runtime.diary import Diary
from liveoak.runtime.exhibits import exhibits, nats
from liveoak.runtime.kept import Checkpoints, hold
from liveoak.runtime.living import Living, Round
from liveoak.runtime.orders import LifeOrder, agree
from liveoak.worlds import Guarded, scale_of, world

EXHIBITED = 16
"""Held-out episodes that the bit meter reads."""


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
            BadSettings, NotFound, WorldError: the orders cannot be carried out; a world without an expert and bits to
                be measured among them.
        """
        self.order = order = order.model_copy(update={"fingerprint": engine.prior.fingerprint})
        settings, living = order.learning(), order.living()
        self._checkpoints, self._clock = Checkpoints(folder=folder, what="life"), clock
        self.diary = Diary(folder / "metrics.jsonl")
        with ExitStack() as stack:
            hold(folder, stack, "life")
            self._held_out = None
            if order.metered:
                # What nobody can show is refused before anything is written.
                with Guarded(lambda: world(order.world, **order.options), seconds=living.seconds) as shown:
                    self._held_out = exhibits(Layout(engine.tokenizer), shown, EXHIBITED, window=order.window)
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
                scale=scale_of(made),
                clock=clock,
            )
            self._engine = engine
            self._at_first: Mapping[Kind, float] | None = None
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
            number = done.number + 1
            over = number * self.order.together >= episodes
            due = self.order.metered and (number % self.order.metered == 0 or over)
            told = self.diary.write(done, time.perf_counter() - began, self._read(done) if due else None)
            if learner is not None and (number % self.order.every == 0 or over):
                self._checkpoints.keep(number, learner.save)
            yield done, told

    def _read(self, done: Round) -> dict[str, Any]:
        """What was learned so far, in bits a held-out episode by kind, and what the outcome of one episode held."""
        assert self._held_out is not None
        if self._at_first is None:
            # A learner begins as the prior, also where this process went on with it.
            self._at_first = nats(self._engine, None, self._held_out)
        now = nats(self._engine, self.living.slot, self._held_out)
        meter = BitMeter().read(0, self._at_first).read(done.attempts[-1].number + 1, now)
        outcomes = [attempt.score for attempt in done.attempts if attempt.failure is None]
        return {
            "bits": {kind: meter.learned(kind)[-1][1] for kind in KINDS},
            "outcome_bits": outcome_entropy(outcomes) if outcomes else None,
        }

    def _learner(self, engine: Engine, settings: LearnerSettings, anchors: Anchors | None) -> tuple[Learner, int]:
        seed = self.order.seed
        found = self._checkpoints.latest(
            lambda path: Learner.resume(engine, settings, path, seed=seed, anchors=anchors)
        )
        return found or (Learner(engine, settings, seed=seed, anchors=anchors), 0)


@contextmanager
def open_life(
    folder: Path, order: LifeOrder, settings: Settings, on_fetch: Callable[[str, int, int], None] | None = None
) -> Generator[Life]:
    """A life with a prior of its own, in one computing thread. Of `settings` the machine's part is used.

    Raises:
        what `load_prior` and `Life` raise.
    """
    # A million parameters are as fast in float32, and what was sampled is then exactly what is learned from.
    dtype = "float32" if order.prior == "scratch" else settings.dtype

    with only_team(settings.team) as scheduler:
        engine = scheduler.run(lambda: load_engine(settings, scheduler, on_fetch, prior=order.prior, dtype=dtype))
        held = None
        if order.anchor and order.prior != "scratch":
            held = Anchors(engine, anchors(engine, Decoder(engine, kind="study"), settings.cache))
        with Life(folder, order, engine, anchors=held) as life:
            yield life
