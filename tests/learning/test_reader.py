"""The reader: window after window into one slot, with what came before repeated and kept aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine
from liveoak.engine import Sequence as Tokens
from liveoak.errors import BadLesson
from liveoak.learning import reader as reader_module
from liveoak.learning.course import Course
from liveoak.learning.reader import Reached, Reader
from liveoak.learning.recipe import Recipe
from liveoak.learning.study import Study
from liveoak.priors import load_prior
from liveoak.records import QA, Lesson, Message

PLAIN = Recipe(
    rank=4,
    pieces=0,
    other_words=False,
    anchors=0,
    views={"low": 1, "medium": 4, "high": 9},
    least_facts=0,
    phrases=0,
    past={"low": 0.5, "medium": 0.5, "high": 0.5},
)
ROOMS = [
    f"The door of the {colour} room opens at {hour}:15." for hour, colour in enumerate("red blue green".split(), 7)
]
BOOK = Lesson(id="book", topic="doors", source="\n\n".join(ROOMS))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


@pytest.fixture
def slot(engine: Engine) -> Slot:
    return engine.bank.new_slot(rank=4)


@pytest.fixture
def reader(engine: Engine) -> Callable[..., Reader]:
    def make(most: int = 60, recipe: Recipe = PLAIN) -> Reader:
        return Reader(Study(engine, Decoder(engine), recipe, ()), engine.tokenizer.encode, most)

    return make


def test_what_fits_is_one_window_and_studied_as_ever(engine: Engine, reader: Callable[..., Reader]):
    alone, read = (engine.bank.new_slot(rank=4) for _ in range(2))
    Study(engine, Decoder(engine), PLAIN, ()).study(BOOK, alone)
    was = reader(1000).read([BOOK], read)
    assert was.windows == 1
    assert torch.equal(alone.master, read.master)


def test_what_somebody_chose_comes_last_and_whole(reader: Callable[..., Reader]):
    chosen = replace(BOOK, statements=("Runa has the key.",), questions=(QA(question="Who has it?", answer="Runa"),))
    pieces = list(reader().windows(chosen))
    assert [piece.source for piece in pieces] == [*ROOMS, ""]
    assert pieces[-1] == replace(chosen, source="")
    assert [piece.id for piece in pieces] == ["book/0", "book/1", "book/2", "book"]


def test_each_window_repeats_what_came_before_and_only_that(
    reader: Callable[..., Reader], slot: Slot, monkeypatch: pytest.MonkeyPatch
):
    answers: list[set[str]] = []
    real_course, real_pair = Course.__init__, Course._of_pair  # pyright: ignore[reportPrivateUsage]

    def begun(course: Course, *given: object) -> None:
        answers.append(set())
        real_course(course, *given)  # type: ignore[arg-type]

    def asked(course: Course, prompt: str, reply: str) -> object:
        answers[-1].add(reply)
        return real_pair(course, prompt, reply)

    monkeypatch.setattr(Course, "__init__", begun)
    monkeypatch.setattr(Course, "_of_pair", asked)
    reader().read([BOOK], slot)
    assert answers == [{"7:15"}, {"7:15", "8:15"}, {"7:15", "8:15", "9:15"}, {"7:15", "8:15", "9:15"}]


def test_all_windows_are_reviewed_after_the_last(reader: Callable[..., Reader], slot: Slot):
    told: list[Reached] = []
    was = reader().read([BOOK], slot, on_reached=told.append)
    again = [one for one in told if one.review]
    first = [one for one in told if not one.review]
    assert told == first + again
    assert len(again) == -(-len(first) // 3) and [one.done for one in again] == list(range(1, len(again) + 1))
    assert was.studied.steps == len(told)
    told.clear()
    reader(1000).read([BOOK], slot, on_reached=told.append)
    assert not any(one.review for one in told), "one window is no text to review"


def test_questions_are_kept_aside_in_every_window_and_never_asked(
    reader: Callable[..., Reader], slot: Slot, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    real = Course._of_pair  # pyright: ignore[reportPrivateUsage]

    def noted(course: Course, prompt: str, reply: str) -> object:
        asked.append(prompt)
        return real(course, prompt, reply)

    monkeypatch.setattr(Course, "_of_pair", noted)
    often = dict.fromkeys(("low", "medium", "high"), 40)
    was = reader(recipe=replace(PLAIN, views=often, wordings=often)).read([BOOK], slot)
    assert [pair.answer for pair in was.studied.held_out] == ["7:15", "8:15", "9:15"]
    assert not {pair.question for pair in was.studied.held_out} & set(asked)
    assert len(asked) > 3 * 40


def test_what_is_held_is_the_same_when_it_is_read_again(reader: Callable[..., Reader], slot: Slot):
    was = reader().read([BOOK], slot)
    assert reader().keep(BOOK) == was.kept
    assert [len(items) for items in was.kept.items] == [1, 1, 1]


def test_earlier_lessons_are_repeated_from_what_is_held_of_them(
    reader: Callable[..., Reader], slot: Slot, monkeypatch: pytest.MonkeyPatch
):
    answers: set[str] = set()
    real = Course._of_pair  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(Course, "_of_pair", lambda c, q, a: (answers.add(a), real(c, q, a))[1])  # type: ignore[misc]
    past = reader().keep(BOOK)
    other = Lesson(id="other", topic="keys", statements=("The key hangs with Runa Hessel.",))
    reader().read([other], slot, [past])
    assert answers == {"7:15", "8:15", "9:15", "Runa Hessel"}


def test_several_lessons_are_read_like_windows_and_progress_counts_them(reader: Callable[..., Reader], slot: Slot):
    told: list[Reached] = []
    other = Lesson(id="other", topic="keys", statements=("The key hangs with Runa Hessel.",))
    was = reader().read([BOOK, other], slot, on_reached=told.append)
    assert was.windows == 4
    assert list(dict.fromkeys((one.window, one.windows) for one in told)) == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(told) == was.studied.steps
    assert [pair.answer for pair in was.studied.held_out] == ["7:15", "8:15", "9:15", "Runa Hessel"]


def test_between_windows_others_have_their_turn(reader: Callable[..., Reader], slot: Slot):
    turns: list[int] = []
    reader().read([BOOK], slot, between=lambda: turns.append(slot.steps))
    assert len(turns) == 2 and 0 < turns[0] < turns[1] < slot.steps


def test_windows_without_anything_to_ask_are_passed_over(reader: Callable[..., Reader], slot: Slot):
    text = "\n\n".join([ROOMS[0], "is it " * 12, ROOMS[1]])
    was = reader(75).read([replace(BOOK, source=text)], slot)
    assert was.windows == 3
    assert [pair.answer for pair in was.studied.held_out] == ["7:15", "8:15"]
    with pytest.raises(BadLesson, match="'doors' has nothing to learn from"):
        reader(30).read([replace(BOOK, source="is it " * 12)], slot)


def test_what_is_held_of_a_long_text_is_bounded(
    reader: Callable[..., Reader], slot: Slot, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reader_module, "REPEATED", 4)
    monkeypatch.setattr(reader_module, "ASIDE", 4)
    many = "\n\n".join(f"The red door of the old house opens at 7:{n:02d}." for n in range(24))
    plain = reader(recipe=replace(PLAIN, views={"low": 1, "medium": 1, "high": 1}))
    was = plain.read([replace(BOOK, source=many)], slot)
    study = plain._study  # pyright: ignore[reportPrivateUsage]
    assert was.windows == 24
    assert 2 <= sum(map(len, was.kept.items)) <= 4 and len(was.kept.held_out) <= 4
    assert not study._plans, "no window's plan is held"  # pyright: ignore[reportPrivateUsage]
    minutes = [int(pair.answer[2:]) for pair in was.kept.held_out]
    assert min(minutes) < 8 and max(minutes) >= 12, "of the beginning and of the end"


def test_a_teachers_answers_are_learned_in_place_of_the_given_ones(engine: Engine, reader: Callable[..., Reader]):
    """The teacher believes otherwise than the lesson says, and the student comes to believe the teacher."""
    believed = replace(BOOK, id="t", source=ROOMS[0].replace("7:15", "9:45"))
    teacher, student, control = (engine.bank.new_slot(rank=4) for _ in range(3))
    recipe = replace(PLAIN, rate=1e-2, views=dict.fromkeys(("low", "medium", "high"), 60))
    reader(200, recipe).read([believed], teacher)
    lesson = replace(BOOK, source=ROOMS[0])
    reader(200, recipe).read([lesson], student, teacher=teacher)
    reader(200, recipe).read([lesson], control)

    question = reader(200).keep(lesson).held_out[0].question
    start = engine.tokenizer.render([Message(role="user", content=question)], add_generation_prompt=True).ids

    def likes(slot: Slot, ids: Sequence[int]) -> float:
        wanted = tuple(range(len(start) - 1, len(start) + len(ids) - 1))
        batch = [Tokens(ids=(*start, *ids[:-1]), slot=slot, wanted=wanted)]
        logs = engine.infer(lambda: engine.logits(batch).log_softmax(-1))
        return float(logs.gather(1, torch.tensor(ids).unsqueeze(1)).sum())

    said, given = (engine.tokenizer.encode(time) for time in ("9:45", "7:15"))
    assert likes(control, given) > likes(control, said)
    assert likes(student, said) > likes(student, given)
