"""The exam must be fair: stated in the text, unambiguous, unguessable, and worded unlike any lesson."""

import re
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveoak.worlds import MOST_FACTS, answered, make_handbook
from liveoak.worlds.firm import TOPICS, Kind
from liveoak.worlds.grading import normalised

# Words that carry no matter: a question may share them with the text.
_GRAMMAR = """
a about all am an and any are as at be been by can do does did each every for from get had has have
her here how i if in into is it its keep may me more must my no not of off on one only or our out
over should so somebody staff takes that the their them then there they this to under up was we were
what when where which while who whoever whom whose will with would you your
"""
MOST_SHARED = 0.25
"""Highest share of content words (Jaccard) that an exam wording has in common with any sentence or taught wording."""


def content(template: str) -> set[str]:
    """Crude stems of the words that carry matter, subject and firm left out: those must be named to be asked about."""
    plain = re.sub(r"\{\w+\}", " ", template).lower()
    words = set(re.findall(r"[a-z]+", plain)) - set(_GRAMMAR.split())
    return {re.sub(r"(?:ing|ed|es|s|e)$", "", word) if len(word) > 4 else word for word in words}


def shared(one: str, other: str) -> float:
    left, right = content(one), content(other)
    return len(left & right) / max(1, len(left | right))


def kinds() -> Iterable[Kind]:
    return (kind for topic in TOPICS for kind in topic.kinds)


def test_there_are_many_kinds_with_many_wordings():
    names = [kind.name for kind in kinds()]
    assert len(names) == len(set(names)) >= 40
    for kind in kinds():
        assert len(set(kind.sentences)) >= 3, kind.name
        assert len(set(kind.taught)) >= 2, kind.name
        assert len(set(kind.exam)) >= 2, kind.name
        assert all(sentence.count("{a}") == 1 for sentence in kind.sentences), kind.name
        assert all("{a}" not in question and "{firm}" in question for question in (*kind.taught, *kind.exam)), kind.name
        if kind.subjects != ("",):
            assert all("{s}" in template for template in (*kind.sentences, *kind.taught, *kind.exam)), kind.name
        assert all(question.rstrip()[-1] in "?." for question in (*kind.taught, *kind.exam)), kind.name


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.name)
def test_exam_is_worded_unlike_sentence_and_taught_question(kind: Kind):
    for exam in kind.exam:
        for lesson in (*kind.sentences, *kind.taught):
            assert shared(exam, lesson) <= MOST_SHARED, (exam, lesson, content(exam) & content(lesson))


def test_the_measure_sees_a_copied_question():
    assert shared("Who heads the {s} of {firm}?", "The {s} is headed by {a}.") == 1.0
    assert shared("Who heads the {s}?", "Which manager do people in the {s} report to?") == 0.0


def test_no_two_kinds_ask_in_the_same_words():
    wordings = [question for kind in kinds() for question in (*kind.taught, *kind.exam)]
    assert len(wordings) == len(set(wordings))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**63), facts=st.integers(1, MOST_FACTS))
def test_every_handbook_is_a_fair_exam(seed: int, facts: int):
    book = make_handbook(seed, facts)
    assert len(book.facts) == facts
    assert book.text.startswith(f"# Handbook of {book.firm}\n")
    everything = normalised(book.text)
    answers = [fact.answer for fact in book.facts]
    for fact in book.facts:
        wanted = normalised(fact.answer)
        assert 1 <= len(fact.answer.split()) <= 4
        assert fact.answer in fact.sentence
        assert book.text.count(fact.sentence) == 1
        # Stated once in the whole text: neither another fact nor the prose between answers it too.
        places = [i for i in range(len(everything)) if everything[i : i + len(wanted)] == wanted]
        assert len(places) == 1, fact
        for question in (fact.exam_question, fact.taught_question):
            assert book.firm in question
            assert "{" not in question
            assert not any(answered(question, answer) for answer in answers), question
        assert fact.exam_question != fact.taught_question
    assert len(set(answers)) == facts
    for questions in ([fact.exam_question for fact in book.facts], [fact.taught_question for fact in book.facts]):
        assert len(set(questions)) == facts


def test_subjects_of_one_kind_tell_its_facts_apart():
    book = make_handbook(3, 60)
    frames: dict[str, list[str]] = {}
    subjects = {subject for kind in kinds() for subject in kind.subjects if subject}
    for fact in book.facts:
        named = [subject for subject in subjects if subject in fact.exam_question]
        frame = fact.exam_question
        for subject in named:
            frame = frame.replace(subject, "_")
        frames.setdefault(frame, []).append(fact.exam_question)
    assert any(len(questions) > 1 for questions in frames.values())
    assert all(len(set(questions)) == len(questions) for questions in frames.values())


def test_same_seed_same_handbook_other_seed_other_handbook():
    assert make_handbook(5) == make_handbook(5)
    books = [make_handbook(seed) for seed in range(20)]
    assert len({book.text for book in books}) == 20
    known = {fact.answer for fact in books[0].facts}
    repeated = [sum(fact.answer in known for fact in book.facts) for book in books[1:]]
    assert max(repeated) <= 3


def test_twenty_facts_cover_several_topics_and_overflow_a_small_context():
    for seed in range(20):
        book = make_handbook(seed)
        assert len({fact.topic for fact in book.facts}) == 5
        # English prose with invented names takes more than one token a word.
        assert 580 <= len(book.text.split()) <= 760


@pytest.mark.parametrize("facts", [0, -1, MOST_FACTS + 1])
def test_an_impossible_number_of_facts_is_refused(facts: int):
    with pytest.raises(ValueError, match=f"facts = {facts}"):
        make_handbook(0, facts)
