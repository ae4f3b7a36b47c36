"""The experiment `bits`: what each signal makes of the same lives, in episodes and in bits.

Arms: reward alone; transition alone; both, which is reward and all that the world answers, foretelling weighed by
what it gains; both with selection; the naive loss on all that was observed; and, where a world is one turn, TRL's
GRPOTrainer on the same prior, as somebody else's reward alone. Where answers say what would have been right, two arms
more tell what of `both` it is that helps: foretelling the answers, or doing what they name. In a game, where both
imitate whoever won, one more imitates its own wins alone, for which outcomes are enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from liveoak.lab.intervals import Interval
from liveoak.lab.lives.curves import threshold_between
from liveoak.lab.lives.life import Figures, Life, Stage, live
from liveoak.lab.lives.running import figures_by_arm, finished, run_lives, world_scores
from liveoak.lab.lives.tables import (
    Table,
    bit_lines,
    figure_of,
    final_score,
    paired,
    ratio,
    reached,
    score_lines,
    within_outcomes,
)
from liveoak.lab.lives.ways import TOGETHER, thorough
from liveoak.lab.order import Order
from liveoak.lab.results import Figure, Results, figure

PEER = "trl grpo"
"""The arm of somebody else."""
OURS = ("reward", "transition", "both", "selected", "naive")
Carried = Literal["names", "shows"]
PARTS_OF_BOTH: Mapping[Carried, tuple[str, ...]] = {"names": ("foretold", "advice"), "shows": ("own wins",)}
"""Arms that tell what of `both` it is that helps, by what observations say that an outcome does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A world of the experiment, at a size that a prior of a million parameters can learn."""

    name: str
    world: str
    options: Mapping[str, Any]
    episodes: int = 640
    carries: Carried | None = None
    """What observations say that an outcome does not: what would have been right instead (`names`), or what somebody
    else did, elsewhere than the agent (`shows`). Both are held to the goal and in its figure; those that name it
    have one of their own."""
    one_turn: bool = False
    """Whether an episode is one action, which the peer can do."""
    ruled: bool = True
    """Whether it has hidden rules, other ones for each seed."""

    @property
    def arms(self) -> tuple[str, ...]:
        return (*OURS, *(PARTS_OF_BOTH[self.carries] if self.carries else ()), *((PEER,) if self.one_turn else ()))

    def of_seed(self, seed: int) -> dict[str, Any]:
        """Options of a seed."""
        return {**self.options, "rule": seed % RULES} if self.ruled else dict(self.options)


NIM = {"heaps": 3, "stones": 2, "opponent": "perfect", "record": True}
HOUSE, TRIP = {"rooms": 6, "doors": 3}, {"miles": 1, "tools": 8}
PLACES = (
    Place(name="rooms", world="rooms", options={**HOUSE, "advice": True}, carries="names"),
    Place(name="journey", world="journey", options={**TRIP, "advice": True}, carries="names"),
    Place(name="nim", world="nim", options=NIM, carries="shows", ruled=False),
    Place(name="rooms without advice", world="rooms", options=HOUSE, episodes=480),
    Place(name="bandit", world="bandit", options={"pulls": 1}, episodes=320, one_turn=True),
)
RULES = 24
"""Rules that every hidden one has at least."""
SHARE = 0.6
"""Of the way from guessing to the expert, that is to be reached."""


def lives(seeds: range, *, quick: bool) -> tuple[dict[str, Life], dict[str, tuple[str, str, int]]]:
    """Every cell by the name of its part, and which world, arm and seed it is."""
    cells: dict[str, Life] = {}
    names: dict[str, tuple[str, str, int]] = {}
    for seed in seeds:
        for place in PLACES:
            for arm in place.arms:
                name = f"{place.name}, {arm}, seed {seed}"
                settings = thorough("reward" if arm == PEER else arm)
                life = Life(
                    world=place.world,
                    options=place.of_seed(seed),
                    stages=(Stage(settings=settings, episodes=place.episodes),),
                    seed=seed,
                    together=TOGETHER,
                )
                cells[name] = _quick(life) if quick else life
                names[name] = (place.name, arm, seed)
    return cells, names


def work(cell: tuple[str, Life]) -> Figures:
    """One cell: the peer's, or ours."""
    arm, life = cell
    if arm == PEER:
        from liveoak.lab.lives.grpo import live_by_trl

        return live_by_trl(life)
    return live(life)


def experiment(order: Order) -> Results:
    seeds = range(order.first, order.first + order.count)
    cells, names = lives(seeds, quick=order.quick)
    done = run_lives("lab-bits", order, {name: (names[name][1], life) for name, life in cells.items()}, work)
    table = Table.of(names, done.figures)
    thresholds = {place.name: _threshold(place, seeds) for place in PLACES}
    arms = figures_by_arm(table, thresholds)
    ratios: dict[str, Interval] = {}
    unsolved: list[str] = []
    for place in PLACES:
        world, threshold = place.name, thresholds[place.name]
        theirs = table.cells_of(world, "reward")
        for arm in table.cells.get(world, {}):
            ours = table.cells_of(world, arm)
            own = arms[f"{world}, {arm}"]
            taken = ratio(ours, theirs, lambda cell, least=threshold: float(reached(cell, least)[0]))
            if arm != "reward":
                own |= figure_of("episodes_ratio", taken)
                own |= figure_of("score_over_reward", paired(ours, theirs, final_score))
            if arm == "both" and place.carries and taken is not None:
                ratios[world] = taken
                if not any(reached(cell, threshold)[1] for cell in (*ours.values(), *theirs.values())):
                    # The ratio is that of two whole lives, and says nothing.
                    unsolved.append(world)
    solved = {world: taken for world, taken in ratios.items() if world not in unsolved}
    return finished(
        "lab-bits",
        order,
        done,
        metrics=_headline(solved, table),
        arms=arms,
        config={
            "threshold_share": SHARE,
            "thresholds": thresholds,
            "worst_world": _worst(solved),
            "unsolved": unsolved,
        },
        claims=_claims(table, ratios),
        lines=[line for place in PLACES for line in _lines(table, place.name, thresholds[place.name])],
    )


def _threshold(place: Place, seeds: range) -> float:
    scores = [world_scores(place.world, place.of_seed(seed)) for seed in seeds]
    return sum(threshold_between(guess, expert, SHARE) for guess, expert in scores) / len(scores)


def _quick(life: Life) -> Life:
    stages = tuple(replace(stage, episodes=4 * 16) for stage in life.stages)
    return replace(life, stages=stages, together=16, readings=2, exhibited=2, examined=8)


def _worst(ratios: Mapping[str, Interval]) -> str | None:
    return max(ratios, key=lambda world: ratios[world].mean) if ratios else None


def _headline(ratios: Mapping[str, Interval], table: Table) -> dict[str, Figure]:
    naming = {place.name for place in PLACES if place.carries == "names"}
    named = {world: taken for world, taken in ratios.items() if world in naming}
    found: dict[str, Figure] = {}
    for key, own in (("episodes_ratio_both_vs_reward", ratios), ("episodes_ratio_where_named", named)):
        worst = _worst(own)
        if worst is not None:
            found |= figure_of(key, own[worst])
    for key in ("bits_answers", "outcome_bits"):
        values = [cell[key] for world in table.cells for cell in table.cells_of(world, "both").values() if key in cell]
        if values:
            # Over worlds as well as seeds, which are no repeats of one thing: no interval.
            found[key] = figure(key, sum(values) / len(values), n=len(values))
    return found


def _claims(table: Table, ratios: Mapping[str, Interval]) -> dict[str, bool]:
    claims = {
        f"{world}: both need at most half the episodes of reward alone": taken.mean <= 0.5
        for world, taken in ratios.items()
    }
    for world, arms in table.cells.items():
        metered = [cell for cell in table.cells_of(world, "reward").values() if "outcome_bits" in cell]
        if metered:
            within = all(map(within_outcomes, metered))
            claims[f"{world}: reward alone learns no more bits than outcomes hold"] = within
        for arm in ("both", "selected"):
            worse = paired(arms.get(arm, {}), arms.get("reward", {}), final_score)
            if worse is not None:
                claims[f"{world}: {arm} ends no lower than reward alone"] = not (worse.differs and worse.mean < 0)
        naive = paired(arms.get("naive", {}), arms.get("both", {}), final_score)
        if naive is not None:
            claims[f"{world}: the naive loss ends lower than both"] = naive.differs and naive.mean < 0
    return claims


def _lines(table: Table, world: str, threshold: float) -> list[dict[str, Any]]:
    arms = table.cells.get(world, {})
    bound = table.cells_of(world, "reward")
    drawn = [
        score_lines(f"{world}: score while living", arms, threshold),
        bit_lines(f"{world}: bits learned of the world's answers", arms, "answers", bound),
        bit_lines(f"{world}: bits learned of an expert's choices", arms, "choices", bound),
        bit_lines(f"{world}: bits learned of how episodes end", arms, "endings", bound),
    ]
    return [one.model_dump(mode="json") for one in drawn if one.series]
