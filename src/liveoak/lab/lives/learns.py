"""The experiment `learns`: every way to learn solves a task whose answer is known, and a frozen control does not.

The task is the smallest that has something for each signal: one pull of one of two levers, of which each colour has its
own good one. Reward must find it, imitation copy it, transition foretell what a pull brings; those that combine
signals must do what each does. For distillation, the world says afterwards which lever was the good one, and the agent
first learns, from machines whose good levers are drawn by seed, to go by what it has just read. It knows nothing of its
own machines then; with what became of a pull before its eyes it would do right, and that it must come to do without.
Imitating who won needs somebody who wins: there it is nim with one heap, and nothing else is learned from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from liveoak.lab.lives.life import Figures, Life, Stage, live
from liveoak.lab.lives.running import finished, run_lives
from liveoak.lab.lives.tables import curve_of
from liveoak.lab.lives.ways import TOGETHER, thorough, way
from liveoak.lab.order import Order
from liveoak.lab.results import Figure, Results, figure_over

Skill = Literal["chooses", "foretells", "wins"]
"""What a learner is to be able to do afterwards: choose as an expert does, say what the world will answer, and win."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A way to learn, and what it must have learned. `shown` demonstrations come first."""

    skills: tuple[Skill, ...]
    episodes: int
    shown: int = 0
    world: str = "bandit"
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of the world, beside those of all bandits."""
    forewarned: Mapping[str, Any] | None = None
    """As in `Life`."""


_GAME = {"heaps": 1, "stones": 4, "opponent": "perfect", "record": True}
TASKS: Mapping[str, Task] = {
    "reward": Task(skills=("chooses",), episodes=640),
    "transition": Task(skills=("foretells",), episodes=256),
    "foretold": Task(skills=("chooses", "foretells"), episodes=640),
    "both": Task(skills=("chooses", "foretells"), episodes=640),
    "selected": Task(skills=("chooses", "foretells"), episodes=640),
    "naive": Task(skills=("foretells",), episodes=256),
    "advice": Task(skills=("chooses",), episodes=960, options={"advice": True}),
    "imitation": Task(skills=("chooses",), episodes=0, shown=1024),
    "distillation": Task(
        skills=("chooses",), episodes=768, shown=1024, options={"advice": True}, forewarned={"rule": None}
    ),
    "winners": Task(skills=("wins",), episodes=160, world="nim", options=_GAME),
    "own wins": Task(skills=("wins",), episodes=160, world="nim", options=_GAME),
}
CONTROLS: Mapping[str, Task] = {
    "frozen": Task(skills=("chooses", "foretells"), episodes=160),
    "frozen, in a game": Task(skills=("wins",), episodes=160, world="nim", options=_GAME),
}
"""Who learns nothing, and what it must not be able to do."""
LEFT = 0.5
"""Share of the first held-out loss that may be left."""
_LEVERS = 2
_GUESSED = math.log(_LEVERS)
"""What an expert's choice costs whoever guesses. A first loss above it would be halved by becoming unsure."""
_WON = 0.8
"""Mean score of the last rounds, of at most 1, for a game to be won."""
_ROUNDS = 3


def life_of(arm: str, seed: int) -> Life:
    """The life of an arm of the learner, or of a control."""
    task = TASKS[arm] if arm in TASKS else CONTROLS[arm]
    game = "wins" in task.skills
    settings = None if arm in CONTROLS else replace(thorough(arm), reward=False) if game else way(arm)
    return Life(
        world=task.world,
        options=task.options if game else {"pulls": 1, "levers": _LEVERS, "rule": seed, **task.options},
        together=TOGETHER if game else 2 * TOGETHER,
        stages=(Stage(settings=settings, episodes=task.episodes),),
        seed=seed,
        shown=task.shown,
        forewarned=task.forewarned,
        group=1,
        readings=1,
        exhibited=8,
        examined=0,
    )


def work(cell: tuple[str, Life]) -> Figures:
    """One life; where it only imitates, the loss before and after are those of two lives."""
    _, life = cell
    if not life.shown or life.episodes:
        return live(life)
    before = live(replace(life, shown=0))
    after = live(life)
    return {f"{kind}@0": before[f"{kind}@0"] for kind in ("answers", "choices")} | {
        f"{kind}@{life.shown}": after[f"{kind}@0"] for kind in ("answers", "choices")
    }


def learned(cell: Mapping[str, float], skill: Skill) -> bool:
    """Whether the figures of a life show that skill."""
    if skill == "wins":
        scores = curve_of(cell, "score")
        last = sorted(scores)[-_ROUNDS:]
        return sum(scores[at] for at in last) / len(last) >= _WON
    left = curve_of(cell, "choices" if skill == "chooses" else "answers")
    first = left[min(left)]
    return left[max(left)] <= LEFT * (min(first, _GUESSED) if skill == "chooses" else first)


def verdict(arm: str, cell: Mapping[str, float]) -> bool:
    """Whether an arm did what it must; of a control, whether it could do nothing."""
    if arm in CONTROLS:
        return not any(learned(cell, skill) for skill in CONTROLS[arm].skills)
    return all(learned(cell, skill) for skill in TASKS[arm].skills)


def experiment(order: Order) -> Results:
    seeds = range(order.first, order.first + order.count)
    cells = {f"{arm}, seed {seed}": (arm, life_of(arm, seed)) for seed in seeds for arm in (*TASKS, *CONTROLS)}
    done = run_lives("lab-learns", order, cells, work)
    arms: dict[str, dict[str, Figure]] = {}
    for arm in (*TASKS, *CONTROLS):
        values = [
            float(verdict(arm, done.figures[name]))
            for name, (own, _) in cells.items()
            if own == arm and name in done.figures
        ]
        if values:
            arms[arm] = {"solved": figure_over("solved", values)}
    return finished(
        "lab-learns",
        order,
        done,
        metrics={"solved": figure_over("solved", [one["solved"].value for one in arms.values()])} if arms else {},
        arms=arms,
        config={},
        claims={f"{arm} does what it must": one["solved"].value == 1 for arm, one in arms.items()},
        lines=[],
    )
