"""Exams are marked alike in every arm; contexts are cut to what a budget holds."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.lab.exam import INSTRUCTION, ExamReply, exam_prompt, fit, sit
from liveoak.worlds import HandbookFact, make_handbook


class Reader:
    """Answers from the sentence, where the prompt holds it."""

    def __init__(self, facts: Sequence[HandbookFact], versions: Sequence[str] = ("v1",)) -> None:
        self.facts = facts
        self.versions = versions
        self.prompts: list[str] = []

    def answer(self, prompts: Sequence[str], *, version: str | None = None) -> Sequence[ExamReply]:
        self.prompts += prompts
        replies: list[ExamReply] = []
        for place, prompt in enumerate(prompts):
            fact = next(fact for fact in self.facts if fact.exam_question in prompt)
            text = f"It is {fact.answer}." if fact.sentence in prompt else "I do not know."
            made_by = version or self.versions[place % len(self.versions)]
            replies.append(ExamReply(text=text, version=made_by, prompt_tokens=len(prompt.split())))
        return replies


def test_the_prompt_is_the_question_with_one_instruction_and_the_text_before_it():
    assert exam_prompt("Who?") == f"Who? {INSTRUCTION}"
    assert exam_prompt("Who?", "Some text.\n") == f"Some text.\n\nWho? {INSTRUCTION}"


def test_closed_book_open_book_and_half_a_book():
    book = make_handbook(2)
    reader = Reader(book.facts)
    assert sit(reader, book.facts).recall == 0.0
    whole = sit(reader, book.facts, context=book.text)
    assert whole.recall == 1.0
    # "It is X." against "X" of two words: precision 2/4, recall 1, so 2/3; of one word: 1/3, 1, so 1/2.
    assert {round(mark.f1, 3) for mark in whole.marks} <= {0.5, 0.667, 0.75}
    half = book.text[: len(book.text) // 2]
    known = sum(fact.sentence in half for fact in book.facts)
    assert 0 < known < 20
    assert sit(reader, book.facts, context=half).recall == known / 20


def test_the_sheet_names_the_version_and_the_time():
    book = make_handbook(2, 3)
    ticks = iter([10.0, 12.5])
    sheet = sit(Reader(book.facts), book.facts, version="abc", clock=lambda: next(ticks))
    assert (sheet.version, sheet.seconds) == ("abc", 2.5)
    assert sheet.replies == ("I do not know.",) * 3


def test_an_exam_of_two_versions_is_no_exam():
    book = make_handbook(2, 4)
    with pytest.raises(ValueError, match=r"\['v1', 'v2'\]"):
        sit(Reader(book.facts, versions=("v1", "v2")), book.facts)
    with pytest.raises(ValueError, match="at least one fact"):
        sit(Reader(()), ())


def words(text: str) -> int:
    return len(text.split())


def test_fit_by_hand():
    text = "One two three. Four five! Six seven eight nine. Ten."
    assert fit(text, 100, words) == text
    assert fit(text, 9, words) == "One two three. Four five! Six seven eight nine."
    assert fit(text, 8, words) == "One two three. Four five!"
    assert fit(text, 3, words) == "One two three."
    assert fit(text, 2, words) == ""


@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), st.integers(1, 200))
def test_fit_keeps_whole_sentences_and_is_the_longest_that_fits(lengths: list[int], budget: int):
    sentences = [" ".join(["word"] * length) + "." for length in lengths]
    text = " ".join(sentences)
    kept = fit(text, budget, words)
    assert words(kept) <= budget
    assert text.startswith(kept)
    parts = kept.count(".")
    assert kept == " ".join(sentences[:parts])
    if parts < len(sentences):
        assert words(" ".join(sentences[: parts + 1])) > budget


def test_fit_asks_seldom():
    book = make_handbook(4, 40)
    asked: list[int] = []

    def count(text: str) -> int:
        asked.append(words(text))
        return asked[-1]

    fit(book.text, 512, count)
    assert len(asked) <= 5
