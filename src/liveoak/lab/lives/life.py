"""One cell of an experiment: one world, one way to learn, one seed. A life, measured.

Its figures are flat, so that they can be kept as a part: `score@E` is the mean score of the round that ended after E
episodes, `answers@E`, `choices@E` and `endings@E` the held-out loss in nats an episode, `exam@E` the mean score on
held-out episodes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from liveoak.adapters import Slot
from liveoak.config import load_settings
from liveoak.engine import Decoder, Engine, Scheduler, only_team
from liveoak.errors import LearningError
from liveoak.lab.lives.remedies import Renewal, soften
from liveoak.learning.arms import LearnerSettings
from liveoak.learning.demonstrating import demonstrated
from liveoak.learning.distilling import forewarned
from liveoak.learning.learner import Learner
from liveoak.learning.transcript import Layout
from liveoak.priors import Prior, load_prior
from liveoak.runtime.bit_meter import BitMeter, outcome_entropy
from liveoak.runtime.device import compile_steps
from liveoak.runtime.exhibits import Exhibits, exhibits, nats
from liveoak.runtime.living import Living, LivingSettings, mean_score
from liveoak.worlds import World, seeds, world

Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stretch of a life that is learned from in one way."""

    settings: LearnerSettings | None
    """None: lived with the weights as they are, learning nothing."""
    episodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What is lived, and what is measured of it."""

    world: str
    options: Mapping[str, Any]
    stages: tuple[Stage, ...]
    seed: int
    shown: int = 0
    """Demonstrations that are imitated first."""
    skill: float = 1.0
    """How often whoever demonstrates acts as the expert would."""
    forewarned: Mapping[str, Any] | None = None
    """Options of the world, other than its own, of demonstrations by somebody who had read what became of a guess, so
    that the agent learns to go by what its context says. None: demonstrations are of this world, and of this alone."""
    begun: int = 0
    """Episodes of the world's stream that pass before it begins."""
    together: int = 32
    group: int = 4
    window: int = 448
    readings: int = 4
    """How often the bit meter is read after the first reading; 0: never."""
    exhibited: int = 16
    """Held-out episodes that it reads."""
    examined: int = 32
    """Held-out episodes of each exam, which comes with each reading and at the end; 0: none."""
    exams_of: tuple[int, ...] = ()
    """Further exams at the end of each stage: the held-out episodes that they begin at, one for each task."""
    keep: float = 1.0
    """What each round leaves of the adapter's distance to a fresh one."""
    renew: float = 0.0
    """Share of the adapter's directions that each round draws anew, those that do least."""

    @property
    def episodes(self) -> int:
        return sum(stage.episodes for stage in self.stages)


def as_config(cell: Any) -> dict[str, Any]:
    """A life, or another dataclass that says what a cell is, as JSON; the same in every process."""
    return json.loads(json.dumps(asdict(cell), default=sorted))


def live(life: Life) -> Figures:
    """The whole life with a prior of random weights, in one thread.

    Raises:
        WorldError: the world cannot be made, or knows no expert where one is asked for.
        BadSettings: numbers of episodes that are no whole rounds.
    """
    began = time.perf_counter()
    with only_team(1) as scheduler:
        figures = _Account(life, scratch_engine(scheduler)).lived()
    return figures | {"cell_seconds": time.perf_counter() - began}


def scratch() -> Prior:
    """The prior of every cell. The seed of a life draws adapters and actions, not the prior."""
    return load_prior("scratch", cache=Path("unused"), dtype=torch.float32)


def scratch_engine(scheduler: Scheduler) -> Engine:
    """An engine over it, to live thousands of episodes: compiled where that can be done."""

    def load() -> Engine:
        engine = Engine(scratch(), scheduler)
        compile_steps(engine, "auto", load_settings().cache, least=0)
        return engine

    return scheduler.run(load)


class _Account:
    """A life under way, and its figures so far."""

    def __init__(self, life: Life, engine: Engine) -> None:
        self._life, self._engine = life, engine
        self._layout = Layout(engine.tokenizer)
        self._make = partial(world, life.world, **life.options)
        self._first = life.begun // life.group
        """Where it begins in the world's order of seeds, of which a group shares one."""
        self._held_out = self._exhibits(self._make()) if life.readings else None
        self._meter = BitMeter()
        self._figures: Figures = {}
        self._entropies: list[float] = []
        self._renewal: Renewal | None = None

    def lived(self) -> Figures:
        life = self._life
        first = life.stages[0].settings
        learner = self._learner(first, None) if first is not None else None
        if learner is not None and life.shown:
            self._imitate(learner)
        settings = LivingSettings(together=life.together, group=life.group, window=life.window)
        decoder = Decoder(self._engine)
        with Living(
            self._engine,
            decoder,
            self._make,
            learner,
            settings,
            seed=life.seed,
            begun=life.begun // life.together,
        ) as living:
            self._measure(living, 0)
            done = 0
            for number, stage in enumerate(life.stages):
                if number:
                    self._begin(living, stage)
                for _ in range(stage.episodes // life.together):
                    done += life.together
                    self._round(living, done)
                self._examine_tasks(living, number)
            return self._figures | self._totals()

    def _begin(self, living: Living, stage: Stage) -> None:
        """A later stage goes on from the weights that those before it left."""
        if stage.settings is None:
            living.rest()
        else:
            living.learner = self._learner(stage.settings, living.slot)

    def _round(self, living: Living, done: int) -> None:
        life = self._life
        lived = living.round()
        self._figures[f"score@{done}"] = lived.score or 0.0
        self._figures["failed"] = self._figures.get("failed", 0.0) + (lived.failure is not None)
        self._entropies.append(outcome_entropy([attempt.score for attempt in lived.attempts]))
        if living.learner is not None:
            self._treat(living.learner.slot, seed=1000 * life.seed + living.rounds_lived)
        every = max(1, life.episodes // life.together // life.readings) * life.together if life.readings else 0
        if (every and done % every == 0) or done == life.episodes:
            self._measure(living, done)

    def _treat(self, slot: Slot, *, seed: int) -> None:
        """The remedies, after a round that was learned from."""
        life = self._life
        if life.keep < 1:
            soften(self._engine, slot, life.keep, seed=seed)
        if life.renew:
            self._renewal = self._renewal or Renewal(self._engine, slot, life.renew, seed=life.seed)
            self._renewal.after_round()

    def _measure(self, living: Living, done: int) -> None:
        if self._held_out is not None:
            found = nats(self._engine, living.slot, self._held_out)
            self._meter = self._meter.read(done, found)
            self._figures |= {f"{kind}@{done}": value for kind, value in found.items()}
        if self._life.examined:
            self._figures[f"exam@{done}"] = _examined(living, self._life.examined, self._first)

    def _examine_tasks(self, living: Living, stage: int) -> None:
        for task, start in enumerate(self._life.exams_of):
            self._figures[f"task{task}@stage{stage}"] = _examined(living, self._life.examined, start)

    def _totals(self) -> Figures:
        found: Figures = {}
        if self._entropies:
            found["outcome_bits"] = sum(self._entropies) / len(self._entropies)
        if len(self._meter.readings) > 1:
            for kind in self._meter.readings[0].nats:
                found[f"bits_{kind}"] = self._meter.bits_per_episode(kind)
        return found

    def _learner(self, settings: LearnerSettings, slot: Slot | None) -> Learner:
        return Learner(self._engine, settings, seed=self._life.seed, slot=slot)

    def _imitate(self, learner: Learner) -> None:
        """What was shown comes first, in rounds of the same size, by imitation alone: what followed it is left for
        the arms to learn from, or not."""
        life = self._life
        teacher = replace(learner.settings, reward=False, transition="off", imitation=True, distillation=False)
        pupil = self._learner(teacher, learner.slot)
        other = life.forewarned
        shown = list(
            demonstrated(
                self._layout,
                self._make() if other is None else self._make(**other),
                seeds("train", life.shown, start=self._first),
                skill=life.skill,
                chance=life.seed,
                window=life.window,
                told=other is not None,
            )
        )
        if other is not None:
            shown = [forewarned(self._engine.tokenizer, one) for one in shown]
        for start in range(0, len(shown), life.together):
            try:
                pupil.learn(shown[start : start + life.together])
            except LearningError:
                # A step that diverged leaves the weights as they were; the life tells what became of it.
                self._figures["failed"] = self._figures.get("failed", 0.0) + 1

    def _exhibits(self, made: World) -> Exhibits:
        return exhibits(self._layout, made, self._life.exhibited, window=self._life.window, start=self._first)


def _examined(living: Living, count: int, start: int) -> float:
    return mean_score(living.exam(count, start=start)) or 0.0
