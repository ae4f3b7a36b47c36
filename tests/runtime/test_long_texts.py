"""Texts of many windows: one lesson, one version, one proof, and nothing half-read is served."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from small_life import QUICK, WIDE, Heard, chat, lesson, user

from liveoak.config import GateSettings
from liveoak.errors import BadLesson, LearningError
from liveoak.learning.course import Course
from liveoak.learning.study import Study
from liveoak.records import Proof
from liveoak.runtime import Progress, Runtime

LONG = "\n\n".join(
    f"# Part {n}\n\nThe {place} of the house opens at {n}:{n:02d}. It is kept by {keeper}."
    for n, (place, keeper) in enumerate(
        [("boathouse", "Runa Hessel"), ("granary", "Olaf Brandt"), ("kitchen", "Mette Quist")], 7
    )
)
SMALL = {"max_lesson_tokens": 90}
"""Of the tokenizer of bytes: a part a window."""


def book(id: str = "l1", **fields: object):
    return lesson(id, **{"statements": (), "source": LONG, **fields})


def scored(runtime: Runtime, session: str | None = None) -> tuple[float, ...]:
    return runtime.score([user("Who keeps the boathouse?")], "Runa Hessel", session=session)


def test_a_long_text_is_one_lesson_one_version_and_one_proof(start: Callable[..., Runtime]):
    runtime = start(recipe=replace(QUICK, views={"low": 4, "medium": 4, "high": 4}), **SMALL)
    before, told = runtime.current(), list[Progress]()
    proof = runtime.learn(book(), on_progress=told.append)
    assert proof.verdict.kept and proof.windows == 3
    assert [version.id for version in runtime.versions()] == [before.id, proof.version]
    assert runtime.current().lessons == ("l1",)
    (record,) = runtime.experience.lessons()
    assert (record.status, record.proof, record.lesson.source) == ("kept", proof, LONG)
    notes = list(dict.fromkeys(one.note for one in told if one.stage == "study"))
    assert notes == ["window 1 of 3", "window 2 of 3", "window 3 of 3", "all windows again"]
    assert sum(one.stage == "study" for one in told) == proof.steps
    asked = record.proof.recall_n if record.proof else 0
    assert asked >= 6, "two facts a window, each with a question of its own"


def test_the_questions_of_the_proof_are_of_the_beginning_the_middle_and_the_end(start: Callable[..., Runtime]):
    runtime = start(**SMALL)
    answers: list[str] = []
    gate = runtime._school._teacher._gate  # pyright: ignore[reportPrivateUsage]
    real = gate.recall
    gate.recall = lambda slot, asked: (answers.extend(pair.answer for pair in asked), real(slot, asked))[1]  # type: ignore[method-assign,assignment]
    runtime.learn(book())
    assert {"Runa Hessel", "Olaf Brandt", "Mette Quist", "7:07", "8:08", "9:09"} <= set(answers)
    answers.clear()
    runtime.learn(lesson("l2", statements=("Nobody swims before 6:15.",)))
    assert {"Runa Hessel", "Olaf Brandt", "Mette Quist"} <= set(answers), "earlier lessons are asked all over too"


def test_what_was_read_in_windows_is_repeated_when_the_next_lesson_is_studied(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
):
    """Also by another process, which has to read it again for that."""
    runtime = start(**SMALL)
    runtime.learn(book())
    runtime.close()
    answers: set[str] = set()
    real = Course._of_pair  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(Course, "_of_pair", lambda c, q, a: (answers.add(a), real(c, q, a))[1])  # type: ignore[misc]
    efforts = ("low", "medium", "high")
    thorough = replace(QUICK, past=dict.fromkeys(efforts, 1.0), views=dict.fromkeys(efforts, 60))
    again = start(recipe=thorough, **SMALL)
    again.learn(lesson("l2", statements=("Nobody swims before 6:15.",)))
    assert {"6:15", "Runa Hessel", "Olaf Brandt", "Mette Quist"} <= answers


@pytest.mark.parametrize("window", [2, 3])
def test_a_text_that_fails_in_the_middle_leaves_nothing_behind(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch, window: int
):
    runtime = start(**SMALL)
    before, version = scored(runtime), runtime.current()
    begun: list[int] = []
    real = Study.study

    def breaks(study: Study, *given: object, **more: object) -> object:
        begun.append(1)
        if len(begun) == window:
            raise LearningError("the update diverged")
        return real(study, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Study, "study", breaks)
    with pytest.raises(LearningError, match="diverged"):
        runtime.learn(book())
    assert (scored(runtime), runtime.current()) == (before, version)
    assert runtime.experience.lesson("l1").status == "failed"
    assert list((runtime.settings.home / "versions").iterdir()) == []
    monkeypatch.undo()
    assert runtime.learn(book("l2")).verdict.kept


def test_a_text_that_the_gate_refuses_is_not_served_in_part(start: Callable[..., Runtime]):
    runtime = start(gate=GateSettings(max_retention_nats=0, max_kl_prior=0, min_recall_gain=1), **SMALL)
    before = scored(runtime)
    proof = runtime.learn(book())
    assert not proof.verdict.kept and proof.version == proof.parent == runtime.current().id
    assert scored(runtime) == before
    assert list((runtime.settings.home / "versions").iterdir()) == []


def test_a_long_text_of_a_session_is_erased_with_it(start: Callable[..., Runtime]):
    runtime = start(**SMALL)
    clean = scored(runtime)
    proof = runtime.learn(book(), session="s")
    assert scored(runtime, "s") != clean
    runtime.promote(proof.version)
    assert runtime.erase("s") == (proof.version,)
    assert scored(runtime) == clean
    later = runtime.learn(lesson("l2"))
    assert later.verdict.kept
    held = runtime._school._teacher._kept  # pyright: ignore[reportPrivateUsage]
    assert list(held) == ["l2"], "what was erased is not held in memory either"


def test_texts_have_a_limit_of_their_own_and_it_is_told(start: Callable[..., Runtime]):
    runtime = start(max_text_tokens=200, **SMALL)
    with pytest.raises(BadLesson, match=r"text 'boathouse' has \d+ tokens, at most 200 .*'max_text_tokens'"):
        runtime.learn(book())
    with pytest.raises(BadLesson, match="'boathouse' has 20000 characters, far over 200 tokens"):
        runtime.learn(book(source="x" * 20_000))
    with pytest.raises(BadLesson, match="lesson 'boathouse' has 101 tokens, at most 90"):
        runtime.learn(lesson(statements=("x" * 101,)))
    assert runtime.experience.lessons() == []


def test_a_short_lesson_of_another_session_need_not_wait_for_the_whole_text(start: Callable[..., Runtime]):
    """And what the text began on stays what it goes on from; a lesson of the agent's own waits its turn."""
    runtime = start(**SMALL)
    for session in ("s", "t"):
        runtime.ask(chat("Hi", session=session))
    order: list[str] = []
    proofs: dict[str, Proof] = {}

    def teach(id: str, session: str | None) -> None:
        proofs[id] = runtime.learn(lesson(id, statements=("Nobody swims before 6:15.",)), session=session)
        order.append(id)

    threads = [threading.Thread(target=teach, args=given) for given in (("agents", None), ("of t", "t"), ("of s", "s"))]

    def once(progress: Progress) -> None:
        if progress.note == "window 1 of 3" and progress.done == 1:
            for place, thread in enumerate(threads):
                thread.start()
                while len(runtime.experience.lessons(status="waiting")) < 2 + place:
                    threading.Event().wait(0.005)
            while len(runtime._school._waiting) < 3:  # pyright: ignore[reportPrivateUsage]
                threading.Event().wait(0.005)

    proofs["book"] = runtime.learn(book(), session="s", on_progress=once)
    order.append("book")
    for thread in threads:
        thread.join(60)
    assert order.index("of t") < order.index("book") < order.index("of s")
    assert order.index("book") < order.index("agents")
    assert runtime.versions("s")[-1].lessons == ("l1", "of s")
    assert all(proof.verdict.kept for proof in proofs.values())
    assert runtime.health()["learning"] is None


def test_replies_go_on_while_a_long_text_is_read(start: Callable[..., Runtime]):
    runtime = start(recipe=replace(QUICK, views=dict.fromkeys(("low", "medium", "high"), 20)), **SMALL)
    heard, version = Heard(), runtime.current().id

    def ask(progress: Progress) -> None:
        if progress.note == "window 2 of 3" and progress.done == 1:
            runtime.chat(chat("Hi", draw={"max_tokens": 4}), heard)
            assert heard.finished().version == version

    assert runtime.learn(book(), on_progress=ask).verdict.kept
    assert heard.events and runtime.ask(chat("Hi")).version != version


def test_the_same_text_gives_the_same_bits(start: Callable[..., Runtime], tmp_path: object):
    found: list[tuple[float, ...]] = []
    for name in ("one", "two"):
        runtime = start(home=f"{tmp_path}/{name}", gate=WIDE, **SMALL)
        runtime.learn(book())
        found.append(scored(runtime))
        runtime.close()
    assert found[0] == found[1]
