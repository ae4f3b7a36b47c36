"""The experiment `drift`: a long stream in a world whose rules change, with remedies against what that does.

Arms: the learner as it is (`plain`), with replay of its past, with an anchor to the prior, with an adapter whose least
useful directions are drawn anew now and then (`renewed`, continual backprop), and with one that is shrunk and perturbed
a little each round (`softened`, what continual backprop is compared with). Two tables of rules take turns, so that what
was kept is worth something; the last phase has a third, which was never met. `fresh` begins with that phase: what the
stream's weights need more than it to learn the last rules is plasticity lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from liveoak.lab.lives.continual import continual
from liveoak.lab.lives.curves import episodes_to, threshold_between
from liveoak.lab.lives.life import Figures, Life, Stage, live
from liveoak.lab.lives.running import figures_by_arm, finished, run_lives, world_scores
from liveoak.lab.lives.tables import Cells, Table, anytime_score, curve_of, figure_of, paired, score_lines
from liveoak.lab.lives.ways import way
from liveoak.lab.order import Order
from liveoak.lab.results import Figure, Results, figure_over
from liveoak.learning.arms import LearnerSettings

WORLD = "levers"
_WORLD = "liveoak.lab.lives.levers:Levers"
COURSE = "abac"
"""The table of each phase; the last is met there for the first time."""
PHASES = len(COURSE)
TOGETHER = 32
EVERY, QUICK_EVERY = 960, 64
"""Episodes of a phase: whole rounds."""
SHARE = 0.6
BASE = way("both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What an arm does about what drift does."""

    settings: LearnerSettings = BASE
    keep: float = 1.0
    renew: float = 0.0


REMEDIES: Mapping[str, Remedy] = {
    "plain": Remedy(),
    "replay": Remedy(settings=replace(BASE, replay=1.0)),
    "anchor": Remedy(settings=replace(BASE, anchor=0.1)),
    "softened": Remedy(keep=0.995),
    "renewed": Remedy(renew=0.01),
}
FRESH = "fresh"
"""The arm that begins with the last phase."""


def options_of(seed: int, every: int) -> dict[str, Any]:
    return {"every": every // GROUP, "stream": seed, "course": COURSE}


GROUP = 1
"""Episodes that share a seed: the world counts seeds, so a phase of it is shorter by this."""


def lives(seeds: range, *, quick: bool) -> tuple[dict[str, Life], dict[str, tuple[str, str, int]]]:
    """Every cell by the name of its part, and which world, arm and seed it is."""
    every = QUICK_EVERY if quick else EVERY
    cells: dict[str, Life] = {}
    names: dict[str, tuple[str, str, int]] = {}
    for seed in seeds:
        for arm, remedy in {**REMEDIES, FRESH: REMEDIES["plain"]}.items():
            last_alone = arm == FRESH
            phases = 1 if last_alone else PHASES
            life = Life(
                world=_WORLD,
                options=options_of(seed, every),
                stages=tuple(Stage(settings=remedy.settings, episodes=every) for _ in range(phases)),
                seed=seed,
                begun=(PHASES - 1) * every if last_alone else 0,
                group=GROUP,
                together=TOGETHER,
                readings=0,
                examined=8 if quick else 32,
                exams_of=tuple(phase * every // GROUP for phase in range(PHASES)),
                keep=remedy.keep,
                renew=remedy.renew,
            )
            name = f"{WORLD}, {arm}, seed {seed}"
            cells[name], names[name] = life, (WORLD, arm, seed)
    return cells, names


def work(cell: tuple[str, Life]) -> Figures:
    return live(cell[1])


def experiment(order: Order) -> Results:
    seeds = range(order.first, order.first + order.count)
    every = QUICK_EVERY if order.quick else EVERY
    cells, names = lives(seeds, quick=order.quick)
    done = run_lives("lab-drift", order, {name: (names[name][1], life) for name, life in cells.items()}, work)
    table = Table.of(names, done.figures)
    guess, best = world_scores(_WORLD, options_of(0, every))
    threshold = threshold_between(guess, best, SHARE)
    arms = figures_by_arm(table, {WORLD: threshold})
    plain, fresh = table.cells_of(WORLD, "plain"), table.cells_of(WORLD, FRESH)
    for arm, ours in table.cells.get(WORLD, {}).items():
        own = arms[f"{WORLD}, {arm}"]
        if arm != FRESH:
            # The exam of a whole life is one on the tasks that it began with.
            own.pop("exam_score", None)
            own |= stream_figures(ours, fresh, threshold, every)
        if arm not in (FRESH, "plain"):
            own |= figures_over_plain(ours, plain, threshold, every)
    told = arms.get(f"{WORLD}, plain", {})
    kept = ("anytime_score", "recovery_episodes", "forgetting", "backward_transfer", "plasticity_loss")
    lines = score_lines("levers: score while living", table.cells.get(WORLD, {}), threshold)
    return finished(
        "lab-drift",
        order,
        done,
        metrics={key: told[key] for key in kept if key in told},
        arms=arms,
        config={"threshold_share": SHARE, "threshold": threshold, "every": every, "phases": PHASES},
        claims=_claims(arms),
        lines=[lines.model_dump(mode="json")] if lines.series else [],
    )


def stream_figures(ours: Cells, fresh: Cells, threshold: float, every: int) -> dict[str, Figure]:
    """Figures of streams of several phases, those against `fresh` over the seeds that both have."""
    matrices = {seed: matrix_of(cell) for seed, cell in ours.items()}
    found: dict[str, list[float]] = {"recovery_episodes": [recovery(cell, threshold, every) for cell in ours.values()]}
    for matrix in matrices.values():
        figures = continual(matrix)
        for key, value in (
            ("average_score", figures.average),
            ("backward_transfer", figures.backward),
            ("forgetting", figures.forgetting),
        ):
            if value is not None:
                found.setdefault(key, []).append(value)
    for seed in [seed for seed in ours if seed in fresh]:
        last = PHASES - 1
        alone = fresh[seed][f"task{last}@stage0"]
        untaught = fresh[seed]["exam@0"]
        found.setdefault("intransigence", []).append(alone - matrices[seed][last][last])
        found.setdefault("forward_transfer", []).append(matrices[seed][last - 1][last] - untaught)
        here = steps_to(phase_scores(ours[seed], last, every), threshold)
        there = steps_to(phase_scores(fresh[seed], 0, every), threshold)
        found.setdefault("plasticity_loss", []).append(float(here - there))
    return {key: figure_over(key, values) for key, values in found.items()}


def figures_over_plain(ours: Cells, plain: Cells, threshold: float, every: int) -> dict[str, Figure]:
    """Differences of a remedy to the stream as it is, paired by seed."""

    def last(cell: Mapping[str, float]) -> float:
        return float(steps_to(phase_scores(cell, PHASES - 1, every), threshold))

    return {
        **figure_of("score_over_plain", paired(ours, plain, anytime_score)),
        **figure_of("forgetting_over_plain", paired(ours, plain, forgetting_of)),
        **figure_of("last_phase_over_plain", paired(ours, plain, last)),
    }


def forgetting_of(cell: Mapping[str, float]) -> float:
    return continual(matrix_of(cell)).forgetting or 0.0


def matrix_of(cell: Mapping[str, float]) -> list[list[float]]:
    """R: the score on each phase's tasks after each phase."""
    return [[cell[f"task{task}@stage{stage}"] for task in range(PHASES)] for stage in range(PHASES)]


def phase_scores(cell: Mapping[str, float], phase: int, every: int) -> list[float]:
    """Of the rounds of one phase, counted from where the life began."""
    scores = curve_of(cell, "score")
    return [value for at, value in scores.items() if phase * every < at <= (phase + 1) * every]


def steps_to(scores: list[float], threshold: float) -> int:
    """Episodes from the beginning of a phase to the threshold, or the whole phase."""
    found = episodes_to(scores, threshold, TOGETHER)
    return len(scores) * TOGETHER if found is None else found


def recovery(cell: Mapping[str, float], threshold: float, every: int) -> float:
    """Mean over the changes of rules."""
    needed = [steps_to(phase_scores(cell, phase, every), threshold) for phase in range(1, PHASES)]
    return sum(needed) / len(needed)


def _claims(arms: Mapping[str, Mapping[str, Figure]]) -> dict[str, bool]:
    """Better is said where the interval of the differences by seed says so, and not otherwise."""
    claims: dict[str, bool] = {}
    lost = arms.get(f"{WORLD}, plain", {}).get("plasticity_loss")
    if lost and lost.ci95:
        claims["the plain stream lost plasticity"] = lost.ci95[0] > 0
    for arm in REMEDIES:
        own = arms.get(f"{WORLD}, {arm}", {})
        for key, claim in (
            ("forgetting_over_plain", f"{arm} forgets less than the plain stream"),
            ("last_phase_over_plain", f"{arm} learns the last rules sooner than the plain stream"),
        ):
            if key in own and (bounds := own[key].ci95):
                claims[claim] = bounds[1] < 0
        if "score_over_plain" in own and (bounds := own["score_over_plain"].ci95):
            claims[f"{arm} costs no score"] = bounds[1] >= 0
    return claims
