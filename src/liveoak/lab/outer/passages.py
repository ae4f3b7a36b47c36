"""The experiment `passages`: one passage a life, asked about with an empty context. What does teaching oneself bring,
and what does the outer loop add?

Slow weights are trained on the training selection alone; every figure is of passages of the other selection, which
neither the outer loop nor whoever chose its settings has seen. All arms that write weights take the same number of
optimizer steps on a passage, but for two: a lesson as users give it, with as many as it asks for at effort high, and
the same from the slow weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from liveoak import __version__
from liveoak.lab.intervals import bootstrap_ratio, paired_bootstrap
from liveoak.lab.lives.tables import figure_of
from liveoak.lab.machine import describe_machine
from liveoak.lab.order import Order
from liveoak.lab.outer import sights
from liveoak.lab.outer.bench import COMPARED, Bench, costs, examined, nothing
from liveoak.lab.outer.slow import STEPS, STUDIED, trained
from liveoak.lab.parts import Parts
from liveoak.lab.passages import Passage, edited_passages, general_paragraphs, squad_passages
from liveoak.lab.recipes import PARAGRAPHS, plain_reading
from liveoak.lab.results import Figure, Results, figure_over, new_results
from liveoak.learning.recipe import Recipe
from liveoak.records import Lesson, Sampling

if TYPE_CHECKING:
    from liveoak.adapters import Slot

CLOSED, OPEN = "frozen, closed book", "frozen, open book"
READ, IMPLIED, PICKED = "raw text", "own implications", "own implications, best of three by the exam"
LARGER = "lessons of a larger model"
SHIPPED, AFTER_HIGH = "a lesson at effort high", "after the outer loop, a lesson at effort high"
BEFORE, AFTER, UNREAD = "before the outer loop", "after the outer loop", "after, nothing learned"
BUDGET = 64
"""Tokens of context that arms with something before the question have: less than half of a passage."""
EDITED = 6
"""Passages that a larger model wrote lessons about; there are none of the selection that is reported."""
_DRAFTS = 3
_IMPLIED = "List what follows from this text, one short sentence a line."


def experiment(order: Order) -> Results:
    """Every arm on `count` passages from the place `first` on."""
    count = 1 if order.quick else order.count
    passages = squad_passages(count, name="dev", first=order.first)
    general = general_paragraphs(PARAGRAPHS)
    edited = dict(edited_passages()[: 1 if order.quick else EDITED])
    from liveoak.lab.workbench import open_workbench

    made = trained(order)
    with open_workbench(order.settings, general) as bench:
        config = {
            "prior": order.settings.prior,
            "fingerprint": bench.fingerprint,
            "recipe": asdict(STUDIED),
            "outer": made.told,
            "budget": BUDGET,
            "liveoak": __version__,
        }
        parts = Parts(order.folder / "parts" / "passages", config)
        slow = bench.load(made.weights)
        found = run(passages, bench, slow, parts=parts, tell=order.tell)
        beside = run(list(edited), bench, slow, edited=edited, parts=parts, tell=order.tell)
        changed = bench.retention(slow)
        machine = describe_machine(device=bench.device, dtype=bench.dtype)
    return new_results(
        "passages",
        machine=machine,
        config={
            **config,
            "passages": [passage.title for passage in passages],
            "questions": sum(len(passage.questions) for passage in passages),
            "outer_rounds": list(made.rounds),
            "outer_seconds": made.seconds,
            "slow_retention_nats": changed,
            "failed": parts.failed,
        },
        metrics=headline(found),
        arms={name: arm(name, found) for name in found}
        | {f"{name} ({len(edited)} other passages)": arm(name, beside) for name in beside},
    )


def run(
    passages: Sequence[Passage],
    bench: Bench,
    slow: Slot,
    *,
    edited: Mapping[Passage, Sequence[str]] = MappingProxyType({}),
    parts: Parts,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, dict[int, dict[str, float]]]:
    """Figures by arm and passage; of passages that a larger model `edited`, those of arms that learn alone.

    Finished parts are reused; a part that fails is recorded and the others go on.
    """
    found: dict[str, dict[int, dict[str, float]]] = {}
    for place, passage in enumerate(passages):
        sitting = Sitting(bench, passage, slow, edited.get(passage, ()))
        digest = hashlib.sha256(json.dumps(asdict(passage), sort_keys=True).encode()).hexdigest()[:12]
        for name, measure in sitting.arms().items():
            figures = parts.measured(f"passage {place}, {name}", measure, key=f"{digest}, {name}", tell=tell)
            if figures is not None:
                found.setdefault(name, {})[place] = figures
    return found


class Sitting:
    """One passage, and the ways to come to its exam."""

    def __init__(self, bench: Bench, passage: Passage, slow: Slot, edited: Sequence[str] = ()) -> None:
        self._bench, self._passage, self._slow, self._edited = bench, passage, slow, edited

    def arms(self) -> Mapping[str, Callable[[], dict[str, float]]]:
        """Each arm's name and what measures it."""
        passage = self._passage
        read = plain_reading(STUDIED)
        source = Lesson(id="unused", topic=passage.title, source=passage.text)
        high = replace(source, effort="high")
        bare = {
            CLOSED: lambda: self._asked(None),
            OPEN: lambda: self._asked(None, lambda question: passage.text),
        }
        ours = {
            BEFORE: lambda: self._studied(source, STUDIED, None),
            AFTER: lambda: self._studied(source, STUDIED, self._slow),
            SHIPPED: lambda: self._studied(high, STUDIED, None, steps=None),
            AFTER_HIGH: lambda: self._studied(high, STUDIED, self._slow, steps=None),
        }
        if self._edited:
            larger = replace(source, statements=tuple(self._edited))
            return bare | ours | {LARGER: lambda: self._studied(larger, read, None)}
        seen = sights.in_sight(self._bench, passage.text, [passage.text], BUDGET)
        kept = {name: partial(self._seeing, make) for name, make in seen.items()}
        return {
            **bare,
            **kept,
            **ours,
            UNREAD: lambda: self._asked(self._slow),
            READ: lambda: self._studied(source, read, None),
            IMPLIED: lambda: self._studied(self._implications(0), read, None),
            PICKED: lambda: self._picked(read),
        }

    def _asked(self, slot: Slot | None, context: Callable[[str], str] = nothing) -> dict[str, float]:
        return examined(self._bench, slot, self._passage.questions, context)

    def _seeing(self, make: Callable[[], sights.Sight]) -> dict[str, float]:
        return self._asked(None, make())

    def _studied(
        self, lesson: Lesson, recipe: Recipe, slow: Slot | None, steps: int | None = STEPS
    ) -> dict[str, float]:
        done = self._bench.study(lesson, recipe, steps, slow)
        return self._asked(done.slot) | costs(self._bench, done)

    def _implications(self, draft: int) -> Lesson:
        """The passage and what the prior says follows from it."""
        sampling = Sampling(temperature=0.8, max_tokens=160, seed=draft)
        said = self._bench.replies(None, [f"{self._passage.text}\n\n{_IMPLIED}"], sampling)[0]
        lines = tuple(line.strip(" -*\t") for line in said.splitlines() if line.strip(" -*\t"))
        return Lesson(id="unused", topic=self._passage.title, source=self._passage.text, statements=lines)

    def _picked(self, read: Recipe) -> dict[str, float]:
        drafts = [self._studied(self._implications(draft), read, None) for draft in range(_DRAFTS)]
        best = max(drafts, key=lambda one: (one["recall"], one["gold_logprob"]))
        return best | {key: sum(one[key] for one in drafts) for key in ("learn_seconds", "tokens_processed")}


def headline(found: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, Figure]:
    """What the outer loop adds, and how far learning comes towards reading."""
    figures: dict[str, Figure] = {}
    for after, before, when in ((AFTER, BEFORE, ""), (AFTER_HIGH, SHIPPED, "high_")):
        for key, told in COMPARED:
            both = _both(found, after, before)
            if both:
                ours, theirs = ([found[name][place][key] for place in both] for name in (after, before))
                figures |= figure_of(f"{told}_{when}after_over_before", paired_bootstrap(ours, theirs))
    shares = {
        BEFORE: "before_over_open",
        AFTER: "after_over_open",
        SHIPPED: "high_over_open",
        AFTER_HIGH: "high_after_over_open",
    }
    for name, share in shares.items():
        both = _both(found, name, OPEN)
        for key in ("recall", "f1"):
            ours, theirs = ([found[one][place][key] for place in both] for one in (name, OPEN))
            figures |= figure_of(f"{key}_{share}", bootstrap_ratio(ours, theirs))
    return figures


def arm(name: str, found: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, Figure]:
    """Means over passages, and how much of what reading gives is there with the book closed."""
    ours = found[name]
    figures = {key: figure_over(key, [one[key] for one in ours.values()]) for key in next(iter(ours.values()))}
    for key, share in (
        ("gold_logprob", "internalisation"),
        ("recall", "internalisation_recall"),
        ("f1", "internalisation_f1"),
    ):
        places = [place for place in _both(found, CLOSED, OPEN) if place in ours]
        gained = [ours[place][key] - found[CLOSED][place][key] for place in places]
        offered = [found[OPEN][place][key] - found[CLOSED][place][key] for place in places]
        figures |= figure_of(share, bootstrap_ratio(gained, offered))
    return figures


def _both(found: Mapping[str, Mapping[int, Any]], one: str, other: str) -> list[int]:
    return [place for place in found.get(one, {}) if place in found.get(other, {})]
