"""Studies on a prior that knows nothing: how much is asked, what is kept aside, and that it is learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from liveoak.engine import Decoder, Engine
from liveoak.errors import BadLesson
from liveoak.learning.course import TEXT, Course, Studied
from liveoak.learning.recipe import Recipe
from liveoak.learning.study import Assignment, Study
from liveoak.priors import load_prior
from liveoak.records import QA, Demonstration, Effort, Lesson

PLAIN = Recipe(
    rank=4,
    pieces=0,
    other_words=False,
    anchors=0,
    views={"low": 2, "medium": 6, "high": 9},
    least_facts=0,
    phrases=0,
    beside={"low": 0, "medium": 0, "high": 0},
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


@pytest.fixture(scope="module")
def decoder(engine: Engine) -> Decoder:
    return Decoder(engine)


@pytest.fixture
def studied(engine: Engine, decoder: Decoder) -> Callable[..., Studied]:
    def study(lesson: Lesson, recipe: Recipe = PLAIN, seed: int = 0) -> Studied:
        return Study(engine, decoder, recipe, (), seed).study(lesson, engine.bank.new_slot(rank=4))

    return study


def facts(count: int, **fields: object) -> Lesson:
    return Lesson(
        **{
            "id": "l",
            "topic": "doors",
            "statements": tuple(f"The door opens at 7:{n:02d}." for n in range(count)),
            **fields,
        }  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("count", "effort", "views"), [(1, "medium", 6), (3, "medium", 6), (3, "high", 9), (20, "low", 2)]
)
def test_each_fact_is_asked_as_often_as_the_effort_says(
    studied: Callable[..., Studied], count: int, effort: Effort, views: int
):
    done = studied(facts(count, effort=effort))
    assert done.questions >= count * views
    assert done.questions < count * views + 16 + 16
    assert done.tokens_trained == pytest.approx(done.questions * len("7:00<"), abs=1), "the answer and the end of turn"


def test_a_page_takes_no_more_steps_than_its_effort_allows_however_many_facts_it_states(
    studied: Callable[..., Studied],
):
    page = {"low": 13, "medium": 15, "high": None}
    assert studied(facts(20), replace(PLAIN, page_steps=page)).steps == 15, "20 facts at 6 views ask for 15 of 8"
    assert studied(facts(30), replace(PLAIN, page_steps=page)).steps == 15
    assert studied(facts(30), replace(PLAIN, page_steps=page, page_tokens=400)).steps > 15, "more than a page"
    assert studied(facts(30), replace(PLAIN, page_steps=dict.fromkeys(page))).steps == 23


def test_what_goes_beside_the_questions_comes_at_the_share_of_its_effort(engine: Engine, decoder: Decoder):
    recipe = replace(PLAIN, pieces=1, reading={"low": 0.0, "medium": 0.5, "high": 1.0})
    course = Study(engine, decoder, recipe, ())._begin(  # pyright: ignore[reportPrivateUsage]
        Assignment(lesson=facts(4), slot=engine.bank.new_slot(rank=4))
    )
    assert isinstance(course, Course)
    beside: list[int] = []
    for _ in range(4):
        beside.append(sum(example.signal == TEXT for example in course.next().examples))
        course.taken += 1
    assert beside == [0, 1, 0, 1]


def test_what_is_kept_aside_is_one_wording_a_fact_and_not_trained_on(
    engine: Engine, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    real = Course._of_pair  # pyright: ignore[reportPrivateUsage]

    def noted(course: Course, prompt: str, reply: str) -> object:
        asked.append(prompt)
        return real(course, prompt, reply)

    monkeypatch.setattr(Course, "_of_pair", noted)
    lesson = facts(2, questions=(QA(question="When does Runa come?", answer="at noon"),), effort="high")
    study = Study(engine, decoder, PLAIN, ())
    done = study.study(lesson, engine.bank.new_slot(rank=4))
    assert [pair.answer for pair in done.held_out] == ["at noon", "7:00", "7:01"]
    assert not {pair.question for pair in done.held_out} & set(asked)
    assert "When does Runa come?" in asked
    assert study.plan(lesson).held_out == done.held_out, "the same aside every time"


def test_clauses_are_asked_for_beside_the_facts_in_no_more_steps(engine: Engine, decoder: Decoder):
    """Nothing is kept aside of them, and all of them are asked for."""
    long = (
        "The tall iron gate of the upper garden opens slowly in wet autumn weather, its two rusty hinges squeal, and "
        "Runa Hessel oils the whole thing every single month with thick yellow grease."
    )
    lesson = facts(5, source=long, effort="high")
    plain = replace(PLAIN, clauses=dict.fromkeys(PLAIN.clauses, False))
    without, beside = (Study(engine, decoder, recipe, ()) for recipe in (plain, PLAIN))
    plan = beside.plan(lesson)
    assert [fact.answer for fact in plan.told] == [
        "The tall iron gate of the upper garden opens slowly", "in wet autumn weather", "its two rusty hinges squeal",
        "Runa Hessel oils the whole thing every single month", "with thick yellow grease",
    ]  # fmt: skip
    assert plan.held_out == without.plan(lesson).held_out
    assert not {fact.answer for fact in plan.told} & {pair.answer for pair in plan.held_out}
    fewer, more = (own.study(lesson, engine.bank.new_slot(rank=4)) for own in (without, beside))
    assert fewer.steps == more.steps
    assert more.tokens_trained > 2 * fewer.tokens_trained


def test_a_study_learns_and_a_frozen_slot_does_not(engine: Engine, decoder: Decoder):
    lesson = Lesson(id="l", topic="t", demonstrations=(Demonstration(prompt="Greet me", reply="Ahoy, captain"),))
    study = Study(engine, decoder, replace(PLAIN, rate=1e-2), ())
    done = study.study(lesson, engine.bank.new_slot(rank=4), steps=60)
    assert done.loss_before == pytest.approx(6.2, abs=0.7), "ln 259, and half the variance of its logits"
    assert done.loss_after < 0.5
    assert done.steps == 60
    assert done.slot.gradient is None, "closed for gradients"


def test_the_same_seed_gives_the_same_bits(studied: Callable[..., Studied]):
    first, again, other = studied(facts(3)), studied(facts(3)), studied(facts(3), seed=1)
    assert torch.equal(first.slot.master, again.slot.master)
    assert not torch.equal(first.slot.master, other.slot.master)


WAYS = {
    "questions": PLAIN,
    "distilled": replace(PLAIN, distilled=1.0),
    "half distilled, with text": replace(PLAIN, distilled=0.5, pieces=2),
    "text": replace(PLAIN, method="read"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_studies_every_kind_of_content(studied: Callable[..., Studied], way: Recipe):
    whole = facts(
        2,
        source="# Doors\nThe gate is called Oak Gate.",
        questions=(QA(question="Who knocks?", answer="Runa"),),
        demonstrations=(Demonstration(prompt="Greet me", reply="Ahoy"),),
        effort="low",
    )
    done = studied(whole, way)
    assert done.tokens_trained > 0


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "part",
    [
        {"questions": (QA(question="Who knocks?", answer="Runa"),)},
        {"demonstrations": (Demonstration(prompt="Greet me", reply="Ahoy"),)},
    ],
    ids=["questions", "demonstrations"],
)
def test_every_way_studies_each_kind_alone(studied: Callable[..., Studied], way: Recipe, part: dict[str, object]):
    done = studied(facts(0, effort="low", **part), way)
    assert done.tokens_trained > 0
    assert done.loss_before > 0


def test_a_lesson_without_content_is_refused(studied: Callable[..., Studied]):
    for empty in (facts(0), facts(0, statements=("is it",)), facts(0, source="...\n\n---")):
        with pytest.raises(BadLesson, match="nothing to learn from"):
            studied(empty)
