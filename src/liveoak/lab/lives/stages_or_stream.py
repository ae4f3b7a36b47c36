"""The experiment `stages-or-stream`: a model of the world first and reward after, or both at once?

Arms: transition alone for the first half of the episodes and reward alone for the second (SPA); both at one fixed
weight throughout (ECHO, PaW); both with selection and an adaptive weight; reward alone throughout. All live the same
number of episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from liveoak.lab.lives.curves import threshold_between
from liveoak.lab.lives.life import Figures, Life, Stage, live
from liveoak.lab.lives.running import figures_by_arm, finished, run_lives, world_scores
from liveoak.lab.lives.tables import Table, figure_of, final_score, paired, ratio, reached, score_lines
from liveoak.lab.lives.ways import way
from liveoak.lab.order import Order
from liveoak.lab.results import Figure, Results
from liveoak.signals import BalanceSettings

PLACES: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "rooms": ({"rooms": 4, "advice": True}, 1280),
    "journey": ({"miles": 1, "advice": True}, 1280),
}
"""Options and episodes."""
ADAPTIVE = "adaptive"
ARMS_OF_STAGES: Mapping[str, tuple[str, ...]] = {
    "reward": ("reward",),
    "stages": ("transition", "reward"),
    "stream": ("foretold",),
    ADAPTIVE: ("selected",),
}
"""The learner's arms that share a life's episodes evenly, in this order."""
SHARE = 0.6


def lives(seeds: range, *, quick: bool) -> tuple[dict[str, Life], dict[str, tuple[str, str, int]]]:
    """Every cell by the name of its part, and which world, arm and seed it is."""
    cells: dict[str, Life] = {}
    names: dict[str, tuple[str, str, int]] = {}
    for seed in seeds:
        for place, (options, episodes) in PLACES.items():
            for arm, parts in ARMS_OF_STAGES.items():
                share = (64 if quick else episodes) // len(parts)
                balance = BalanceSettings() if arm == ADAPTIVE else None
                ways = [replace(way(part), advice=False, balance=balance) for part in parts]
                stages = tuple(Stage(settings=settings, episodes=share) for settings in ways)
                life = Life(
                    world=place,
                    options={**options, "rule": seed % 24},
                    stages=stages,
                    seed=seed,
                    readings=2 if quick else 4,
                    exhibited=2 if quick else 16,
                    examined=8 if quick else 32,
                )
                name = f"{place}, {arm}, seed {seed}"
                cells[name], names[name] = life, (place, arm, seed)
    return cells, names


def work(cell: tuple[str, Life]) -> Figures:
    return live(cell[1])


def experiment(order: Order) -> Results:
    seeds = range(order.first, order.first + order.count)
    cells, names = lives(seeds, quick=order.quick)
    done = run_lives(
        "lab-stages-or-stream", order, {name: (names[name][1], life) for name, life in cells.items()}, work
    )
    table = Table.of(names, done.figures)
    thresholds = {
        place: sum(threshold_between(*world_scores(place, {**options, "rule": seed % 24}), SHARE) for seed in seeds)
        / len(seeds)
        for place, (options, _) in PLACES.items()
    }
    arms = figures_by_arm(table, thresholds)
    for place, by_arm in table.cells.items():
        theirs = table.cells_of(place, "reward")
        for arm, ours in by_arm.items():
            if arm != "reward":
                taken = ratio(ours, theirs, lambda cell, least=thresholds[place]: float(reached(cell, least)[0]))
                arms[f"{place}, {arm}"] |= figure_of("episodes_ratio", taken)
                arms[f"{place}, {arm}"] |= figure_of("score_over_reward", paired(ours, theirs, final_score))
    lines = [
        score_lines(f"{place}: score while living", by_arm, thresholds[place]) for place, by_arm in table.cells.items()
    ]
    return finished(
        "lab-stages-or-stream",
        order,
        done,
        metrics=_headline(arms),
        arms=arms,
        config={
            "threshold_share": SHARE,
            "thresholds": thresholds,
            "worlds": {place: {"options": dict(options), "episodes": n} for place, (options, n) in PLACES.items()},
        },
        claims=_claims(table),
        lines=[one.model_dump(mode="json") for one in lines if one.series],
    )


def _headline(arms: Mapping[str, Mapping[str, Figure]]) -> dict[str, Figure]:
    """The adaptive mix where it did worst."""
    found = [
        figures for name, figures in arms.items() if name.endswith(f", {ADAPTIVE}") and "episodes_ratio" in figures
    ]
    if not found:
        return {}
    worst = max(found, key=lambda figures: figures["episodes_ratio"].value)
    return {key: worst[key] for key in ("episodes_ratio", "score_over_reward", "anytime_score") if key in worst}


def _claims(table: Table) -> dict[str, bool]:
    claims: dict[str, bool] = {}
    for place, by_arm in table.cells.items():
        ours = by_arm.get(ADAPTIVE, {})
        for arm in ("reward", "stages", "stream"):
            difference = paired(ours, by_arm.get(arm, {}), final_score)
            if difference is not None:
                no_lower = not (difference.differs and difference.mean < 0)
                claims[f"{place}: the adaptive mix ends no lower than {arm}"] = no_lower
    return claims
