"""The experiment `ledger`: an agent reads eight pages of which a third will be asked about, and learning has a price.

Arms, on the same held-out streams: the agent from its imitation start, after the outer loop, and ways to act that
nobody learned. Beside them the same outer loop at other prices, where learning is free and takes from other lessons
unpaid, with slow weights that only decide what is learned, and with exams whose true answers are those of other
questions, where there is nothing to gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from liveoak.lab.intervals import Interval, bootstrap_ratio, paired_bootstrap
from liveoak.lab.lives.lines import Lines, marks
from liveoak.lab.lives.running import finished, run_lives
from liveoak.lab.lives.tables import curve_of, figure_of
from liveoak.lab.order import Order
from liveoak.lab.outer.trial import KNOWING, Trial, run
from liveoak.lab.results import Figure, Results, figure_over
from liveoak.learning.outer.life import LifeSettings
from liveoak.learning.outer.policies import AFTER, FIXED, START
from liveoak.learning.outer.pricing import Prices
from liveoak.learning.outer.settings import OuterSettings
from liveoak.worlds.built_in.ledger import Ledger

PRICE = 0.15
"""Of a hundred tokens learned, in exam points; an entry has some ten tokens, and is worth an eighth of a point."""
PRICES = (0.0, 1.5)
"""Others: learning is free, and dearer than what it brings."""
REACHED = 0.5
"""Reward a life of which the time until it is first earned, over a round, is told: half of what a life can earn."""
MAIN, SHUFFLED, WRITES_ONLY = "main", "shuffled exams", "slow weights only write"
UNPAID = "price 0, crowding unpaid"
KINDS = 3
_TOLD = ("reward", "right", "learned", "noted", "useful", "reliability")


def trials(seeds: range, *, quick: bool) -> dict[str, dict[int, Trial]]:
    """Every cell by its variant and seed."""
    found: dict[str, dict[int, Trial]] = {}
    for seed in seeds:
        main = Trial(
            seed=seed,
            prices=_prices(PRICE),
            ledger=Ledger(pages=8, entries=KINDS, questions=8, kinds=KINDS, asks=seed % KINDS),
            rounds=16,
            outer=OuterSettings(streams=2, lives=4, parts=6, passes=3, rate=3e-4),
            examined=12,
        )
        if quick:
            main = replace(
                main,
                rounds=1,
                ledger=Ledger(pages=2, entries=KINDS, questions=2, kinds=KINDS, asks=seed % KINDS),
                begun=replace(main.begun, steps=2),
                lives=LifeSettings(steps=2),
                examined=2,
            )
        bare = replace(main, arms=False)
        variants = {MAIN: main} | {name_of(price): replace(bare, prices=_prices(price)) for price in PRICES}
        free = variants[name_of(0.0)]
        variants[UNPAID] = replace(free, outer=replace(free.outer, crowds=False))
        variants[SHUFFLED] = replace(bare, shuffled=True)
        variants[WRITES_ONLY] = replace(bare, lives=replace(main.lives, writes_only=True))
        for name, trial in variants.items():
            found.setdefault(name, {})[seed] = trial
    return found


def name_of(price: float) -> str:
    """The variant with another price."""
    return f"price {price:g}"


def work(cell: tuple[str, Trial]) -> dict[str, float]:
    return run(cell[1])


def experiment(order: Order) -> Results:
    seeds = range(order.first, order.first + order.count)
    cells = {
        f"{variant}, seed {seed}": (variant, trial)
        for variant, by_seed in trials(seeds, quick=order.quick).items()
        for seed, trial in by_seed.items()
    }
    done = run_lives("lab-ledger", order, cells, work)
    by_variant: dict[str, list[Mapping[str, float]]] = {}
    for name, (variant, _) in cells.items():
        if name in done.figures:
            by_variant.setdefault(variant, []).append(done.figures[name])
    main = by_variant.get(MAIN, [])
    margins = {arm: _difference(main, AFTER, arm) for arm in (START, *FIXED)}
    return finished(
        "lab-ledger",
        order,
        done,
        metrics=_headline(main, by_variant) if main else {},
        arms=_arms(by_variant, margins),
        config={"price": PRICE, "prices": [PRICE, *PRICES], "best_fixed": best_fixed(main) if main else None},
        claims=_claims(main, by_variant, margins) if main else {},
        lines=_lines(by_variant),
    )


def best_fixed(cells: Sequence[Mapping[str, float]]) -> str:
    """The fixed way with the highest mean reward."""
    return max(FIXED, key=lambda arm: sum(cell[f"{arm}/reward"] for cell in cells))


def seconds_to(reward: float, cell: Mapping[str, float]) -> float:
    """Of the outer loop, until a round earned so much; where none did, all that it took."""
    seconds = curve_of(cell, "seconds")
    there = [at for at, earned in curve_of(cell, "reward").items() if earned >= reward]
    return seconds[there[0] if there else max(seconds)]


def _prices(trained: float) -> Prices:
    return Prices(trained=trained, noted=trained / 2, dense=0.5)


def _headline(main: Sequence[Mapping[str, float]], by_variant: Mapping[str, Any]) -> dict[str, Figure]:
    after, start = ([cell[f"{arm}/reward"] for cell in main] for arm in (AFTER, START))
    found = figure_of("reward_ratio_after_vs_start", bootstrap_ratio(after, start))
    found |= figure_of("margin_over_best_fixed_policy", _difference(main, AFTER, best_fixed(main)))
    found |= {"reliability": figure_over("reliability", [cell[f"{START}/reliability"] for cell in main])}
    found["seconds_to_reward"] = figure_over("seconds_to_reward", [seconds_to(REACHED, cell) for cell in main])
    speed = [cell["inner_updates_per_second"] for cell in main]
    found["inner_updates_per_second"] = figure_over("inner_updates_per_second", speed)
    for variant, key in (
        (name_of(0.0), "gain_when_free"),
        (UNPAID, "gain_when_crowding_is_unpaid"),
        (SHUFFLED, "gain_when_shuffled"),
        (WRITES_ONLY, "gain_when_writing_only"),
    ):
        if variant in by_variant:
            found |= figure_of(key, _difference(by_variant[variant], AFTER, START))
    return found


def _arms(
    by_variant: Mapping[str, Sequence[Mapping[str, float]]], margins: Mapping[str, Interval | None]
) -> dict[str, dict[str, Figure]]:
    found: dict[str, dict[str, Figure]] = {}
    for variant, cells in by_variant.items():
        arms = (START, AFTER, KNOWING, *FIXED) if variant == MAIN else (START, AFTER)
        for arm in arms:
            name = arm if variant == MAIN else f"{variant}, {arm}"
            told = {key: figure_over(key, [cell[f"{arm}/{key}"] for cell in cells]) for key in _TOLD}
            found[name] = told | {"cell_seconds": figure_over("cell_seconds", [one["cell_seconds"] for one in cells])}
            if variant == MAIN:
                found[name] |= figure_of("after_over_this", margins.get(arm))
    return found


def _difference(cells: Sequence[Mapping[str, float]], ours: str, theirs: str) -> Interval | None:
    """Of rewards, paired by seed."""
    if not cells:
        return None
    return paired_bootstrap([cell[f"{ours}/reward"] for cell in cells], [cell[f"{theirs}/reward"] for cell in cells])


def _claims(
    main: Sequence[Mapping[str, float]],
    by_variant: Mapping[str, Sequence[Mapping[str, float]]],
    margins: Mapping[str, Interval | None],
) -> dict[str, bool]:
    rewards = {arm: sum(cell[f"{arm}/reward"] for cell in main) for arm in (START, AFTER)}
    claims = {"the outer loop doubles the reward of its start": rewards[AFTER] >= 2 * rewards[START]}
    for arm, margin in margins.items():
        if margin is not None:
            claims[f"it ends above {arm}, intervals apart"] = margin.differs and margin.mean > 0
    learned = [
        sum(cell[f"{AFTER}/learned"] for cell in cells) / len(cells)
        for cells in (by_variant.get(name, []) for name in (name_of(PRICES[0]), MAIN, name_of(PRICES[1])))
        if cells
    ]
    claims["it learns less where learning is dearer"] = len(learned) == 3 and learned[0] > learned[1] > learned[2]
    free = _difference(by_variant.get(name_of(0.0), []), AFTER, START)
    if free is not None:
        claims["where learning is free it ends above its start, intervals apart"] = free.differs and free.mean > 0
    shuffled = _difference(by_variant.get(SHUFFLED, []), AFTER, START)
    if shuffled is not None:
        gain = margins[START]
        claims["with shuffled exams the gain is gone"] = gain is not None and shuffled.mean < 0.25 * gain.mean
    return claims


def _lines(by_variant: Mapping[str, Sequence[Mapping[str, float]]]) -> list[dict[str, Any]]:
    drawn: list[Lines] = []
    for key, up in (("reward", "reward a life"), ("learned", "entries learned a life")):
        series = {
            variant: marks([{float(at): value for at, value in curve_of(cell, key).items()} for cell in cells])
            for variant, cells in by_variant.items()
        }
        drawn.append(Lines(title=f"{up} while the outer loop learns", up=up, across="rounds", series=series))
    return [one.model_dump(mode="json") for one in drawn]
