"""The handbook experiment: does an agent that studied a text know it, and what does that cost?

Arms, on the same handbooks and exams: the frozen prior closed book, with the whole text in its context, and with what
a small context holds; the agent after studying the text by itself, at every effort and for several numbers of facts;
the agent after a person gave a question and answer for each fact as well; and each after a restart and its rollback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, Protocol

from liveoak import __version__
from liveoak.lab.exam import Examinee, Sheet, exam_prompt, fit, sit
from liveoak.lab.intervals import paired_bootstrap
from liveoak.lab.machine import Machine
from liveoak.lab.order import Order
from liveoak.lab.parts import Parts
from liveoak.lab.results import Figure, Results, figure, figure_over, new_results
from liveoak.learning.recipe import Recipe
from liveoak.records import QA, Effort, Lesson, Proof
from liveoak.worlds import Handbook, HandbookFact, make_handbook

Way = Literal["frozen", "in_context", "truncated_context", "learned", "taught"]


class Student(Examinee, Protocol):
    """An agent that can also study, be scored, be started again and be rolled back."""

    def root(self) -> str:
        """The version that is the prior itself."""
        ...

    def learn(self, lesson: Lesson) -> Proof:
        """Study into the slow weights. What the gate refuses is not served."""
        ...

    def restart(self) -> None:
        """Close it, and open it again on the same home."""
        ...

    def rollback(self, to: str) -> None:
        """Serve `to` again; nothing happens where it is served already."""
        ...

    def peak_memory_mib(self) -> float:
        """The most that its process has held so far."""
        ...

    def gold_logprob(self, facts: Sequence[HandbookFact], context: str, version: str | None) -> float:
        """Mean log-probability of the true answers' tokens after their exam questions."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to come to the exam."""

    way: Way
    facts: int
    effort: Effort

    @property
    def name(self) -> str:
        studied = f", {self.effort} effort" if self.way in ("learned", "taught") else ""
        return f"{self.way}, {self.facts} facts{studied}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run. `budget` is the small context, in tokens, reply included.

    `effort` is that of every arm but those of the curve over effort, and the demonstration's own. Sizes are such that
    five seeds take some 40 minutes on two cores.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    facts: int = 20
    budget: int = 512
    effort: Effort = "high"
    efforts: tuple[Effort, ...] = ("low", "medium", "high")
    sizes: tuple[int, ...] = (5, 10, 20, 30)

    def main(self, way: Way) -> Arm:
        """The arm of the headline figures."""
        return Arm(way=way, facts=self.facts, effort=self.effort)

    def arms(self) -> tuple[Arm, ...]:
        """Each arm once, the main ones first."""
        main = [self.main(way) for way in _WAYS]
        efforts = [Arm(way="learned", facts=self.facts, effort=effort) for effort in self.efforts]
        sizes = [Arm(way="learned", facts=size, effort=self.effort) for size in self.sizes]
        return tuple(dict.fromkeys([*main, *efforts, *sizes]))

    def curves(self) -> list[dict[str, Any]]:
        """What the report draws, in the form that `lab.plots.Curve` reads."""
        efforts = [(effort, Arm(way="learned", facts=self.facts, effort=effort)) for effort in self.efforts]
        sizes = [(size, Arm(way="learned", facts=size, effort=self.effort)) for size in self.sizes]
        return [
            _curve("Recall over effort", "effort of the lesson", efforts),
            _curve("Recall over the number of facts", "facts in the handbook", sizes),
        ]


_WAYS: tuple[Way, ...] = ("frozen", "in_context", "truncated_context", "learned", "taught")
_REPLY_ROOM = 24
_OF_A_STUDY = (
    *("recall_after_restart", "recall_after_rollback", "retention_nats", "kl_prior", "kept"),
    *("learn_seconds", "tokens_trained", "peak_memory_mib"),
)


def experiment(order: Order) -> Results:
    """The experiment on the real runtime, in a home of its own that is removed afterwards."""
    from liveoak.lab.student import open_student

    plan = Plan(seeds=tuple(range(order.first, order.first + order.count)))
    config = {
        "prior": order.settings.prior,
        "facts": plan.facts,
        "effort": plan.effort,
        "gate": order.settings.gate.model_dump(),
        "recipe": asdict(Recipe()),
    }
    with open_student(order.settings) as student:
        return run(
            plan,
            student,
            machine=student.machine(),
            parts=Parts(order.folder / "parts" / "handbook", {**config, "budget": plan.budget, "liveoak": __version__}),
            config=config,
            tell=order.tell,
        )


def run(
    plan: Plan,
    student: Student,
    *,
    machine: Machine,
    parts: Parts,
    config: Mapping[str, Any],
    tell: Callable[[str], None] = lambda line: None,
) -> Results:
    """Every arm on every seed. Finished parts are reused; a part that fails is recorded and the others go on."""
    done: dict[Arm, dict[int, dict[str, float]]] = {arm: {} for arm in plan.arms()}
    for seed in plan.seeds:
        for arm in plan.arms():
            measure = partial(sit_arm, student, arm, seed, plan.budget)
            figures = parts.measured(f"seed {seed}, {arm.name}", measure, tell=tell)
            if figures is not None:
                done[arm][seed] = figures
    arms = {arm.name: _over_seeds(by_seed.values()) for arm, by_seed in done.items() if by_seed}
    return new_results(
        "handbook",
        machine=machine,
        config={
            **config,
            "seeds": list(plan.seeds),
            "budget": plan.budget,
            "curves": plan.curves(),
            "failed": parts.failed,
        },
        metrics=_headline(plan, done),
        arms=arms,
    )


def sit_arm(student: Student, arm: Arm, seed: int, budget: int) -> dict[str, float]:
    """One arm's figures on one handbook. The agent is the prior again afterwards, whatever happened."""
    book = make_handbook(seed, arm.facts)
    if arm.way in ("learned", "taught"):
        return _studied(student, book, arm, f"seed {seed}, {arm.name}")
    context = ""
    if arm.way == "in_context":
        context = book.text
    elif arm.way == "truncated_context":
        context = fit_context(student, book, budget)
    sheet = sit(student, book.facts, context=context, version=student.root())
    return _marked(student, sheet, book, context)


def fit_context(examinee: Examinee, book: Handbook, budget: int, version: str | None = None) -> str:
    """As much of the text as leaves room for the longest question and its reply."""
    longest = max((fact.exam_question for fact in book.facts), key=len)

    def tokens(context: str) -> int:
        return examinee.answer([exam_prompt(longest, context)], version=version)[0].prompt_tokens + _REPLY_ROOM

    return fit(book.text, budget, tokens)


def lesson_of(book: Handbook, way: Way, effort: Effort, identifier: str) -> Lesson:
    """The text alone, or the text with one taught question for each fact."""
    taught = tuple(QA(question=fact.taught_question, answer=fact.answer) for fact in book.facts)
    return Lesson(
        id=identifier,
        topic=f"Handbook of {book.firm}",
        source=book.text,
        questions=taught if way == "taught" else (),
        effort=effort,
    )


def _studied(student: Student, book: Handbook, arm: Arm, identifier: str) -> dict[str, float]:
    root = student.root()
    student.rollback(root)
    try:
        proof = student.learn(lesson_of(book, arm.way, arm.effort, identifier))
        figures = _marked(student, sit(student, book.facts), book, "")
        student.restart()
        figures["recall_after_restart"] = sit(student, book.facts).recall
    finally:
        student.rollback(root)
    after = sit(student, book.facts)
    return figures | {
        "recall_after_rollback": after.recall,
        "retention_nats": proof.retention_nats,
        "kl_prior": proof.kl_prior,
        "learn_seconds": proof.seconds,
        "tokens_trained": float(proof.tokens_trained),
        "tokens_processed": float(proof.tokens_processed),
        "kept": float(proof.verdict.kept),
        "peak_memory_mib": student.peak_memory_mib(),
    }


def _marked(student: Student, sheet: Sheet, book: Handbook, context: str) -> dict[str, float]:
    return {
        "recall": sheet.recall,
        "f1": sheet.f1,
        "gold_logprob": student.gold_logprob(book.facts, context, sheet.version),
        "prompt_tokens": sheet.prompt_tokens,
        "exam_seconds": sheet.seconds,
    }


def _over_seeds(parts: Iterable[Mapping[str, float]]) -> dict[str, Figure]:
    found = list(parts)
    return {key: figure_over(key, [part[key] for part in found]) for key in found[0]}


def _headline(plan: Plan, done: Mapping[Arm, Mapping[int, Mapping[str, float]]]) -> dict[str, Figure]:
    main = {way: done[plan.main(way)] for way in _WAYS}
    figures = {
        f"recall_{way}": figure_over(f"recall_{way}", [part["recall"] for part in by_seed.values()])
        for way, by_seed in main.items()
        if by_seed
    }
    learned, frozen, reading = main["learned"], main["frozen"], main["in_context"]
    for key in _OF_A_STUDY:
        if learned:
            figures[key] = figure_over(key, [part[key] for part in learned.values()])
    both = [seed for seed in learned if seed in frozen]
    if both:
        gain = paired_bootstrap([learned[s]["recall"] for s in both], [frozen[s]["recall"] for s in both])
        figures["gain"] = figure("gain", gain.mean, n=gain.n, ci95=gain.bounds)
    shares = [
        (learned[s]["gold_logprob"] - frozen[s]["gold_logprob"])
        / (reading[s]["gold_logprob"] - frozen[s]["gold_logprob"])
        for s in both
        if s in reading and reading[s]["gold_logprob"] > frozen[s]["gold_logprob"]
    ]
    if shares:
        figures["internalisation"] = figure_over("internalisation", shares)
    return figures


def _curve(title: str, across: str, points: Sequence[tuple[float | str, Arm]]) -> dict[str, Any]:
    drawn = [{"at": at, "arm": arm.name} for at, arm in points]
    return {"title": title, "across": across, "key": "recall", "points": drawn}
