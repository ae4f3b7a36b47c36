"""The experiment on a student whose knowledge is known: figures, resumption and failures."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from liveoak.config import Settings
from liveoak.errors import LearningError
from liveoak.lab.exam import ExamReply
from liveoak.lab.handbook import Arm, Plan, run
from liveoak.lab.machine import describe_machine
from liveoak.lab.parts import Parts
from liveoak.lab.plots import curves_of
from liveoak.lab.report import render, write_report
from liveoak.lab.results import Results
from liveoak.lab.student import RuntimeStudent
from liveoak.records import Lesson, Proof, Verdict
from liveoak.worlds import HandbookFact, make_handbook

PLAN = Plan(seeds=(0, 1, 2), facts=4, effort="medium", sizes=(2, 4, 6), budget=300)
MACHINE = describe_machine()


@dataclass
class Pupil:
    """Reads what stands in its prompt; studies a share of a text's facts by effort, all of the taught ones."""

    served: str = "root"
    knows: dict[str, set[str]] = field(default_factory=lambda: {"root": set[str]()})
    fails_on: str = "none"
    restarts: int = 0
    lessons: list[str] = field(default_factory=list[str])
    facts: list[HandbookFact] = field(
        default_factory=lambda: [
            fact for seed in range(3) for size in (2, 4, 6) for fact in make_handbook(seed, size).facts
        ]
    )

    def root(self) -> str:
        return "root"

    def answer(self, prompts: Sequence[str], *, version: str | None = None) -> Sequence[ExamReply]:
        by = version or self.served
        replies: list[ExamReply] = []
        for prompt in prompts:
            # Handbooks of other sizes may ask the same and answer otherwise.
            asked = [fact for fact in self.facts if fact.exam_question in prompt]
            known = [fact for fact in asked if fact.answer in self.knows[by] or fact.sentence in prompt]
            text = known[0].answer if known else "no idea"
            replies.append(ExamReply(text=text, version=by, prompt_tokens=len(prompt.split())))
        return replies

    def learn(self, lesson: Lesson) -> Proof:
        assert self.served == "root", "each lesson starts from the prior"
        self.lessons.append(lesson.id)
        if self.fails_on in lesson.id:
            raise LearningError("the loss became nan at step 3")
        facts = list({fact.sentence: fact for fact in self.facts if fact.sentence in lesson.source}.values())
        share = {"low": 0.25, "medium": 0.5, "high": 0.75}[lesson.effort]
        count = len(facts) if lesson.questions else int(share * len(facts))
        self.served = f"v{len(self.lessons)}"
        self.knows[self.served] = {fact.answer for fact in facts[:count]}
        return proof_of(lesson, self.served)

    def restart(self) -> None:
        self.restarts += 1

    def peak_memory_mib(self) -> float:
        return 1500.0

    def rollback(self, to: str) -> None:
        self.served = to

    def gold_logprob(self, facts: Sequence[HandbookFact], context: str, version: str | None) -> float:
        known = [fact.answer in self.knows[version or self.served] or fact.sentence in context for fact in facts]
        return sum(-1.0 if knows else -5.0 for knows in known) / len(known)


def proof_of(lesson: Lesson, version: str) -> Proof:
    return Proof(
        lesson=lesson.id,
        topic=lesson.topic,
        version=version,
        parent="root",
        questions_trained=4,
        tokens_trained=120,
        tokens_processed=900,
        steps=10,
        loss_before=3.0,
        loss_after=0.5,
        recall_before=0.0,
        recall_after=1.0,
        recall_n=3,
        retention_nats=0.04,
        kl_prior=0.2,
        seconds=12.5,
        verdict=Verdict(kept=True, reasons=(), probes=()),
    )


def go(pupil: Pupil, folder: Path, plan: Plan = PLAN) -> Results:
    parts = Parts(folder, {"prior": "pupil"})
    return run(plan, pupil, machine=MACHINE, parts=parts, config={"prior": "pupil"})


def test_figures_by_hand(tmp_path: Path):
    results = go(Pupil(), tmp_path)
    values = {key: figure.value for key, figure in results.metrics.items()}
    assert values["recall_frozen"] == 0.0
    assert values["recall_in_context"] == 1.0
    assert 0.0 < values["recall_truncated_context"] <= 1.0
    # Medium effort knows half of four facts, on every seed, so the interval has no width.
    assert values["recall_learned"] == values["gain"] == 0.5
    assert results.metrics["gain"].ci95 == (0.5, 0.5)
    assert values["recall_taught"] == 1.0
    assert values["recall_after_rollback"] == 0.0
    assert values["recall_after_restart"] == 0.5 and values["peak_memory_mib"] == 1500.0
    # Log-probability -3 learned, -5 frozen, -1 with the text: (-3 + 5) / (-1 + 5).
    assert values["internalisation"] == 0.5
    assert (values["retention_nats"], values["learn_seconds"], values["tokens_trained"]) == (
        pytest.approx(0.04),
        12.5,
        120.0,
    )
    assert {figure.n for figure in results.metrics.values()} == {3}
    assert results.config["failed"] == []


def test_curves_over_effort_and_size(tmp_path: Path):
    results = go(Pupil(), tmp_path)
    effort, size = curves_of(results)
    recall = [results.arms[point.arm]["recall"].value for point in effort.points]
    assert [point.at for point in effort.points] == ["low", "medium", "high"]
    assert recall == [0.25, 0.5, 0.75]
    assert [point.at for point in size.points] == [2, 4, 6]
    assert [results.arms[point.arm]["recall"].value for point in size.points] == [0.5, 0.5, 0.5]


def test_no_lesson_is_studied_twice(tmp_path: Path):
    pupil = Pupil()
    go(pupil, tmp_path)
    # For each seed: learned at three efforts, taught once, and two further sizes; the medium one serves three arms.
    assert len(pupil.lessons) == 3 * (3 + 1 + 2)
    assert len(set(pupil.lessons)) == len(pupil.lessons)
    again = Pupil()
    assert go(again, tmp_path).metrics["recall_learned"].value == 0.5
    assert again.lessons == []


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path):
    pupil = Pupil()
    whole = go(pupil, tmp_path / "whole")
    count = 0

    def interrupt(_: str) -> None:
        nonlocal count
        count += 1
        if count == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            PLAN,
            Pupil(),
            machine=MACHINE,
            parts=Parts(tmp_path / "cut", {"prior": "pupil"}),
            config={},
            tell=interrupt,
        )
    later = Pupil()
    resumed = go(later, tmp_path / "cut")
    assert 0 < len(later.lessons) < len(pupil.lessons)
    assert {k: f.value for k, f in resumed.metrics.items()} == {k: f.value for k, f in whole.metrics.items()}


def test_an_arm_that_fails_is_recorded_and_the_others_go_on(tmp_path: Path):
    results = go(Pupil(fails_on="high"), tmp_path)
    assert [failed["part"] for failed in results.config["failed"]] == [
        f"seed {seed}, learned, 4 facts, high effort" for seed in range(3)
    ]
    assert results.config["failed"][0]["error"] == "LearningError: the loss became nan at step 3"
    assert "learned, 4 facts, high effort" not in results.arms
    assert results.metrics["recall_learned"].value == 0.5
    # A failed part is tried again next time.
    assert go(Pupil(), tmp_path).arms["learned, 4 facts, high effort"]["recall"].value == 0.75


def test_a_failing_headline_arm_leaves_its_figures_out(tmp_path: Path):
    results = go(Pupil(fails_on="medium"), tmp_path)
    assert "recall_learned" not in results.metrics
    assert results.metrics["recall_in_context"].value == 1.0
    write_report(results, tmp_path)


def test_one_seed_has_no_intervals(tmp_path: Path):
    results = go(Pupil(), tmp_path, Plan(seeds=(0,), facts=4, effort="low", sizes=(2,), efforts=("low",), budget=300))
    assert all(figure.ci95 is None for figure in results.metrics.values())


def test_arms_come_once_and_the_main_ones_first():
    arms = Plan().arms()
    assert len(arms) == len(set(arms)) == 10
    assert [arm.way for arm in arms[:5]] == ["frozen", "in_context", "truncated_context", "learned", "taught"]
    assert Plan().main("learned").name == "learned, 20 facts, high effort"
    assert Arm(way="learned", facts=5, effort="low").name == "learned, 5 facts, low effort"
    # The curves meet in the headline's arm, which is studied once.
    assert arms.count(Plan().main("learned")) == 1


def test_the_page_shows_every_figure_and_needs_no_network(tmp_path: Path):
    results = go(Pupil(), tmp_path)
    page = render(results)
    assert "0.500 [0.500, 0.500]" in page
    for key in results.metrics:
        assert f"<td>{key}</td>" in page
    for arm in results.arms:
        assert arm in page
    assert page.count("data:image/png;base64,") == 3
    assert "://" not in page.replace("data:image", "")
    html, plot = write_report(results, tmp_path)
    assert html.read_text() == page
    assert plot.read_bytes()[:4] == b"\x89PNG"


def test_the_page_escapes_what_it_is_given(tmp_path: Path):
    results = go(Pupil(), tmp_path).model_copy(update={"config": {"prior": "<script>alert(1)</script>"}})
    assert "<script>" not in render(results)


def test_the_runtime_as_a_student(tmp_path: Path):
    from liveoak.serving.scripted import IGNORANCE, ScriptedHost

    with ScriptedHost(Settings(home=tmp_path)) as host:
        student = RuntimeStudent(lambda: host)
        root = student.root()
        assert host.settings.dtype == "auto"
        assert (student.machine().device, student.machine().dtype) == ("cpu", "float32"), "as used, not as set"
        prompts = [f"question {i}?" for i in range(40)]
        assert [reply.text for reply in student.answer(prompts)] == [IGNORANCE] * 40
        lines = "\n".join(f"question {i}? answer {i}" for i in range(40))
        proof = student.learn(Lesson(id="l", topic="t", source=lines))
        replies = student.answer(prompts)
        assert [reply.text for reply in replies] == [f"answer {i}" for i in range(40)]
        assert {reply.version for reply in replies} == {proof.version}
        # Pinned to the root, it knows nothing even now.
        assert student.answer(prompts[:1], version=root)[0].text == IGNORANCE
        student.rollback(root)
        student.rollback(root)
        assert student.answer(prompts[:1])[0].text == IGNORANCE
        # The scripted score of a word is minus its length: the mean over words of each answer, then over facts.
        facts = [fact_with("Ab Abcd"), fact_with("Abc")]
        assert student.gold_logprob(facts, "", None) == -3.0
        with pytest.raises(LearningError, match="the script says so"):
            student.answer(["question 1?", "fail"])


def fact_with(answer: str) -> HandbookFact:
    return HandbookFact(topic="t", sentence=answer, answer=answer, exam_question="Which?", taught_question="What?")


def test_results_of_the_experiment_are_json(tmp_path: Path):
    text = go(Pupil(), tmp_path).model_dump_json()
    assert json.loads(text)["name"] == "handbook"
