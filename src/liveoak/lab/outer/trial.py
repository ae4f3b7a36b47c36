"""One cell of an experiment on the outer loop: one seed at one price, from the imitation start to the end.

Its figures are flat, so that they can be kept as a part: `reward@R` is the mean reward of a round of lives,
`seconds@R` when it was over, and of every arm on held-out streams there are `ARM/reward`, `ARM/right`, `ARM/learned`,
`ARM/noted` and `ARM/useful`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine, only_team
from liveoak.lab.lives.life import scratch_engine
from liveoak.learning.outer.beginning import BeginningSettings, begin
from liveoak.learning.outer.life import Cast, LifeSettings, Lives, Outcome, Policy
from liveoak.learning.outer.outer import Outer
from liveoak.learning.outer.policies import AFTER, FIXED, START, mediocre
from liveoak.learning.outer.pricing import Prices, mean
from liveoak.learning.outer.recipe import TAUGHT
from liveoak.learning.outer.settings import OuterSettings
from liveoak.learning.outer.work import Here
from liveoak.worlds import Material, seed_of
from liveoak.worlds.built_in.ledger import Ledger

KNOWING = "who knows the exam"
"""The arm that learns just what will be asked."""
_FAR = 1000
"""Where held-out streams begin: no outer loop lives so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is tried. Everything that figures depend on is here."""

    seed: int
    prices: Prices
    ledger: Ledger
    rounds: int = 32
    begun: BeginningSettings = field(default_factory=BeginningSettings)
    outer: OuterSettings = field(default_factory=lambda: OuterSettings(streams=2, lives=4, rate=4e-4))
    lives: LifeSettings = field(default_factory=LifeSettings)
    examined: int = 16
    """Held-out streams, one life each."""
    shuffled: bool = False
    """Each question's true answer is another one's: there is nothing to gain from what was read."""
    arms: bool = True
    """Whether fixed ways are examined too."""
    elsewhere: tuple[tuple[str, Ledger], ...] = ()
    """Other ledgers by name, on which start and end are examined without learning from them."""


def run(trial: Trial) -> dict[str, float]:
    """The whole trial with a prior of random weights, in one thread."""
    began = time.perf_counter()
    with only_team(1) as scheduler:
        figures = _lived(trial, scratch_engine(scheduler))
    return figures | {"cell_seconds": time.perf_counter() - began}


def _lived(trial: Trial, engine: Engine) -> dict[str, float]:
    lives = Lives(engine, Decoder(engine, kind="study"), trial.lives, TAUGHT, seed=trial.seed)
    material = lru_cache(maxsize=512)(material_of(trial))
    slow = engine.bank.new_slot(rank=TAUGHT.rank, seed=trial.seed)
    begin(lives, slow, material, trial.begun, seed=trial.seed)
    examined = _Examined(trial, lives, material)
    figures = examined.by(START, slow, None) | _elsewhere(trial, lives, START, slow)
    if trial.arms:
        ways: Mapping[str, Policy] = {**FIXED, KNOWING: mediocre(1.0)}
        for name, policy in ways.items():
            figures |= examined.by(name, slow, policy)
    outer = Outer(engine, slow, Here(lives, material, trial.prices, trial.outer), trial.outer)
    failed = studies = 0
    started = time.perf_counter()
    for done in outer.rounds(trial.rounds):
        figures[f"seconds@{done.number + 1}"] = time.perf_counter() - started
        studies += sum(one.studies for one in done.accounts)
        failed += len(done.failures)
        figures[f"reward@{done.number + 1}"] = mean(done.accounts, lambda one: one.reward(trial.prices))
        figures[f"learned@{done.number + 1}"] = mean(done.accounts, lambda one: float(one.count("learn")))
    figures["inner_updates_per_second"] = studies / (time.perf_counter() - started)
    figures |= examined.by(AFTER, slow, None) | _elsewhere(trial, lives, AFTER, slow)
    return figures | {"failed": float(failed)}


def _elsewhere(trial: Trial, lives: Lives, arm: str, slow: Slot) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, ledger in trial.elsewhere:
        other = replace(trial, ledger=ledger, elsewhere=())
        figures |= _Examined(other, lives, material_of(other)).by(f"{arm}, {name}", slow, None)
    return figures


class _Examined:
    """Held-out streams, the same for every arm."""

    def __init__(self, trial: Trial, lives: Lives, material: Callable[[int], Material]) -> None:
        self._trial, self._lives = trial, lives
        self._cast = [
            Cast(stream=stream, number=0, material=material(seed_of("held_out", stream)))
            for stream in range(_FAR, _FAR + trial.examined)
        ]

    def by(self, arm: str, slow: Slot, policy: Policy | None) -> dict[str, float]:
        outcomes = self._lives.live(self._cast, slow, policy)
        accounts = [one.account for one in outcomes]
        worth = [one.reward(self._trial.prices) for one in accounts]
        return {
            f"{arm}/reward": sum(worth) / len(worth),
            f"{arm}/right": mean(accounts, lambda one: one.right),
            f"{arm}/gold_logprob": mean(accounts, lambda one: one.gold_logprob),
            f"{arm}/learned": mean(accounts, lambda one: float(one.count("learn"))),
            f"{arm}/noted": mean(accounts, lambda one: float(one.count("note"))),
            f"{arm}/useful": mean(accounts, lambda one: float(one.useful)),
            f"{arm}/reliability": reliability(outcomes),
        }


def material_of(trial: Trial) -> Callable[[int], Material]:
    """The trial's material of a seed."""

    def made(seed: int) -> Material:
        found = trial.ledger.material(seed)
        if not trial.shuffled:
            return found
        answers = [one.answer for one in found.questions]
        turned = answers[1:] + answers[:1]
        questions = tuple(replace(one, answer=other) for one, other in zip(found.questions, turned, strict=True))
        return replace(found, questions=questions)

    return made


def reliability(outcomes: Sequence[Outcome]) -> float:
    """How far the exam of one life agrees with itself: the correlation over lives of the share right on questions of
    even and of odd number, stepped up to the whole exam (Spearman 1910, Brown 1910). 0 where there is no variance."""
    halves = [[_share(one, start) for one in outcomes] for start in (0, 1)]
    means = [sum(half) / len(half) for half in halves]
    pairs = [(a - means[0], b - means[1]) for a, b in zip(*halves, strict=True)]
    spread = [sum(pair[side] ** 2 for pair in pairs) for side in (0, 1)]
    if min(spread) == 0:
        return 0.0
    correlation = sum(a * b for a, b in pairs) / (spread[0] * spread[1]) ** 0.5
    return 2 * correlation / (1 + correlation) if correlation > -1 else -1.0


def _share(one: Outcome, start: int) -> float:
    half = one.marks[start::2]
    return sum(mark.right for mark in half) / max(1, len(half))
