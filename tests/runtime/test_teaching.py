"""Lessons: whose logits they change, what they cost others, and what is left when they fail."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from safetensors.torch import load_file
from small_life import QUICK, Heard, chat, lesson, user

from liveoak.config import GateSettings
from liveoak.errors import BadLesson, Conflict, LearningError, NotFound, StorageError, UserError
from liveoak.gate import chain as chain_module
from liveoak.learning.course import Course, Studied
from liveoak.learning.objective import Example
from liveoak.learning.study import REPEATED, Study
from liveoak.records import QA, Demonstration
from liveoak.runtime import Progress, Runtime
from liveoak.runtime.teaching import repeatable

SLOW = replace(QUICK, views={"low": 1, "medium": 60, "high": 60})


def scored(runtime: Runtime, session: str | None = None) -> tuple[float, ...]:
    return runtime.score([user("Who has the key?")], "Runa Hessel", session=session)


# Whose weights


def test_an_agents_lesson_reaches_every_session_without_weights_of_its_own(runtime: Runtime):
    runtime.ask(chat("Hi", session="s"))
    before = scored(runtime)
    proof = runtime.learn(lesson())
    assert proof.verdict.kept
    assert (proof.version, proof.parent) == (runtime.current().id, runtime.versions()[0].id)
    assert scored(runtime) == scored(runtime, "s") != before
    assert sum(scored(runtime)) > sum(before), "it is taught what it is then asked"
    assert runtime.ask(chat("Hi")).version == proof.version
    assert runtime.experience.lesson("l1").status == "kept"
    assert runtime.experience.lesson("l1").proof == proof


def test_a_sessions_lesson_changes_nobody_elses_logits_by_a_bit(runtime: Runtime):
    for session in ("s", "t"):
        runtime.ask(chat("Hi", session=session))
    before = scored(runtime)
    first = runtime.learn(lesson("l1"), session="s")
    of_s = scored(runtime, "s")
    second = runtime.learn(lesson("l2", statements=("The boathouse opens at 7:25.",)), session="t")
    assert scored(runtime) == before
    assert scored(runtime, "s") == of_s != before
    assert scored(runtime, "t") not in (before, of_s)
    assert (first.parent, second.parent) == (runtime.current().id,) * 2
    assert runtime.current("s").session == "s"
    assert runtime.ask(chat("Hi", session="s")).version == first.version
    assert runtime.ask(chat("Hi")).version == runtime.current().id


def test_other_sessions_in_the_same_batch_stay_as_they_are(runtime: Runtime):
    """Replies of learned and unlearned sessions, decoded together, are those decoded apart."""
    runtime.learn(lesson(), session="s")

    def replies(sessions: tuple[str | None, ...]) -> list[str]:
        heard = [Heard() for _ in sessions]
        for session, one in zip(sessions, heard, strict=True):
            runtime.chat(
                chat("Hello there", session=session, draw={"max_tokens": 24, "temperature": 0.0, "exact": True}), one
            )
        return [one.finished().message.content for one in heard]

    assert replies(("s",)) + replies((None,)) == replies(("s", None))


def test_versions_are_pinned_rolled_back_promoted_and_forgotten(runtime: Runtime):
    first = runtime.current()
    clean = scored(runtime)
    proof = runtime.learn(lesson("l1"), session="s")
    learned = scored(runtime, "s")
    assert runtime.score([user("Who has the key?")], "Runa Hessel", model=f"agent@{proof.version}") == learned
    assert runtime.ask(chat("Hi", model=f"agent@{proof.version}")).version == proof.version
    assert runtime.ask(chat("Hi", model=f"agent@{first.id}", session="s")).version == first.id

    assert runtime.rollback(session="s") == first
    assert scored(runtime, "s") == clean
    assert runtime.rollback(proof.version, session="s").id == proof.version
    assert runtime.promote(proof.version).id == runtime.current().id
    assert scored(runtime) == learned
    assert [version.id for version in runtime.versions()] == [first.id, proof.version]
    runtime.rollback()
    assert scored(runtime) == clean
    assert scored(runtime, "s") == learned
    assert runtime.forget("s") == first
    assert scored(runtime, "s") == clean
    with pytest.raises(NotFound):
        runtime.ask(chat("Hi", model="agent@0123456789ab"))


@pytest.mark.parametrize("call", ["versions", "current", "rollback", "forget", "erase", "score"])
def test_an_unknown_session_is_not_found(runtime: Runtime, call: str):
    calls: dict[str, Callable[[], object]] = {
        "rollback": lambda: runtime.rollback(session="nobody"),
        "score": lambda: scored(runtime, "nobody"),
    }
    with pytest.raises(NotFound, match="'nobody'"):
        calls.get(call, lambda: getattr(runtime, call)("nobody"))()


def test_a_restart_serves_the_same_bits_and_learns_on(start: Callable[..., Runtime]):
    runtime = start()
    runtime.learn(lesson("l1"))
    runtime.learn(lesson("l2", statements=("The boathouse opens at 7:25.",)), session="s")
    before, of_s, line = scored(runtime), scored(runtime, "s"), runtime.versions("s")
    runtime.close()
    again = start()
    assert (scored(again), scored(again, "s")) == (before, of_s)
    assert again.versions("s") == line
    proof = again.learn(lesson("l3", statements=("Nobody swims in March.",)), session="s")
    assert again.current("s").lessons == ("l1", "l2", "l3")
    assert proof.parent == line[-1].id


# What is taught


def test_a_lesson_reports_its_progress_and_its_figures(runtime: Runtime):
    told: list[Progress] = []
    proof = runtime.learn(
        lesson(
            questions=(QA(question="Where does the key hang?", answer="with Runa"),),
            demonstrations=(Demonstration(prompt="Greet me", reply="Ahoy"),),
        ),
        on_progress=told.append,
    )
    assert list(dict.fromkeys(progress.stage for progress in told)) == ["read", "study", "gate"]
    study = [progress for progress in told if progress.stage == "study"]
    assert [progress.done for progress in study] == list(range(1, proof.steps + 1))
    assert {progress.total for progress in study} == {proof.steps}
    assert proof.recall_n == 2, "one question kept aside for each fact"
    assert proof.tokens_processed > proof.tokens_trained > 0
    assert proof.seconds > 0
    assert proof.kl_prior > 0
    assert [probe.name for probe in proof.verdict.probes] == ["recall", "retention", "kl_prior"]
    later = runtime.learn(lesson("l2", statements=("The boathouse opens at 7:25.",)))
    assert [probe.name for probe in later.verdict.probes][1] == "earlier_recall"


def test_questions_of_earlier_lessons_are_kept_aside_again(runtime: Runtime):
    asked: list[list[QA]] = []
    gate = runtime._school._teacher._gate  # pyright: ignore[reportPrivateUsage]
    real = gate.probe

    def probed(served: object, candidate: object, held_out: list[QA], earlier: list[QA]) -> object:
        asked.extend([list(held_out), list(earlier)])
        return real(served, candidate, held_out, earlier)  # type: ignore[arg-type]

    gate.probe = probed  # type: ignore[method-assign,assignment]
    runtime.learn(lesson("l1"))
    runtime.learn(lesson("l2", statements=("The boathouse opens at 7:25.",)))
    first, none, second, earlier = asked
    assert none == []
    assert earlier == first and first[0].answer == "Runa Hessel"
    assert second[0].answer == "7:25"


def test_a_study_is_shown_no_more_lessons_than_it_can_repeat():
    names = [f"l{number}" for number in range(5000)]
    for count in (0, 1, 8, 9, 504):
        assert repeatable(names[:count]) == names[:count]
    assert repeatable(names[:505]) == [*names[:497:2], *names[497:505]]
    for count in (505, 1008, 1009, 2000, 5000):
        shown = repeatable(names[:count])
        assert 252 <= len(shown) <= REPEATED
        assert shown[-8:] == names[count - 8 : count]
        assert len({int(b[1:]) - int(a[1:]) for a, b in pairwise(shown[:-8])}) == 1


@pytest.mark.parametrize(
    ("taught", "match"),
    [
        ({"statements": ()}, "is empty"),
        ({"statements": (" ", "\n")}, "is empty"),
        ({"statements": (), "source": " \n "}, "is empty"),
        ({"statements": (), "questions": (QA(question=" ", answer="x"),)}, "expected a question"),
        ({"statements": (), "questions": (QA(question="Who?", answer="the ..."),)}, "a word or number"),
        ({"demonstrations": (Demonstration(prompt="Hi", reply=""),)}, "expected a prompt and a reply"),
        ({"statements": ("word " * 20_000,)}, "tokens, at most 8192"),
        ({"source": "word " * 120_000}, "text 'boathouse' has .* tokens, at most 524288"),
        ({"source": "x" * 17_000_000}, "characters, far over"),
    ],
)
def test_lessons_that_cannot_be_taught_are_refused_before_anything_is_done(
    runtime: Runtime, taught: dict[str, object], match: str
):
    before = runtime.current()
    with pytest.raises(BadLesson, match=match):
        runtime.learn(lesson(**taught))
    assert runtime.experience.lessons() == []
    assert runtime.current() == before


def test_a_lesson_without_anything_to_ask_is_told_so(runtime: Runtime):
    with pytest.raises(BadLesson, match="nothing to learn from"):
        runtime.learn(lesson(statements=("is it",)))
    assert runtime.experience.lesson("l1").status == "failed"


def test_only_teachers_teach_the_agent_but_anybody_their_session(start: Callable[..., Runtime]):
    runtime = start(teachers=("ann",))
    with pytest.raises(UserError, match="'bob' may not teach the agent itself"):
        runtime.learn(lesson(), author="bob")
    assert runtime.experience.lessons() == []
    assert runtime.learn(lesson("l2"), author="bob", session="s").verdict.kept
    assert runtime.learn(lesson("l3"), author="ann").verdict.kept


def test_a_lesson_is_studied_once(runtime: Runtime):
    proof = runtime.learn(lesson())
    with pytest.raises(Conflict, match="'l1' was given before and is kept"):
        runtime.learn(lesson())
    assert runtime.current().id == proof.version
    with pytest.raises(Conflict, match="given before"):
        runtime.learn(lesson(topic="another"))


def test_a_lesson_given_twice_at_once_is_studied_once(start: Callable[..., Runtime]):
    runtime = start(recipe=SLOW)
    ends: list[object] = []

    def teach() -> None:
        try:
            ends.append(runtime.learn(lesson()))
        except Conflict as error:
            ends.append(error)

    threads = [threading.Thread(target=teach) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(isinstance(end, Conflict) for end in ends) == [False, True]
    assert runtime.current().lessons == ("l1",)


# What it costs others


def test_requests_are_answered_while_a_lesson_trains(start: Callable[..., Runtime]):
    runtime = start(recipe=SLOW)
    runtime.learn(lesson("warm", effort="low"))
    alone = min(timed(lambda: runtime.ask(chat("Hi", draw={"max_tokens": 8}))) for _ in range(3))
    studying, ended = threading.Event(), threading.Event()
    proofs: list[object] = []

    def teach() -> None:
        proofs.append(
            runtime.learn(
                lesson("long"), on_progress=lambda progress: studying.set() if progress.stage == "study" else None
            )
        )
        ended.set()

    teacher = threading.Thread(target=teach)
    teacher.start()
    assert studying.wait(60)
    assert runtime.health()["learning"] == "long"
    before = runtime.current().id
    waits: list[float] = []
    while not ended.is_set() and len(waits) < 5:
        waits.append(timed(lambda: runtime.ask(chat("Hi", draw={"max_tokens": 8}))))
    assert len(waits) == 5 and not ended.is_set(), "the replies came before the lesson was through"
    assert runtime.current().id == before
    teacher.join()
    assert proofs
    # Each token waits for at most one slice of the update; a generous bound, since the machine may be shared.
    assert min(waits) < 60 * alone + 2


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_a_reply_that_began_before_a_lesson_ends_under_its_version(start: Callable[..., Runtime]):
    runtime = start()
    before = runtime.current().id
    heard = Heard()
    runtime.chat(chat("Hi", draw={"max_tokens": 700}), heard)
    proof = runtime.learn(lesson())
    assert heard.finished().version == before
    assert runtime.ask(chat("Hi")).version == proof.version


def test_weights_depend_on_seeds_alone(start: Callable[..., Runtime], tmp_path: Path):
    """The same lessons in another home, with requests in between and meanwhile: the same bits and the same names."""
    found: list[tuple[list[str], bytes]] = []
    for name, busy in (("one", False), ("two", True)):
        runtime = start(home=tmp_path / name, recipe=replace(SLOW, views=dict.fromkeys(("low", "medium", "high"), 10)))
        heard = [Heard() for _ in range(3 if busy else 0)]
        for one in heard:
            runtime.chat(chat("Hello", draw={"max_tokens": 60, "seed": None}), one)
        runtime.learn(lesson("l1"))
        runtime.learn(lesson("l2", statements=("The boathouse opens at 7:25.",)))
        for one in heard:
            one.finished()
        line = [version.id for version in runtime.versions()]
        tensors = load_file(tmp_path / name / "versions" / line[-1] / "adapter.safetensors")
        found.append((line, tensors["master"].numpy().tobytes()))
        runtime.close()
    assert found[0] == found[1]


# When it fails


@pytest.mark.parametrize("how", ["rate", "anchor", "nothing"])
def test_a_lesson_that_fails_serves_the_old_version_and_costs_no_reply(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch, how: str
):
    runtime = start(recipe=replace(SLOW, rate=math.inf) if how == "rate" else SLOW)
    before, version = scored(runtime), runtime.current()
    if how == "anchor":
        real = Course._example  # pyright: ignore[reportPrivateUsage]

        def poisoned(course: Course, *given: object) -> Example:
            made = real(course, *given)  # type: ignore[arg-type]
            return replace(made, credit=(math.nan,) * len(made.credit))

        monkeypatch.setattr(Course, "_example", poisoned)
    if how == "nothing":
        monkeypatch.setattr("liveoak.learning.course.rate_at", lambda *_: 0.0)
    heard = Heard()
    runtime.chat(chat("Hi", draw={"max_tokens": 60, "temperature": 0.0}), heard)
    reason = {"rate": "diverged", "anchor": "credit of signal", "nothing": "changed no weight"}[how]
    with pytest.raises(LearningError, match=reason):
        runtime.learn(lesson())
    assert heard.finished().completion_tokens == 60
    assert runtime.current() == version
    assert scored(runtime) == before
    record = runtime.experience.lesson("l1")
    assert record.status == "failed" and record.error is not None and reason in record.error
    assert list((runtime.settings.home / "versions").iterdir()) == []
    assert runtime.ask(chat("Hi")).version == version.id


def test_the_gate_refuses_with_reasons_and_serves_the_old_version(start: Callable[..., Runtime]):
    runtime = start(gate=GateSettings(max_retention_nats=0, max_kl_prior=0, min_recall_gain=1))
    before, version = scored(runtime), runtime.current()
    proof = runtime.learn(lesson())
    assert not proof.verdict.kept
    assert {reason.partition(":")[0] for reason in proof.verdict.reasons} >= {"recall", "kl_prior"}
    assert (proof.version, proof.parent) == (version.id, version.id)
    assert scored(runtime) == before
    record = runtime.experience.lesson("l1")
    assert (record.status, record.proof) == ("refused", proof)
    assert list((runtime.settings.home / "versions").iterdir()) == []


def test_with_the_gate_off_a_bad_candidate_is_served_and_its_figures_told(start: Callable[..., Runtime]):
    runtime = start(gate=GateSettings(enabled=False, max_kl_prior=0, max_retention_nats=0, min_recall_gain=1))
    proof = runtime.learn(lesson())
    assert proof.verdict.kept and proof.verdict.reasons
    assert runtime.current().id == proof.version


def test_a_rollback_while_a_lesson_is_studied_stands(start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch):
    runtime = start()
    first = runtime.current()
    runtime.learn(lesson("l1"))
    real = Study.study

    def rolled_back(study: Study, *given: object, **more: object) -> Studied:
        done = real(study, *given, **more)  # type: ignore[arg-type]
        runtime.rollback()
        return done

    monkeypatch.setattr(Study, "study", rolled_back)
    with pytest.raises(Conflict, match="rolled back or replaced meanwhile"):
        runtime.learn(lesson("l2"))
    assert runtime.current() == first
    assert runtime.experience.lesson("l2").status == "failed"


def test_a_proof_that_cannot_be_recorded_serves_nothing(start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch):
    runtime = start()
    before, version = scored(runtime), runtime.current()

    def full(*_: object) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(runtime.experience, "finish_lesson", full)
    with pytest.raises(StorageError):
        runtime.learn(lesson())
    assert runtime.current() == version
    assert scored(runtime) == before


def test_a_start_after_death_between_serving_and_proving_takes_the_version_back(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
):
    """As if killed there: neither the proof nor the failure was written."""
    runtime = start()
    version = runtime.current()

    def dead(*_: object) -> None:
        raise RuntimeError("dead")

    def full(*_: object) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(runtime.experience, "finish_lesson", dead)
    monkeypatch.setattr(runtime.experience, "fail_lesson", full)
    with pytest.raises(RuntimeError, match="dead"):
        runtime.learn(lesson())
    assert runtime.current() != version
    runtime.close()
    again = start()
    assert again.current() == version
    assert again.experience.lesson("l1").status == "failed"


def test_what_cannot_be_written_is_a_storage_error(start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch):
    runtime = start()
    version = runtime.current()

    def full(*_: object) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(chain_module, "save_snapshot", full)
    with pytest.raises(StorageError, match="disk full"):
        runtime.learn(lesson())
    assert runtime.current() == version
    assert runtime.experience.lesson("l1").error == "disk full"
    monkeypatch.undo()
    assert runtime.learn(lesson("l2")).verdict.kept


def test_a_listener_that_breaks_does_not_end_the_lesson(runtime: Runtime):
    told: list[Progress] = []

    def gone(progress: Progress) -> None:
        told.append(progress)
        raise RuntimeError("the connection is gone")

    assert runtime.learn(lesson(), on_progress=gone).verdict.kept
    assert len(told) == 1


def test_closing_finishes_the_lesson_under_way_and_tells_those_that_wait(start: Callable[..., Runtime]):
    runtime = start(recipe=SLOW)
    studying = threading.Event()
    ends: dict[str, object] = {}

    def teach(id: str) -> None:
        try:
            ends[id] = runtime.learn(lesson(id), on_progress=lambda _: studying.set())
        except Exception as error:
            ends[id] = error

    first = threading.Thread(target=teach, args=("l1",))
    first.start()
    assert studying.wait(60)
    second = threading.Thread(target=teach, args=("l2",))
    second.start()
    while not runtime.experience.lessons(status="waiting")[1:]:
        time.sleep(0.01)
    time.sleep(0.1)
    runtime.close()
    first.join(60)
    second.join(60)
    assert getattr(ends["l1"], "version", None)
    assert "shutting down" in str(ends["l2"])
