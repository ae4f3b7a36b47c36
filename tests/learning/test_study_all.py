"""Several lessons at once: each is studied as it would be alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine, Readings
from liveoak.errors import BadLesson, LearningError
from liveoak.learning import study as study_module
from liveoak.learning.course import Studied
from liveoak.learning.objective import Example
from liveoak.learning.recipe import Recipe
from liveoak.learning.study import Assignment, Study
from liveoak.learning.update import Step, Stride, step_together
from liveoak.priors import load_prior
from liveoak.records import Demonstration, Lesson

RECIPE = Recipe(rank=4, other_words=False, anchors=0, views={"low": 1, "medium": 5, "high": 9}, least_facts=0)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


@pytest.fixture(scope="module")
def study(engine: Engine) -> Study:
    return Study(engine, Decoder(engine), RECIPE, ())


def doors(count: int, opens: int) -> Lesson:
    told = tuple(f"The door of room {n} opens at {opens}:{n:02d}." for n in range(count))
    return Lesson(id=f"l{count}", topic="doors", statements=told)


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many slots each step had."""
    found: list[int] = []

    def noted(strides: list[Stride], readings: Readings) -> list[Step | LearningError]:
        found.append(len(strides))
        return step_together(strides, readings)

    monkeypatch.setattr(study_module, "step_together", noted)
    return found


def test_each_lesson_ends_where_it_would_alone(engine: Engine, study: Study, widths: list[int]) -> None:
    lessons = [doors(2, 7), doors(6, 8), doors(3, 9)]
    ranks, steps = (4, 2, 4), (3, 6, 4)
    past = {1: (doors(2, 7),)}

    def slots() -> list[Slot]:
        return [engine.bank.new_slot(rank=rank, seed=seed) for seed, rank in enumerate(ranks)]

    alone = [
        study.study(lesson, slot, past.get(place, ()), steps=steps[place])
        for place, (lesson, slot) in enumerate(zip(lessons, slots(), strict=True))
    ]
    widths.clear()
    told: list[tuple[int, int]] = []
    together = study.study_all(
        [
            Assignment(
                lesson=lesson,
                slot=slot,
                past=past.get(place, ()),
                steps=steps[place],
                on_progress=(lambda _, done, total: told.append((done, total))) if place == 1 else None,
            )
            for place, (lesson, slot) in enumerate(zip(lessons, slots(), strict=True))
        ]
    )
    for one, other in zip(alone, together, strict=True):
        assert isinstance(other, Studied)
        assert replace(other, slot=one.slot, loss_before=0, loss_after=0) == replace(one, loss_before=0, loss_after=0)
        assert (other.loss_before, other.loss_after) == pytest.approx((one.loss_before, one.loss_after), rel=1e-4)
        assert float((other.slot.master - one.slot.master).norm() / one.slot.master.norm()) < 1e-4
        assert other.slot.gradient is None
    assert [one.steps for one in alone] == list(steps)
    assert widths == [3, 3, 3, 2, 1, 1], "who has finished leaves"
    assert told == [(step + 1, 6) for step in range(6)]


def test_a_lesson_that_cannot_be_studied_keeps_nobody_from_it(
    engine: Engine, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned = Demonstration(prompt="Greet me", reply="Ahoy")
    real = study_module.Course._example  # pyright: ignore[reportPrivateUsage]

    def poison(course: study_module.Course, item: object) -> Example:
        made = real(course, item)  # type: ignore[arg-type]
        return replace(made, credit=(float("nan"),) * len(made.credit)) if item is poisoned else made

    monkeypatch.setattr(study_module.Course, "_example", poison)
    empty = Lesson(id="empty", topic="t", statements=("is it",))
    bad = Lesson(id="bad", topic="t", demonstrations=(poisoned,))
    slots = [engine.bank.new_slot(rank=4) for _ in range(3)]
    lessons = [empty, bad, doors(2, 7)]
    done = study.study_all([Assignment(lesson=a, slot=b) for a, b in zip(lessons, slots, strict=True)])
    assert isinstance(done[0], BadLesson)
    assert isinstance(done[1], LearningError) and "expected a finite number" in str(done[1])
    assert isinstance(done[2], Studied) and done[2].steps > 1
    assert all(slot.gradient is None for slot in slots)


def test_a_study_ends_when_its_loss_is_small_enough(engine: Engine, widths: list[int]) -> None:
    easy = Lesson(id="e", topic="t", demonstrations=(Demonstration(prompt="Greet me", reply="Ahoy"),))
    recipe = replace(RECIPE, pieces=0, rate=4e-3, enough=1.0)
    study = Study(engine, Decoder(engine), recipe, ())
    slots = [engine.bank.new_slot(rank=4) for _ in range(2)]
    soon, late = study.study_all(
        [Assignment(lesson=easy, slot=slots[0], steps=40), Assignment(lesson=doors(2, 8), slot=slots[1], steps=3)]
    )
    assert isinstance(soon, Studied) and isinstance(late, Studied)
    assert 3 < soon.steps < 40
    assert soon.loss_after <= 1.0 < soon.loss_before
    assert late.steps == 3
    assert widths == [2] * 3 + [1] * (soon.steps - 3)


def test_wordings_come_again_once_there_are_enough(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    seen: list[Example] = []
    real, taken = study_module.Course._of_pair, study_module.Course.next  # pyright: ignore[reportPrivateUsage]

    def worded(course: study_module.Course, prompt: str, reply: str) -> Example:
        made.append(reply)
        return real(course, prompt, reply)

    def noted(course: study_module.Course) -> Stride:
        stride = taken(course)
        seen.extend(one for one in stride.examples if one.signal == "imitation")
        return stride

    monkeypatch.setattr(study_module.Course, "_of_pair", worded)
    monkeypatch.setattr(study_module.Course, "next", noted)
    recipe = replace(RECIPE, pieces=0, wordings={"low": 2, "medium": 3, "high": 2})
    done = Study(engine, Decoder(engine), recipe, ()).study(doors(2, 7), engine.bank.new_slot(rank=4), steps=9)
    assert sorted(made) == ["7:00"] * 3 + ["7:01"] * 3 + ["room 0"] * 3 + ["room 1"] * 3
    assert len(seen) == done.questions == 9 * 4
    times = [sum(one is other for other in seen) for one in {id(one): one for one in seen}.values()]
    assert len(times) == 12 and set(times) == {3}, "all of them alike"
