"""The experiment `sequence`: passages one after another into one agent. What is left of the first after the last?

Arms: the agent as it is served, whose lessons repeat some of the earlier ones under the gate; and the raw text of each
passage as next tokens, each on top of the last, which is how weights are usually merged as one goes (Zweiger et al.
2025 call it continual self-edits). Both are asked about a passage right after it was learned, and about all after the
last; the frozen agent is asked the same, and with the passage in sight, which is what reading it would have brought.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from liveoak import __version__
from liveoak.lab.exam import Examinee, sit
from liveoak.lab.intervals import Interval, bootstrap_ratio, paired_bootstrap
from liveoak.lab.lives.tables import figure_of
from liveoak.lab.machine import Machine
from liveoak.lab.order import Order
from liveoak.lab.parts import Parts
from liveoak.lab.passages import Passage, squad_passages
from liveoak.lab.recipes import plain_reading
from liveoak.lab.results import Figure, Results, figure, figure_over, new_results
from liveoak.learning.recipe import Recipe
from liveoak.records import Effort, Lesson, Proof
from liveoak.worlds import HandbookFact

OURS, BASELINE = "as served", "raw text, merged as one goes"
EFFORT: Effort = "high"
"""Of every lesson: what is to be kept must have been learned, and medium effort teaches passages next to nothing."""


WHEN = ("frozen", "open", "fresh", "last")
"""Before anything was learned, with the passage in sight, right after it was learned, and after the last."""


class Pupil(Examinee, Protocol):
    """An agent that studies and can be scored."""

    def root(self) -> str: ...

    def learn(self, lesson: Lesson) -> Proof: ...

    def gold_logprob(self, facts: Sequence[HandbookFact], context: str, version: str | None) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One passage, asked about once."""

    recall: float
    gold: float


def recipes() -> Mapping[str, Recipe]:
    """How each arm studies."""
    plain = Recipe()
    return {OURS: plain, BASELINE: replace(plain_reading(plain), anchors=0, past=dict.fromkeys(plain.past, 0.0))}


def experiment(order: Order) -> Results:
    """Both arms over `count` passages from the place `first` on."""
    from liveoak.lab.student import open_student

    passages = squad_passages(order.count, first=order.first)
    settings = order.settings
    config = {
        "prior": settings.prior,
        "recipes": {name: asdict(recipe) for name, recipe in recipes().items()},
        "passages": [passage.title for passage in passages],
        "first": order.first,
        "effort": EFFORT,
        "asked": WHEN,
    }
    parts = Parts(order.folder / "parts" / "sequence", {**config, "liveoak": __version__})
    machine: list[Machine] = []

    def lived(arm: str) -> dict[str, float]:
        gate = settings.gate if arm == OURS else settings.gate.model_copy(update={"enabled": False})
        with open_student(settings.model_copy(update={"gate": gate}), recipes()[arm]) as student:
            machine.append(student.machine())
            return live(student, passages, tell=lambda line: order.tell(f"{arm}: {line}"))

    found = {arm: parts.measured(arm, lambda arm=arm: lived(arm), tell=order.tell) for arm in recipes()}
    return results(
        {arm: figures for arm, figures in found.items() if figures is not None},
        len(passages),
        machine=machine[0] if machine else None,
        config={**config, "failed": parts.failed},
    )


def live(
    pupil: Pupil, passages: Sequence[Passage], tell: Callable[[str], None] = lambda line: None
) -> dict[str, float]:
    """Figures of one arm: of each passage frozen, right after it was learned, and after the last."""
    facts = [_facts(passage) for passage in passages]
    figures: dict[str, float] = {}
    for place, (own, passage) in enumerate(zip(facts, passages, strict=True)):
        figures |= _figures("frozen", place, _asked(pupil, own, pupil.root()))
        figures |= _figures("open", place, _asked(pupil, own, pupil.root(), passage.text))
    kept = seconds = 0.0
    for place, passage in enumerate(passages):
        tell(f"passage {place + 1} of {len(passages)}, {passage.title}")
        proof = pupil.learn(Lesson(id=f"passage-{place}", topic=passage.title, source=passage.text, effort=EFFORT))
        kept += proof.verdict.kept
        seconds += proof.seconds
        figures |= _figures("fresh", place, _asked(pupil, facts[place], None))
        figures["retention_nats"] = proof.retention_nats
    for place, own in enumerate(facts):
        figures |= _figures("last", place, _asked(pupil, own, None))
    return figures | {"kept": kept / len(passages), "learn_seconds": seconds / len(passages)}


def results(
    found: Mapping[str, Mapping[str, float]],
    count: int,
    *,
    machine: Machine | None,
    config: Mapping[str, object],
) -> Results:
    """The results file of what the arms came to."""
    from liveoak.lab.machine import describe_machine

    arms = {arm: _arm(figures, count) for arm, figures in found.items()}
    ours = arms.get(OURS, {})
    headline = ("kept_share_after_last", "gain_over_frozen_after_last", "kept_logprob_after_last", "retention_nats")
    return new_results(
        "sequence",
        machine=machine or describe_machine(device="cpu", dtype="float32"),
        config=dict(config),
        metrics={key: ours[key] for key in headline if key in ours},
        arms=arms,
    )


def _arm(figures: Mapping[str, float], count: int) -> dict[str, Figure]:
    def of(when: str, key: str) -> list[float]:
        return [figures[f"{when}/{key}/{place}"] for place in range(count)]

    recalls = {when: of(when, "recall") for when in WHEN}
    golds = {when: of(when, "gold") for when in WHEN}
    found: dict[str, Figure] = {}
    for when in WHEN:
        found[f"recall_{when}"] = figure_over(f"recall_{when}", recalls[when])
        found[f"gold_logprob_{when}"] = figure_over(f"gold_logprob_{when}", golds[when])
    found |= figure_of("kept_share_after_last", bootstrap_ratio(recalls["last"], recalls["fresh"]))
    found |= figure_of("gain_over_frozen_after_last", paired_bootstrap(recalls["last"], recalls["frozen"]))
    found |= figure_of("kept_logprob_after_last", _kept(golds))
    for key in ("retention_nats", "kept", "learn_seconds"):
        found[key] = figure(key, figures[key], n=count)
    return found


def _kept(golds: Mapping[str, Sequence[float]]) -> Interval | None:
    """Of the log-probability that learning a passage had added, the share that is left."""
    pairs = list(zip(*(golds[when] for when in ("frozen", "fresh", "last")), strict=True))
    return bootstrap_ratio([last - frozen for frozen, _, last in pairs], [fresh - frozen for frozen, fresh, _ in pairs])


def _facts(passage: Passage) -> tuple[HandbookFact, ...]:
    return tuple(
        HandbookFact(
            topic=passage.title, sentence="", answer=pair.answer, exam_question=pair.question, taught_question=""
        )
        for pair in passage.questions
    )


def _asked(pupil: Pupil, facts: Sequence[HandbookFact], version: str | None, context: str = "") -> Asked:
    recall = sit(pupil, facts, context=context, version=version).recall
    return Asked(recall=recall, gold=pupil.gold_logprob(facts, context, version))


def _figures(when: str, place: int, asked: Asked) -> dict[str, float]:
    if not math.isfinite(asked.gold):
        raise ValueError(f"passage {place}: the true answers' log-probability is {asked.gold!r}")
    return {f"{when}/recall/{place}": asked.recall, f"{when}/gold/{place}": asked.gold}
