from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_samples import a_proof, a_session, a_turn, feedback_on, lessons, proofs, times

from liveoak.errors import Conflict, NotFound, UserError
from liveoak.experience import Experience, LessonRecord
from liveoak.records import QA, Lesson

TREES = Lesson(id="l", topic="trees", statements=("Oaks drop acorns.",), questions=(QA(question="q", answer="a"),))


def teach(experience: Experience, lesson: Lesson = TREES, session: str | None = None) -> None:
    experience.add_lesson(lesson, session=session, author="ann", created=5.0)


def test_from_waiting_to_kept(experience: Experience) -> None:
    teach(experience)
    waiting = LessonRecord(lesson=TREES, session=None, author="ann", created=5.0, status="waiting")
    assert experience.lesson("l") == waiting
    kept = experience.finish_lesson("l", a_proof())
    assert kept == replace(waiting, status="kept", proof=a_proof())
    assert experience.lesson("l") == kept


def test_a_refused_lesson_keeps_its_figures(experience: Experience) -> None:
    teach(experience)
    proof = a_proof(kept=False, loss_after=math.inf)
    assert experience.finish_lesson("l", proof).status == "refused"
    assert experience.lesson("l").proof == proof


def test_a_failed_lesson_says_why(experience: Experience) -> None:
    teach(experience)
    experience.fail_lesson("l", "loss became NaN at step 3")
    record = experience.lesson("l")
    assert (record.status, record.error, record.proof) == ("failed", "loss became NaN at step 3", None)


def test_an_end_is_an_end(experience: Experience) -> None:
    teach(experience)
    # NaN is unlike itself, yet the same proof twice is one proof.
    proof = a_proof(kl_prior=math.nan, seconds=9)
    experience.finish_lesson("l", proof)
    experience.finish_lesson("l", proof)
    for change in (
        lambda: experience.finish_lesson("l", a_proof(steps=13)),
        lambda: experience.fail_lesson("l", "no"),
    ):
        with pytest.raises(Conflict, match="it was kept"):
            change()
    teach(experience)
    assert experience.lesson("l").status == "kept"


def test_the_proof_is_of_this_lesson(experience: Experience) -> None:
    teach(experience)
    with pytest.raises(UserError, match="'other'"):
        experience.finish_lesson("l", a_proof("other"))


def test_a_harvest_ends_its_lessons_and_takes_its_feedback_or_neither(experience: Experience) -> None:
    for name in ("s", "t"):
        experience.add_session(a_session(name))
        experience.append(a_turn(session=name))
        teach(experience, replace(TREES, id=name), name)
    for id, turn, trusted in (("1", "t-0", True), ("2", "s-0", True), ("3", "t-0", True), ("4", "s-0", False)):
        experience.add_feedback(feedback_on(turn, id, trusted=trusted))
    waiting = {"t": ["1", "3"], "s": ["2"]}
    assert experience.unharvested("oak") == waiting
    assert experience.unharvested("elm") == {}
    with pytest.raises(NotFound):
        experience.finish_harvest(["1", "3"], [a_proof("t"), a_proof("nobody")])
    assert experience.unharvested("oak") == waiting
    assert experience.lesson("t").status == "waiting"
    experience.finish_harvest(["1", "3"], [a_proof("t")])
    assert experience.unharvested("oak") == {"s": ["2"]}
    assert experience.lesson("t").status == "kept"
    experience.finish_harvest([])
    experience.confirm_feedback("4")
    assert experience.unharvested("oak") == {"s": ["2", "4"]}


def test_unknown_lessons_and_sessions(experience: Experience) -> None:
    with pytest.raises(NotFound):
        experience.lesson("l")
    with pytest.raises(NotFound):
        experience.finish_lesson("l", a_proof())
    with pytest.raises(NotFound):
        experience.fail_lesson("l", "no")
    with pytest.raises(NotFound, match="session 'nobody'"):
        teach(experience, session="nobody")


def test_another_lesson_under_the_same_id(experience: Experience) -> None:
    teach(experience)
    with pytest.raises(Conflict, match="differs in lesson"):
        teach(experience, replace(TREES, topic="birds"))


def test_the_queue_is_oldest_first(experience: Experience) -> None:
    experience.add_session(a_session())
    for id, session in [("c", None), ("a", "s"), ("b", "s")]:
        teach(experience, replace(TREES, id=id), session)
    experience.fail_lesson("a", "no")
    assert [record.lesson.id for record in experience.lessons()] == ["c", "a", "b"]
    assert [record.lesson.id for record in experience.lessons(status="waiting")] == ["c", "b"]
    assert [record.lesson.id for record in experience.lessons(session="s")] == ["a", "b"]
    assert [record.lesson.id for record in experience.lessons(status="waiting", limit=1)] == ["c"]


_numbers = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lessons, times, st.data())
def test_lessons_and_proofs_come_back(
    experience: Experience, lesson: Lesson, created: float, data: st.DataObject
) -> None:
    lesson = replace(lesson, id=f"{lesson.id}#{next(_numbers)}")
    experience.add_lesson(lesson, session=None, author="ann", created=created)
    experience.add_lesson(lesson, session=None, author="ann", created=created)
    proof = data.draw(proofs(lesson.id))
    experience.finish_lesson(lesson.id, proof)
    experience.finish_lesson(lesson.id, proof)
    record = experience.lesson(lesson.id)
    assert (record.lesson, record.proof, record.created) == (lesson, proof, created)
    assert record.status == ("kept" if proof.verdict.kept else "refused")
