"""Consolidation: what a session learned becomes the agent's own, under the gate, and leaves with the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from small_life import QUICK, lesson, user

from liveoak.config import GateSettings
from liveoak.errors import LearningError, NotAllowed, NotFound, UserError
from liveoak.learning.course import Course
from liveoak.runtime import Progress, Runtime

LONGER = replace(QUICK, views=dict.fromkeys(("low", "medium", "high"), 30), rate=1e-2)


def scored(runtime: Runtime, session: str | None = None) -> float:
    return sum(runtime.score([user("Who has the key to the boathouse?")], "Runa Hessel", session=session))


def test_what_a_session_learned_becomes_the_agents_own(start: Callable[..., Runtime]):
    runtime = start(recipe=LONGER)
    agents = runtime.learn(lesson("l0", statements=("The boathouse opens at 7:25.",)))
    first = runtime.learn(lesson("l1"), session="s")
    second = runtime.learn(lesson("l2", statements=("Nobody swims before 6:15.",)), session="s")
    before, of_s = scored(runtime), scored(runtime, "s")
    assert of_s > before + 1
    told: list[Progress] = []
    proof = runtime.consolidate("s", on_progress=told.append)
    assert proof.verdict.kept
    assert (proof.parent, proof.version) == (agents.version, runtime.current().id)
    assert scored(runtime) > before + 1, "the agent itself answers now"
    assert scored(runtime, "s") == of_s, "the session goes on with its own weights"
    assert runtime.current("s").id == second.version
    version = runtime.current()
    assert version.session is None and version.parent == agents.version
    assert version.lessons == ("l0", "l1", "l2", proof.lesson)
    record = runtime.experience.lesson(proof.lesson)
    assert (record.status, record.session, record.proof) == ("kept", "s", proof)
    notes = list(dict.fromkeys(one.note for one in told if one.stage == "study"))
    assert notes == ["window 1 of 2", "window 2 of 2", "all windows again"]
    assert proof.recall_n == 2, "a question of each of the session's lessons"
    assert first.version not in [one.id for one in runtime.versions()]


def test_it_is_learned_from_the_session_and_not_from_the_text(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
):
    runtime = start()
    runtime.learn(lesson("l1"), session="s")
    teachers: list[object] = []
    real = Course._as_taught_by  # pyright: ignore[reportPrivateUsage]

    def noted(course: Course, teacher: object, examples: object) -> object:
        teachers.append(teacher)
        made = real(course, teacher, examples)  # type: ignore[arg-type]
        assert {one.signal for one in made} <= {"distillation", "text"}
        assert all(one.top is not None and one.targets == () for one in made)
        return made

    monkeypatch.setattr(Course, "_as_taught_by", noted)
    runtime.consolidate("s")
    fast = runtime._chain.slot(runtime.current("s"))  # pyright: ignore[reportPrivateUsage]
    assert teachers and all(teacher is fast for teacher in teachers)


def test_only_what_is_new_is_consolidated(start: Callable[..., Runtime]):
    runtime = start()
    runtime.learn(lesson("l1"), session="s")
    once = runtime.consolidate("s")
    with pytest.raises(UserError, match="'s' has learned nothing that the agent itself has not"):
        runtime.consolidate("s")
    runtime.learn(lesson("l2", statements=("Nobody swims before 6:15.",)), session="s")
    twice = runtime.consolidate("s")
    assert (twice.recall_n, twice.windows) == (1, 1)
    assert runtime.current().lessons == ("l1", once.lesson, "l2", twice.lesson)


def test_a_session_that_learned_nothing_or_was_promoted_has_nothing_to_consolidate(start: Callable[..., Runtime]):
    runtime = start()
    runtime.learn(lesson("l0"))
    promoted = runtime.learn(lesson("l1", statements=("Nobody swims before 6:15.",)), session="s")
    runtime.promote(promoted.version)
    with pytest.raises(UserError, match="nothing that the agent itself has not"):
        runtime.consolidate("s")
    runtime.forget("s")
    with pytest.raises(UserError, match="nothing that the agent itself has not"):
        runtime.consolidate("s")
    with pytest.raises(NotFound):
        runtime.consolidate("nobody")
    assert len(runtime.experience.lessons()) == 2, "what was refused at the door is not recorded"


def test_refused_by_the_gate_everything_stays_as_it_was(start: Callable[..., Runtime]):
    runtime = start()
    runtime.learn(lesson("l1"), session="s")
    version, before, of_s = runtime.current(), scored(runtime), scored(runtime, "s")
    runtime.close()
    strict = start(gate=GateSettings(max_retention_nats=0, max_kl_prior=0, min_recall_gain=1))
    proof = strict.consolidate("s")
    assert not proof.verdict.kept and proof.version == version.id
    assert (strict.current(), scored(strict), scored(strict, "s")) == (version, before, of_s)
    assert strict.experience.lesson(proof.lesson).status == "refused"


def test_one_that_fails_is_told_and_recorded(start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch):
    runtime = start()
    runtime.learn(lesson("l1"), session="s")
    version = runtime.current()
    monkeypatch.setattr("liveoak.learning.course.rate_at", _still)
    with pytest.raises(LearningError, match="changed no weight"):
        runtime.consolidate("s")
    assert runtime.current() == version
    assert [record.status for record in runtime.experience.lessons()] == ["kept", "failed"]


def test_only_teachers_consolidate_and_only_sessions_of_their_own(start: Callable[..., Runtime]):
    runtime = start(teachers=("ann",))
    runtime.learn(lesson("l1"), session="s", author="bob")
    with pytest.raises(NotAllowed, match="'bob' may not consolidate"):
        runtime.consolidate("s", author="bob")
    with pytest.raises(NotFound, match="no session 's'"):
        runtime.consolidate("s", author="ann")
    runtime.learn(lesson("l2"), session="t", author="ann")
    assert runtime.consolidate("t", author="ann").verdict.kept


def test_erasing_the_session_takes_it_back_from_the_agent(start: Callable[..., Runtime]):
    runtime = start()
    clean, first = scored(runtime), runtime.current()
    learned = runtime.learn(lesson("l1"), session="s")
    proof = runtime.consolidate("s")
    later = runtime.learn(lesson("l2", statements=("Nobody swims before 6:15.",)))
    assert scored(runtime) != clean
    assert runtime.erase("s") == (learned.version, proof.version, later.version)
    assert (scored(runtime), runtime.current()) == (clean, first)
    assert runtime.experience.lessons() == [runtime.experience.lesson("l2")]


def test_a_teacher_that_learned_from_others_brings_them_into_the_lineage(start: Callable[..., Runtime]):
    """The session forked from what another one was promoted to; the agent has gone back since."""
    runtime = start()
    first = runtime.current()
    other = runtime.learn(lesson("of t", statements=("Nobody swims before 6:15.",)), session="t")
    runtime.promote(other.version)
    runtime.learn(lesson("of s"), session="s")
    runtime.rollback(first.id)
    proof = runtime.consolidate("s")
    assert runtime.current().lessons == ("of t", "of s", proof.lesson)
    assert proof.recall_n == 1, "but only the session's own lessons are studied"
    runtime.erase("t")
    assert runtime.current() == first


def test_a_start_after_death_takes_an_unproven_consolidation_back_and_leaves_the_session(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
):
    runtime = start()
    learned = runtime.learn(lesson("l1"), session="s")
    version = runtime.current()

    def dead(*_: object) -> None:
        raise RuntimeError("dead")

    monkeypatch.setattr(runtime.experience, "finish_lesson", dead)
    monkeypatch.setattr(runtime.experience, "fail_lesson", dead)
    with pytest.raises(RuntimeError, match="dead"):
        runtime.consolidate("s")
    assert runtime.current() != version
    runtime.close()
    again = start()
    assert again.current() == version
    assert again.current("s").id == learned.version


def _still(highest: float, step: int, steps: int) -> float:
    """A rate at which nothing is learned."""
    return 0.0
