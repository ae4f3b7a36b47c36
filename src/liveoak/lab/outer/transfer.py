"""The experiment `transfer`: what the outer loop learned in one place, tried in another.

A prior of random weights learns what to teach itself from a ledger whose exam asks about one kind, and is tried on
longer streams and on exams about another kind. The pretrained prior learns from texts with questions, and is tried on
texts of other titles, whose questions other people asked, and on the handbooks of invented firms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from liveoak import __version__
from liveoak.errors import UserError
from liveoak.lab.intervals import paired_bootstrap
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
from liveoak.lab.passages import all_passages, passages_file
from liveoak.lab.results import Figure, Results, figure_over, new_results
from liveoak.learning.outer.policies import AFTER, START
from liveoak.records import QA, Lesson
from liveoak.worlds import make_handbook, seed_of

if TYPE_CHECKING:
    from liveoak.adapters import Slot

LONGER, OTHER = "twice the pages", "another kind asked"
Asked = dict[str, dict[str, dict[str, float]]]
"""Figures by way and text."""
TITLES, HANDBOOKS = "other titles", "handbooks"
_FACTS = 8
_TITLES = 4
"""Texts of other titles a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A lesson with an exam."""

    name: str
    lesson: Lesson
    pairs: Sequence[QA]


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
    places = {TITLES: titles(seeds, quick=order.quick), HANDBOOKS: handbooks(seeds)}
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
    asked, machine, failed = _asked(order, places)
    for place, key in ((TITLES, "titles"), (HANDBOOKS, "handbooks")):
        metrics |= _gains(asked.get(place, {}), key)
        arms |= {f"{place}, {way}": _means(by_text) for way, by_text in asked.get(place, {}).items()}
    return new_results(
        "transfer",
        machine=machine,
        config={"prior": order.settings.prior, "seeds": list(seeds), "failed": [*done.failed, *failed]},
        metrics=metrics,
        arms=arms,
    )


def _named(arm: str, place: str) -> str:
    return f"{arm}, {place}/reward" if place else f"{arm}/reward"


def titles(seeds: Sequence[int], *, quick: bool) -> tuple[Text, ...]:
    """The first text of each of some titles that nothing was trained on: those of `seeds`, in the order of the titles'
    last texts.

    Raises:
        UserError: there are fewer titles.
    """
    by_title = {text.title: text for text in reversed(all_passages("dev"))}
    found = list(reversed(by_title.values()))
    each = 1 if quick else _TITLES
    wanted = [seed * each + own for seed in seeds for own in range(each)]
    if max(wanted) >= len(found):
        raise UserError(f"there are texts of {len(found)} titles, seed {max(seeds)} asks for more: ask for fewer seeds")
    return tuple(
        Text(
            name=f"title {place}",
            lesson=Lesson(id="unused", topic=found[place].title, source=found[place].text),
            pairs=found[place].questions,
        )
        for place in wanted
    )


def handbooks(seeds: Sequence[int]) -> tuple[Text, ...]:
    """Small handbooks, one a seed."""
    books = {seed: make_handbook(seed_of("held_out", seed), _FACTS) for seed in seeds}
    return tuple(
        Text(
            name=f"handbook {seed}",
            lesson=Lesson(id="unused", topic=f"Handbook of {book.firm}", source=book.text),
            pairs=tuple(QA(question=fact.exam_question, answer=fact.answer) for fact in book.facts),
        )
        for seed, book in books.items()
    )


def _gains(found: Asked, where: str) -> dict[str, Figure]:
    """What weights that texts have taught add, paired by text."""
    both = [text for text in found.get(TAUGHT, {}) if text in found.get(UNTAUGHT, {})]
    figures: dict[str, Figure] = {}
    for key, gain in (("recall", "gain"), ("f1", "f1_gain"), ("gold_logprob", "logprob_gain")):
        ours, theirs = ([found[way][text][key] for text in both] for way in (TAUGHT, UNTAUGHT))
        figures |= figure_of(f"{gain}_on_{where}", paired_bootstrap(ours, theirs) if both else None)
    return figures


def _means(by_text: Mapping[str, Mapping[str, float]]) -> dict[str, Figure]:
    keys = next(iter(by_text.values()))
    return {key: figure_over(key, [one[key] for one in by_text.values()]) for key in keys}


def _asked(
    order: Order, places: Mapping[str, Sequence[Text]]
) -> tuple[dict[str, Asked], Machine, list[dict[str, str]]]:
    """Figures by place: studied from the prior, and from slow weights that texts have taught."""
    from liveoak.lab.workbench import open_workbench

    made = trained(order)
    found: dict[str, Asked] = {}
    with open_workbench(order.settings, ()) as bench:
        slow = bench.load(made.weights)
        config: dict[str, Any] = {
            "prior": bench.fingerprint,
            "recipe": asdict(STUDIED),
            "outer": made.told,
            "liveoak": __version__,
        }
        parts = Parts(order.folder / "parts" / "transfer-texts", config)
        for place, texts in places.items():
            for text in texts:
                ways: Mapping[str, Callable[[], Slot]] = {
                    UNTAUGHT: partial(_taught, bench, text.lesson, None),
                    TAUGHT: partial(_taught, bench, text.lesson, slow),
                    UNREAD: lambda: slow,
                }
                for way, learn in ways.items():
                    figures = parts.measured(
                        f"{text.name}, {way}",
                        lambda learn=learn, text=text: examined(bench, learn(), text.pairs),
                        tell=order.tell,
                    )
                    if figures is not None:
                        found.setdefault(place, {}).setdefault(way, {})[text.name] = figures
        machine = describe_machine(device=bench.device, dtype=bench.dtype)
    return found, machine, parts.failed


def _taught(bench: Bench, lesson: Lesson, start: Slot | None) -> Slot:
    return bench.study(lesson, STUDIED, STEPS, start).slot
