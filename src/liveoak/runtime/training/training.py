"""A training on disk: its orders, its metrics, its exams, and where it can go on from.

    FOLDER/train.json        what was ordered
    FOLDER/metrics.jsonl     a line for each round
    FOLDER/exams.json        held-out streams before the first round and after the last
    FOLDER/checkpoints/N     the slow weights after N rounds, the latest ones

Rounds after the latest checkpoint are lived again when a training goes on. With equal seeds on one machine they are
the same, so that its curve is that of a training which was never cut off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from liveoak.adapters import Slot, load_snapshot, save_snapshot
from liveoak.config import Settings
from liveoak.crew import Crew
from liveoak.engine import Engine, only_team
from liveoak.errors import StorageError
from liveoak.learning.objective import Example
from liveoak.learning.outer.beginning import begin
from liveoak.learning.outer.outer import Outer, OuterRound
from liveoak.learning.outer.policies import AFTER
from liveoak.learning.outer.pricing import mean
from liveoak.learning.outer.work import Work
from liveoak.learning.outer.worth import Crowding
from liveoak.runtime.diary import Diary, read_metrics
from liveoak.runtime.kept import Checkpoints, hold
from liveoak.runtime.training.afar import Afar
from liveoak.runtime.training.examined import ArmFigures, Examiner
from liveoak.runtime.training.made import export
from liveoak.runtime.training.orders import TRAIN_ORDERS, TrainOrder
from liveoak.runtime.training.site import anchors_for, engine_for, site_of
from liveoak.worlds.registry import source

_EXAMS = TypeAdapter(tuple[ArmFigures, ...])


class Training:
    """A training in a folder, held by one process at a time. Use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        order: TrainOrder,
        engine: Engine,
        settings: Settings,
        *,
        anchors: Sequence[Example] = (),
        crew: Crew | None = None,
    ) -> None:
        """Begin, or go on where the folder's latest sound checkpoint is. Of `settings` the gate's part is used. With a
        `crew`, which is entered, lives and gradients are its workers' work.

        Raises:
            Conflict: another process holds the folder, or it holds a training of other orders.
            StorageError: it cannot be used, or no checkpoint in it can be read.
            BadSettings, NotFound: the orders cannot be carried out.
            LearningError: the imitation start diverged.
        """
        self.order = order = order.model_copy(update={"fingerprint": engine.prior.fingerprint})
        self._engine, self._site = engine, site_of(order, engine, settings, anchors)
        work: Work = self._site.here if crew is None else Afar(crew, order, settings)
        self.folder = folder
        self._checkpoints = Checkpoints(folder=folder, what="training")
        self.diary = Diary(folder / "metrics.jsonl")
        with ExitStack() as stack:
            hold(folder, stack, "training")
            TRAIN_ORDERS.agree(folder, order)
            slow, begun = self._slow()
            self.diary.cut(begun)
            self.outer = Outer(engine, slow, work, order.outer, begun=begun, crowding=self._crowding())
            self._examiner = Examiner(work, order.prices, order.examined)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def rounds(self, count: int) -> Iterator[dict[str, Any]]:
        """Examine the start, if that was not done, and live until there are `count` rounds in all: what the metrics say
        of each, once it is on disk.

        Raises:
            StorageError: the disk is full. What is there is sound, and the training can go on from it.
        """
        if self.outer.done == 0 and not self.exams:
            self._tell(self._examiner.before(self.outer.slow))
        while self.outer.done < count:
            began = time.perf_counter()
            done = self.outer.round()
            told = self._line(done, time.perf_counter() - began)
            self.diary.append(told)
            if self.outer.done % self.order.every == 0 or self.outer.done >= count:
                self._keep()
            yield told

    def examine(self) -> tuple[ArmFigures, ...]:
        """All arms, the weights as they are now among them."""
        done = self.outer.done
        known = self.exams
        if done and (AFTER, done) not in [(one.arm, one.rounds) for one in known]:
            after = self._examiner.by(AFTER, self.outer.slow, done)
            self._tell((*(one for one in known if one.arm != AFTER), after))
        return self.exams

    @property
    def exams(self) -> tuple[ArmFigures, ...]:
        """What was examined so far."""
        path = self.folder / "exams.json"
        try:
            return _EXAMS.validate_json(path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError) as error:
            raise StorageError(f"exams in {str(path)!r} cannot be read: {error}; restore them from a copy") from None

    @property
    def weights(self) -> Path:
        """Where the slow weights are, as they were after the last round."""
        return self._checkpoints.found()[-1][1]

    def export(self, folder: Path) -> None:
        """Write the slow weights as they are now, and what made them, as `liveoak versions import` takes them.

        Raises:
            StorageError: they cannot be written.
        """
        export(self.outer.slow, self.order, self.outer.done, self.exams, folder)

    def _slow(self) -> tuple[Slot, int]:
        bank = self._engine.bank
        found = self._checkpoints.latest(lambda path: load_snapshot(bank, path))
        if found is not None:
            return found
        slow = self._site.recipe.fresh(bank, self._engine.tokenizer, self.order.seed)
        if self.order.begin:
            site, order = self._site, self.order
            begin(site.lives, slow, site.material, order.beginning, anchors=site.anchors, seed=order.seed)
        self._checkpoints.keep(0, lambda path: save_snapshot(slow, path))
        return slow, 0

    def _crowding(self) -> Crowding:
        """What the rounds behind showed, as the last of them says."""
        told = [line["crowding"]["sums"] for line in read_metrics(self.diary.path) if "crowding" in line]
        return Crowding(told[-1]) if told else Crowding()

    def _keep(self) -> None:
        self._checkpoints.keep(self.outer.done, lambda path: save_snapshot(self.outer.slow, path))

    def _tell(self, exams: tuple[ArmFigures, ...]) -> None:
        path = self.folder / "exams.json"
        draft = path.with_suffix(".draft")
        try:
            draft.write_bytes(_EXAMS.dump_json(exams, indent=1))
            draft.replace(path)
        except OSError as error:
            raise StorageError(f"exams not written to {str(path)!r}: {error}; free some space") from None

    def _line(self, done: OuterRound, seconds: float) -> dict[str, Any]:
        accounts = done.accounts
        return {
            "kind": "round",
            "round": done.number,
            "rounds": done.number + 1,
            "lives": len(accounts),
            "reward": mean(accounts, lambda one: one.reward(self.order.prices)),
            "right": mean(accounts, lambda one: one.right),
            "learned": mean(accounts, lambda one: one.count("learn")),
            "noted": mean(accounts, lambda one: one.count("note")),
            "losses": dict(done.losses),
            "steps": done.steps,
            "crowding": {"slope": self.outer.crowding.slope, "sums": list(self.outer.crowding.sums)},
            "failed": len(done.failures),
            "failures": list(done.failures),
            "seconds": round(seconds, 3),
        }


@contextmanager
def open_training(
    folder: Path,
    order: TrainOrder,
    settings: Settings,
    on_fetch: Callable[[str, int, int], None] | None = None,
    *,
    crew: Crew | None = None,
) -> Generator[Training]:
    """A training with a prior of its own, in one computing thread; with a `crew`, by its workers.

    Raises:
        what `load_prior` and `Training` raise.
    """
    # Before a prior is loaded.
    source(order.world, **order.options)
    with only_team(settings.team) as scheduler:
        engine = engine_for(order, settings, scheduler, on_fetch)
        held = anchors_for(order, engine, settings)
        with Training(folder, order, engine, settings, anchors=held, crew=crew) as training:
            yield training
