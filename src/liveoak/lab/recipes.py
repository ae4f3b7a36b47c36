"""The recipe experiment: which way of studying a passage puts most of it into the weights, at what price?

Each passage is one lesson into a fresh slot, by each recipe, with the same number of optimizer steps. Afterwards the
candidate is asked the passage's questions with an empty context, and, as a control, those of another passage.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from liveoak import __version__
from liveoak.lab.exam import exam_prompt
from liveoak.lab.intervals import bootstrap_ratio, paired_bootstrap
from liveoak.lab.machine import Machine, describe_machine
from liveoak.lab.order import Order
from liveoak.lab.parts import Parts
from liveoak.lab.passages import Passage, general_paragraphs, squad_passages
from liveoak.lab.results import Figure, Results, figure, figure_over, new_results
from liveoak.learning.recipe import Recipe
from liveoak.records import Lesson
from liveoak.worlds import answered, f1

if TYPE_CHECKING:
    from liveoak.lab.workbench import Studied

CLOSED, OPEN, DEFAULT, BASELINE = "frozen, closed book", "frozen, open book", "as shipped", "read"
PARAGRAPHS = 10
"""Paragraphs of general text on which retention is measured."""
_READ_RATE = 1e-3
"""Plain next-token training diverges at the rate that suits short answers; it gets the one that suited it in trials."""
_PAIRED = (("recall", "recall_over_read"), ("f1", "f1_over_read"), ("gold_logprob", "logprob_over_read"))


class Bench(Protocol):
    """Where passages are studied and asked about. `slot` is whatever `study` gave; None is the frozen prior."""

    def study(self, lesson: Lesson, recipe: Recipe, steps: int | None = None) -> Studied: ...
    def answers(self, slot: Any, prompts: Sequence[str]) -> list[str]: ...
    def gold_logprob(self, slot: Any, prompts: Sequence[str], answers: Sequence[str]) -> float: ...
    def retention(self, slot: Any) -> float: ...
    def kl_prior(self, slot: Any) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One passage in one arm, and the passage whose questions are the control."""

    passage: Passage
    other: Passage


def plain_reading(recipe: Recipe) -> Recipe:
    """Next-token loss on the text alone, by plain steps and under an adapter of every token as is usual, otherwise as
    `recipe` has it."""
    usual = replace(recipe, activated=False, depth=1, turned=False)
    return replace(usual, method="read", pieces=0, rate=min(recipe.rate, _READ_RATE))


def recipes(default: Recipe | None = None) -> dict[str, Recipe]:
    """The recipes that are compared. The first is the default one, whose number of steps all take."""
    chosen = default or Recipe()
    reading = replace(chosen, reading=dict.fromkeys(chosen.reading, 1.0))
    return {
        DEFAULT: chosen,
        "ask": replace(chosen, pieces=0),
        "ask and read": reading,
        "distil and read": replace(reading, distilled=1.0),
        BASELINE: plain_reading(chosen),
        "plain steps": replace(chosen, turned=False),
        "ask and read, no anchors": replace(reading, anchors=0),
    }


def experiment(order: Order) -> Results:
    """The experiment on the real learner."""
    passages = squad_passages(order.count, first=order.first)
    general = general_paragraphs(PARAGRAPHS)
    # Not before the data is known to be there: loading a model only to miss a file wastes a minute.
    from liveoak.lab.workbench import open_workbench

    settings = order.settings
    with open_workbench(settings, general) as bench:
        config = {
            "prior": settings.prior,
            "fingerprint": bench.fingerprint,
            "recipes": {name: asdict(recipe) for name, recipe in recipes().items()},
            "general": hashlib.sha256("\n".join(general).encode()).hexdigest(),
            "liveoak": __version__,
        }
        return run(
            passages,
            bench,
            machine=describe_machine(device=bench.device, dtype=bench.dtype),
            parts=Parts(order.folder / "parts" / "recipes", config),
            config=config,
            tell=order.tell,
        )


def run(
    passages: Sequence[Passage],
    bench: Bench,
    *,
    machine: Machine,
    parts: Parts,
    config: Mapping[str, Any],
    tell: Callable[[str], None] = lambda line: None,
) -> Results:
    """Every arm on every passage. Finished parts are reused; a part that fails is recorded and the others go on."""
    names = (CLOSED, OPEN, *recipes())
    done: dict[str, dict[int, dict[str, float]]] = {name: {} for name in names}
    for place, passage in enumerate(passages):
        setting = Setting(passage=passage, other=passages[(place + 1) % len(passages)])
        for name in names:
            figures = parts.measured(
                f"passage {place}, {name}",
                partial(sit_arm, bench, name, setting, _steps(done, place)),
                key=f"{_digest(setting)}, {name}",
                tell=tell,
            )
            if figures is not None:
                done[name][place] = figures
    arms = {name: _arm(name, done) for name in names if done[name]}
    return new_results(
        "recipes",
        machine=machine,
        config={
            **config,
            "passages": [passage.title for passage in passages],
            "questions": sum(len(passage.questions) for passage in passages),
            "failed": parts.failed,
        },
        metrics={key: arms[DEFAULT][key] for key in _HEADLINE if key in arms.get(DEFAULT, {})},
        arms=arms,
    )


def sit_arm(bench: Bench, name: str, setting: Setting, steps: int | None) -> dict[str, float]:
    """One arm's figures on one passage."""
    passage = setting.passage
    if name in (CLOSED, OPEN):
        return _asked(bench, None, setting, passage.text if name == OPEN else "")
    lesson = Lesson(id="unused", topic=passage.title, source=passage.text)
    studied = bench.study(lesson, recipes()[name], None if name == DEFAULT else steps)
    return _asked(bench, studied.slot, setting, "") | {
        "retention_nats": bench.retention(studied.slot),
        "kl_prior": bench.kl_prior(studied.slot),
        "learn_seconds": studied.seconds,
        "steps": float(studied.steps),
        "tokens_trained": float(studied.tokens_trained),
        "tokens_processed": float(studied.tokens_processed),
    }


def _asked(bench: Bench, slot: Any, setting: Setting, context: str) -> dict[str, float]:
    """The passage's own questions and the control's, asked side by side."""
    own, control = setting.passage.questions, setting.other.questions
    pairs = (*own, *control)
    prompts = [exam_prompt(pair.question, context) for pair in pairs]
    truths = [pair.answer for pair in pairs]
    replies = bench.answers(slot, prompts)
    right = [answered(reply, truth) for reply, truth in zip(replies, truths, strict=True)]
    overlap = [f1(reply, truth) for reply, truth in zip(replies, truths, strict=True)]
    count = len(own)
    return {
        "recall": sum(right[:count]) / count,
        "f1": math.fsum(overlap[:count]) / count,
        "gold_logprob": bench.gold_logprob(slot, prompts[:count], truths[:count]),
        "control_recall": sum(right[count:]) / len(control),
        "control_logprob": bench.gold_logprob(slot, prompts[count:], truths[count:]),
    }


def _steps(done: Mapping[str, Mapping[int, Mapping[str, float]]], place: int) -> int | None:
    """What the default recipe took on this passage; its own count where that failed."""
    figures = done[DEFAULT].get(place)
    return None if figures is None else int(figures["steps"])


_HEADLINE = (
    *("recall", "f1", "gold_logprob", "control_recall", "control_logprob", "internalisation", "internalisation_recall"),
    *("recall_over_read", "f1_over_read", "logprob_over_read", "retention_over_read", "retention_nats", "kl_prior"),
    *("learn_seconds", "steps", "tokens_processed"),
)


def _arm(name: str, done: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, Figure]:
    """Means over passages, shares of what reading gives, and differences to the baseline, paired by passage."""
    ours = done[name]
    figures = {key: figure_over(key, [one[key] for one in ours.values()]) for key in next(iter(ours.values()))}
    for key, share in (("gold_logprob", "internalisation"), ("recall", "internalisation_recall")):
        figures |= _internalised(key, share, ours, done[CLOSED], done[OPEN])
    baseline = done[BASELINE]
    both = [place for place in ours if place in baseline]
    if name not in (BASELINE, CLOSED, OPEN) and both:
        for key, difference in (*_PAIRED, ("retention_nats", "retention_over_read")):
            gap = paired_bootstrap([ours[p][key] for p in both], [baseline[p][key] for p in both])
            figures[difference] = figure(difference, gap.mean, n=gap.n, ci95=gap.bounds)
    return figures


def _internalised(
    key: str,
    share: str,
    ours: Mapping[int, Mapping[str, float]],
    closed: Mapping[int, Mapping[str, float]],
    opened: Mapping[int, Mapping[str, float]],
) -> dict[str, Figure]:
    """(after - closed) / (open - closed) of the means; nothing where the open book does not help."""
    places = [place for place in ours if place in closed and place in opened]
    gained = [ours[p][key] - closed[p][key] for p in places]
    offered = [opened[p][key] - closed[p][key] for p in places]
    ratio = bootstrap_ratio(gained, offered)
    if ratio is None:
        return {}
    return {share: figure(share, ratio.mean, n=ratio.n, ci95=ratio.bounds)}


def _digest(setting: Setting) -> str:
    """A part is reused for the same passage and control alone, wherever they stand in the file."""
    return hashlib.sha256(json.dumps(asdict(setting), sort_keys=True).encode()).hexdigest()[:12]
