"""The experiment `transfer`: what the outer loop learned in one place, tried in another.

A prior of random weights learns what to teach itself from a ledger whose exam asks about one kind, and is tried on
longer streams and on exams about another kind. The pretrained prior learns from texts with questions, and is tried on
the handbooks of invented firms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from liveoak import __version__
from liveoak.lab.intervals import Interval, paired_bootstrap
from liveoak.lab.lives.running import run_lives
from liveoak.lab.lives.tables import figure_of
from liveoak.lab.machine import Machine, describe_machine
from liveoak.lab.order import Order
from liveoak.lab.outer.bench import Bench, examined
from liveoak.lab.outer.ledger import MAIN, trials
from liveoak.lab.outer.passages import AFTER as TAUGHT
from liveoak.lab.outer.passages import BEFORE as UNTAUGHT
from liveoak.lab.outer.passages import UNREAD
from liveoak.lab.outer.slow import STEPS, STUDIED, trained
from liveoak.lab.outer.trial import Trial, run
from liveoak.lab.parts import Parts
from liveoak.lab.passages import passages_file
from liveoak.lab.results import Figure, Results, figure_over, new_results
from liveoak.learning.outer.policies import AFTER, START
from liveoak.records import QA, Lesson
from liveoak.worlds import make_handbook, seed_of

if TYPE_CHECKING:
    from liveoak.adapters import Slot

LONGER, OTHER = "twice the pages", "another kind asked"
_FACTS = 8


def ledgers(seeds: range, *, quick: bool) -> dict[int, Trial]:
    """The main trial of the experiment `ledger` by seed, tried elsewhere too."""
    found: dict[int, Trial] = {}
    for seed, main in trials(seeds, quick=quick)[MAIN].items():
        home = main.ledger
        assert home.asks is not None
        elsewhere = (
            (LONGER, replace(home, pages=2 * home.pages)),
            (OTHER, replace(home, asks=(home.asks + 1) % home.kinds)),
        )
        found[seed] = replace(main, arms=False, elsewhere=elsewhere)
    return found


def work(cell: tuple[str, Trial]) -> dict[str, float]:
    return run(cell[1])


def experiment(order: Order) -> Results:
    passages_file("train")  # whose lack is told before anything is lived
    seeds = range(order.first, order.first + order.count)
    cells = {f"ledger, seed {seed}": ("ledger", trial) for seed, trial in ledgers(seeds, quick=order.quick).items()}
    done = run_lives("transfer", order, cells, work)
    lived = list(done.figures.values())
    metrics: dict[str, Figure] = {}
    arms: dict[str, dict[str, Figure]] = {}
    for place, key in (("", "gain_at_home"), (LONGER, "gain_on_longer"), (OTHER, "gain_on_other_kind")):
        rewards = {arm: [one[_named(arm, place)] for one in lived] for arm in (START, AFTER)}
        if lived:
            metrics |= figure_of(key, paired_bootstrap(rewards[AFTER], rewards[START]))
            for arm, values in rewards.items():
                arms[f"ledger{', ' if place else ''}{place}, {arm}"] = {"reward": figure_over("reward", values)}
    handbooks, machine, failed = _handbooks(order, seeds)
    metrics |= figure_of("gain_on_handbooks", _gain(handbooks, "recall"))
    metrics |= figure_of("logprob_gain_on_handbooks", _gain(handbooks, "gold_logprob"))
    for name, by_seed in handbooks.items():
        keys = next(iter(by_seed.values()))
        arms[f"handbooks, {name}"] = {key: figure_over(key, [one[key] for one in by_seed.values()]) for key in keys}
    return new_results(
        "transfer",
        machine=machine,
        config={"prior": order.settings.prior, "seeds": list(seeds), "failed": [*done.failed, *failed]},
        metrics=metrics,
        arms=arms,
    )


def _named(arm: str, place: str) -> str:
    return f"{arm}, {place}/reward" if place else f"{arm}/reward"


def _gain(found: Mapping[str, Mapping[int, Mapping[str, float]]], key: str) -> Interval | None:
    both = [seed for seed in found.get(TAUGHT, {}) if seed in found.get(UNTAUGHT, {})]
    ours, theirs = ([found[name][seed][key] for seed in both] for name in (TAUGHT, UNTAUGHT))
    return paired_bootstrap(ours, theirs) if both else None


def _handbooks(
    order: Order, seeds: Sequence[int]
) -> tuple[dict[str, dict[int, dict[str, float]]], Machine, list[dict[str, str]]]:
    """Small handbooks studied from the prior, and from slow weights that texts have taught."""
    from liveoak.lab.workbench import open_workbench

    made = trained(order)
    found: dict[str, dict[int, dict[str, float]]] = {}
    with open_workbench(order.settings, ()) as bench:
        slow = bench.load(made.weights)
        config: dict[str, Any] = {
            "prior": bench.fingerprint,
            "recipe": asdict(STUDIED),
            "outer": made.told,
            "liveoak": __version__,
        }
        parts = Parts(order.folder / "parts" / "transfer-handbooks", config)
        for seed in seeds:
            book = make_handbook(seed_of("held_out", seed), _FACTS)
            lesson = Lesson(id="unused", topic=f"Handbook of {book.firm}", source=book.text)
            pairs = [QA(question=fact.exam_question, answer=fact.answer) for fact in book.facts]

            ways: Mapping[str, Callable[[], Slot]] = {
                UNTAUGHT: partial(_taught, bench, lesson, None),
                TAUGHT: partial(_taught, bench, lesson, slow),
                UNREAD: lambda: slow,
            }
            for way, learn in ways.items():
                figures = parts.measured(
                    f"handbook {seed}, {way}",
                    lambda learn=learn, pairs=pairs: examined(bench, learn(), pairs),
                    tell=order.tell,
                )
                if figures is not None:
                    found.setdefault(way, {})[seed] = figures
        machine = describe_machine(device=bench.device, dtype=bench.dtype)
    return found, machine, parts.failed


def _taught(bench: Bench, lesson: Lesson, start: Slot | None) -> Slot:
    return bench.study(lesson, STUDIED, STEPS, start).slot
