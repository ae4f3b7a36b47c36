"""The experiment `prior-or-scratch`: what demonstrations are worth, and when who had none is level.

The same learner lives the same episodes after imitating an expert, after imitating somebody mediocre, and after
nothing. An arm that imitates and then stays as it is shows what living adds. Exams are on held-out episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liveoak.lab.lives.curves import crossing, threshold_between
from liveoak.lab.lives.life import Figures, Life, Stage, live
from liveoak.lab.lives.running import figures_by_arm, finished, run_lives, world_scores
from liveoak.lab.lives.tables import Table, curve_of, paired, score_lines
from liveoak.lab.lives.ways import TOGETHER, thorough
from liveoak.lab.order import Order
from liveoak.lab.results import Figure, Results, figure, figure_over

PLACES: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "nim": ({"heaps": 3, "stones": 2, "opponent": "perfect", "record": True}, 640),
    "rooms": ({"rooms": 4, "advice": True}, 480),
}
"""Options and episodes: a game with an exact solver, and a world of text."""
SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What an arm begins with."""

    shown: int
    skill: float = 1.0
    learns: bool = True
    """Whether it goes on learning while it lives."""


BEGINNINGS: Mapping[str, Beginning] = {
    "nothing": Beginning(shown=0),
    "expert": Beginning(shown=256),
    "mediocre": Beginning(shown=256, skill=0.6),
    "expert, then as it is": Beginning(shown=256, learns=False),
}


def lives(seeds: range, *, quick: bool) -> tuple[dict[str, Life], dict[str, tuple[str, str, int]]]:
    """Every cell by the name of its part, and which world, arm and seed it is."""
    cells: dict[str, Life] = {}
    names: dict[str, tuple[str, str, int]] = {}
    settings = thorough("both")
    for seed in seeds:
        for place, (options, episodes) in PLACES.items():
            for arm, beginning in BEGINNINGS.items():
                name = f"{place}, {arm}, seed {seed}"
                life = Life(
                    world=place,
                    options=options,
                    # Who only imitates lives its episodes with the weights that imitation left.
                    stages=(
                        Stage(settings=settings, episodes=0),
                        Stage(settings=settings if beginning.learns else None, episodes=64 if quick else episodes),
                    ),
                    seed=seed,
                    together=TOGETHER,
                    shown=min(32, beginning.shown) if quick else beginning.shown,
                    skill=beginning.skill,
                    readings=2 if quick else 6,
                    exhibited=2 if quick else 16,
                    examined=8 if quick else 48,
                )
                cells[name], names[name] = life, (place, arm, seed)
    return cells, names


def work(cell: tuple[str, Life]) -> Figures:
    return live(cell[1])


def experiment(order: Order) -> Results:
    seeds = range(order.first, order.first + order.count)
    cells, names = lives(seeds, quick=order.quick)
    done = run_lives(
        "lab-prior-or-scratch", order, {name: (names[name][1], life) for name, life in cells.items()}, work
    )
    table = Table.of(names, done.figures)
    scores = {place: world_scores(place, options) for place, (options, _) in PLACES.items()}
    thresholds = {place: threshold_between(guess, best, SHARE) for place, (guess, best) in scores.items()}
    arms = figures_by_arm(table, thresholds)
    for place, by_arm in table.cells.items():
        best = scores[place][1]
        for arm, cells_of_arm in by_arm.items():
            exams = [_at_the_end(cell) for cell in cells_of_arm.values()]
            arms[f"{place}, {arm}"]["solver_share"] = figure_over("solver_share", [exam / best for exam in exams])
            arms[f"{place}, {arm}"] |= _crossed(table, place, arm)
    lines = [
        score_lines(f"{place}: held-out score over episodes lived", by_arm, thresholds[place], key="exam")
        for place, by_arm in table.cells.items()
    ]
    return finished(
        "lab-prior-or-scratch",
        order,
        done,
        metrics=_headline(table),
        arms=arms,
        config={
            "threshold_share": SHARE,
            "thresholds": thresholds,
            "guess_and_expert": scores,
            "worlds": {place: {"options": dict(options), "episodes": n} for place, (options, n) in PLACES.items()},
        },
        claims=_claims(table, thresholds),
        lines=[one.model_dump(mode="json") for one in lines if one.series],
    )


def _at_the_end(cell: Mapping[str, float]) -> float:
    """The score of the last exam."""
    exams = curve_of(cell, "exam")
    return exams[max(exams)]


def _crossed(table: Table, place: str, arm: str) -> dict[str, Figure]:
    """Where the arm without demonstrations was level with this one for good; the whole life where it never was."""
    if arm == "nothing":
        return {}
    ours, theirs = table.cells_of(place, "nothing"), table.cells_of(place, arm)
    pairs = [(curve_of(ours[seed], "exam"), curve_of(theirs[seed], "exam")) for seed in theirs if seed in ours]
    if not pairs:
        return {}
    found = [crossing(mine, other) for mine, other in pairs]
    counted = [max(mine) if at is None else at for at, (mine, _) in zip(found, pairs, strict=True)]
    return {
        "crossed": figure_over("crossed", [float(at is not None) for at in found]),
        "episodes_to_cross": figure_over("episodes_to_cross", [float(at) for at in counted]),
    }


def _headline(table: Table) -> dict[str, Figure]:
    """Over worlds and beginnings, which are no repeats of one thing: no interval."""
    found = [
        figures["crossed"].value
        for place in table.cells
        for arm in ("expert", "mediocre")
        if (figures := _crossed(table, place, arm))
    ]
    return {"crossed": figure("crossed", sum(found) / len(found), n=len(found))} if found else {}


def _claims(table: Table, thresholds: Mapping[str, float]) -> dict[str, bool]:
    """Of exams at the end. Higher is said where the interval of the differences by seed says so, and not otherwise."""
    claims: dict[str, bool] = {}
    for place in table.cells:
        expert, nothing = table.cells_of(place, "expert"), table.cells_of(place, "nothing")
        for arm, cells in (("expert", expert), ("nothing", nothing)):
            if cells:
                mean = sum(map(_at_the_end, cells.values())) / len(cells)
                claims[f"{place}: {arm} ends near the solver"] = mean >= thresholds[place]
        better = paired(expert, nothing, _at_the_end)
        if better is not None:
            claims[f"{place}: an expert's demonstrations end higher than nothing"] = better.differs and better.mean > 0
        added = paired(expert, table.cells_of(place, "expert, then as it is"), _at_the_end)
        if added is not None:
            claims[f"{place}: living adds to an expert's demonstrations"] = added.differs and added.mean > 0
        short = paired(table.cells_of(place, "mediocre"), expert, _at_the_end)
        if short is not None:
            no_lower = not (short.differs and short.mean < 0)
            claims[f"{place}: mediocre demonstrations end no lower than an expert's"] = no_lower
    return claims
