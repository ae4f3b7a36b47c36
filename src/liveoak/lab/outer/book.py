"""The experiment `book`: one article many windows long, read once in windows, and asked about from beginning to end.

The article is the one with the most passages in the selection that nothing was chosen on. What is asked after the last
window is about all of them; arms that keep text in sight have the room of one window for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from liveoak import __version__
from liveoak.errors import UserError
from liveoak.lab.intervals import paired_bootstrap
from liveoak.lab.lives.tables import figure_of
from liveoak.lab.machine import describe_machine
from liveoak.lab.order import Order
from liveoak.lab.outer import sights
from liveoak.lab.outer.bench import COMPARED, Bench, costs, examined, nothing
from liveoak.lab.outer.passages import AFTER, BEFORE, CLOSED, READ
from liveoak.lab.outer.sights import RETRIEVED, TRUNCATED
from liveoak.lab.outer.slow import STUDIED, trained
from liveoak.lab.parts import Parts
from liveoak.lab.passages import Passage, all_passages, general_paragraphs
from liveoak.lab.recipes import PARAGRAPHS, plain_reading
from liveoak.lab.results import Figure, Results, figure_over, new_results
from liveoak.learning.recipe import Recipe
from liveoak.learning.windows import windows
from liveoak.records import Effort, Lesson

if TYPE_CHECKING:
    from liveoak.adapters import Slot

WINDOW = 160
"""Tokens that are read at once, and that an arm with text in sight may keep."""
EFFORT: Effort = "high"
"""Of the lesson: what a book says in passing is learned at no other."""


def experiment(order: Order) -> Results:
    """Every arm on an article of `count` passages."""
    passages = article(all_passages("dev"), 2 if order.quick else order.count)
    general = general_paragraphs(PARAGRAPHS)
    from liveoak.lab.workbench import open_workbench

    made = trained(order)
    with open_workbench(order.settings, general) as bench:
        config = {
            "prior": order.settings.prior,
            "fingerprint": bench.fingerprint,
            "recipe": asdict(STUDIED),
            "outer": made.told,
            "window": WINDOW,
            "article": passages[0].title,
            "passages": len(passages),
            "questions": sum(len(passage.questions) for passage in passages),
            "liveoak": __version__,
        }
        text = "\n\n".join(passage.text for passage in passages)
        parts = Parts(order.folder / "parts" / "book", config)
        found = run(passages, text, bench, bench.load(made.weights), parts=parts, tell=order.tell)
        counted = len(list(windows(text, bench.tokens, WINDOW)))
        machine = describe_machine(device=bench.device, dtype=bench.dtype)
    return new_results(
        "book",
        machine=machine,
        config={**config, "windows": counted, "failed": parts.failed},
        metrics=_headline(found, len(passages)),
        arms={name: _arm(figures, len(passages)) for name, figures in found.items()},
    )


def article(passages: Sequence[Passage], count: int) -> tuple[Passage, ...]:
    """The first `count` passages of the title that has most.

    Raises:
        UserError: no title has so many.
    """
    if not passages:
        raise UserError("the selection has no passages with questions: give it some")
    title, most = Counter(passage.title for passage in passages).most_common(1)[0]
    if most < count:
        raise UserError(f"the longest article, {title!r}, has {most} passages, {count} were asked for: ask for fewer")
    return tuple(passage for passage in passages if passage.title == title)[:count]


def run(
    passages: Sequence[Passage],
    text: str,
    bench: Bench,
    slow: Slot,
    *,
    parts: Parts,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, dict[str, float]]:
    """Figures of each arm, passage by passage. Finished arms are reused; one that fails is recorded."""
    lesson = Lesson(id="article", topic=passages[0].title, source=text, effort=EFFORT)

    def asked(slot: Slot | None, context: Callable[[str], str] = nothing) -> dict[str, float]:
        found = [examined(bench, slot, passage.questions, context) for passage in passages]
        return {f"{key}/{place}": value for place, one in enumerate(found) for key, value in one.items()}

    def studied(recipe: Recipe, start: Slot | None) -> dict[str, float]:
        done = bench.read(lesson, recipe, WINDOW, start)
        return asked(done.slot) | costs(bench, done)

    seen = sights.in_sight(bench, text, list(windows(text, bench.tokens, WINDOW)), WINDOW)
    arms: Mapping[str, Callable[[], dict[str, float]]] = {
        CLOSED: lambda: asked(None),
        **{name: lambda make=make: asked(None, make()) for name, make in seen.items()},
        BEFORE: lambda: studied(STUDIED, None),
        READ: lambda: studied(plain_reading(STUDIED), None),
        AFTER: lambda: studied(STUDIED, slow),
    }
    found = {name: parts.measured(name, measure, tell=tell) for name, measure in arms.items()}
    return {name: figures for name, figures in found.items() if figures is not None}


def _by_passage(figures: Mapping[str, float], key: str, count: int) -> list[float]:
    return [figures[f"{key}/{place}"] for place in range(count)]


def _headline(found: Mapping[str, Mapping[str, float]], count: int) -> dict[str, Figure]:
    """What learning brings over each of the others, paired by passage. Better of ours: after the outer loop."""
    figures: dict[str, Figure] = {}
    ours = found.get(AFTER)
    for name, against in (
        (TRUNCATED, "over_truncated"),
        (READ, "over_raw_text"),
        (RETRIEVED, "over_retrieval"),
        (BEFORE, "after_over_before"),
    ):
        if ours is not None and name in found:
            for key, told in COMPARED:
                pair = (_by_passage(ours, key, count), _by_passage(found[name], key, count))
                figures |= figure_of(f"{told}_{against}", paired_bootstrap(*pair))
    return figures


def _arm(figures: Mapping[str, float], count: int) -> dict[str, Figure]:
    asked = [name.removesuffix("/0") for name in figures if name.endswith("/0")]
    told = {key: figure_over(key, _by_passage(figures, key, count)) for key in asked}
    spent = ("learn_seconds", "steps", "tokens_processed", "retention_nats")
    return told | {key: figure_over(key, [figures[key]]) for key in spent if key in figures}
