"""Questions: many, different, faithful to the sentence, and silent about the answer."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.learning.asking import BRIEF, Fact, ask, fact_of_question, fact_of_span
from liveoak.learning.spans import content_words, find_spans, phrase_spans
from liveoak.records import QA

SENTENCE = "The key to the boathouse hangs with Runa Hessel until 7:25."


def fact(sentence: str, answer: str, subject: str = "") -> Fact:
    spans = [*find_spans(sentence), *phrase_spans(sentence)]
    return fact_of_span(sentence, next(span for span in spans if span.text == answer), subject)


def says(question: str, answer: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", question, re.IGNORECASE) is not None


@pytest.mark.parametrize(
    ("sentence", "answer", "first"),
    [
        (SENTENCE, "Runa Hessel", "who"),
        (SENTENCE, "7:25", "what time"),
        ("It costs $5 now.", "$5", "how much"),
        ("It has 12 rooms.", "12 rooms", "how many rooms"),
        ("A 12-month lease.", "12-month", "how many months"),
        ("It lasts 12 days.", "12 days", "how many days"),
        ("It is 25kg.", "25kg", "how heavy"),
        ("It is 2.5 km away.", "2.5 km", "how far"),
        ("It grew by 3%.", "3%", "what share"),
        ("It grew by 7.5 per cent.", "7.5 per cent", "what share"),
        ("It is 20 °C there.", "20 °C", "how many degrees"),
        ("Lunch is 3 euros.", "3 euros", "how many euros"),
        ("It needs five feet.", "five feet", "how many feet"),
        ("Since 1987 it is so.", "1987", "what year"),
    ],
)
def test_the_question_word_fits_the_answer(sentence: str, answer: str, first: str):
    assert fact(sentence, answer).asked[0] == first


def test_questions_by_hand():
    asked = [pair.question.removesuffix(BRIEF).strip() for pair in ask(fact(SENTENCE, "7:25"), random.Random(0), 40)]
    assert "The key to the boathouse hangs with Runa Hessel until what time?" in asked
    assert any("____" in question for question in asked)
    words = {"key", "boathouse", "hangs", "runa", "hessel"}
    assert all(words & {word.lower() for word in content_words(question)} for question in asked)


def test_a_given_question_comes_first_and_keeps_its_words():
    given_fact = fact_of_question(QA(question="At what time does the boathouse open?", answer="7:25"), "Oak House")
    first, *others = [pair.question for pair in ask(given_fact, random.Random(3), 12)]
    assert first.removesuffix(f" {BRIEF}") == "At what time does the boathouse open?"
    assert len(others) == 11
    assert given_fact.asked == ("at what",)
    assert all({"boathouse", "open", "time"} & set(re.findall("[a-z]+", question.lower())) for question in others)


def test_half_of_the_questions_ask_for_brevity():
    asked = [pair for seed in range(30) for pair in ask(fact(SENTENCE, "Runa Hessel"), random.Random(seed), 10)]
    share = sum(pair.question.endswith(BRIEF) for pair in asked) / len(asked)
    assert 0.4 < share < 0.6


def test_an_answer_that_its_sentence_repeats_is_asked_about_without_either():
    repeated = fact("Of the 12 rooms under number 12, twelve are blue.", "12")
    assert repeated.after.count("12") == 0
    assert all(not says(pair.question, "12") for pair in ask(repeated, random.Random(0), 20))


def test_the_subject_does_not_give_the_answer_away():
    told = fact("Its founder was Hessel.", "Hessel", subject="Hessel House")
    assert all(not says(pair.question, "Hessel") for pair in ask(told, random.Random(0), 20))


@pytest.mark.parametrize("answer", ["what", "How many", "words", "question", "?", "it", "which word is meant"])
@pytest.mark.parametrize("said", ["", "Why?", "What is it?", "?"])
def test_there_is_always_something_to_ask(answer: str, said: str):
    """Studies keep one wording aside and train on another: two must differ."""
    bare = Fact(answer=answer, before="", after="", asked=("what",), subject="", said=said)
    asked = {pair.question.removesuffix(BRIEF).strip() for pair in ask(bare, random.Random(0), 6)}
    assert len(asked) >= 2


sentences = st.one_of(
    st.sampled_from(
        [
            SENTENCE,
            "The Oak House has 12 rooms and 12 floors in the Oak House.",
            "Anna pays $5, Berta pays $5.50 and Clara pays five.",
            "In May 2021 what the few words of a question told us was who we are.",
        ]
    ),
    st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=60),
    st.lists(st.sampled_from("Anna Berg 12 rooms $5 the of what who please tell can Monday".split()), max_size=14).map(
        " ".join
    ),
)


@given(sentences, st.sampled_from(["", "Oak House", "Anna", "12"]), st.integers(0, 2**32), st.integers(1, 12))
def test_questions_differ_and_none_says_its_answer(sentence: str, subject: str, seed: int, count: int):
    for span in (*find_spans(sentence), *phrase_spans(sentence)):
        asked = ask(fact_of_span(sentence, span, subject), random.Random(seed), count)
        assert 1 <= len(asked) <= count
        assert len({pair.question for pair in asked}) == len(asked)
        for pair in asked:
            assert pair.answer == span.text
            assert not says(pair.question, pair.answer), pair
            assert pair.question == " ".join(pair.question.split())
        assert asked == ask(fact_of_span(sentence, span, subject), random.Random(seed), count)


@given(st.text(max_size=60), st.text(min_size=1, max_size=10), st.integers(0, 2**32))
def test_given_questions_are_kept_and_varied_whatever_they_are(question: str, answer: str, seed: int):
    asked = ask(fact_of_question(QA(question=question, answer=answer), "Oak House"), random.Random(seed), 6)
    assert len(asked) >= 2
    assert asked[0].question.startswith(question.strip())
    assert len({pair.question for pair in asked}) == len(asked)
    assert all(not says(pair.question, answer) for pair in asked[bool(question.strip()) :])
