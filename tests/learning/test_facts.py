"""From a lesson to facts: what is named and counted first, then the words that surprise."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from liveoak.config import load_settings
from liveoak.engine import Engine
from liveoak.engine import Sequence as Tokens
from liveoak.learning.asking import ask, fact_of_clause
from liveoak.learning.clauses import clauses
from liveoak.learning.facts import given_facts, read_lesson, stated_facts, subject_of, surprising, told_facts
from liveoak.learning.reading import Sentence, read
from liveoak.learning.recipe import Recipe
from liveoak.learning.spans import content_words
from liveoak.priors import load_prior
from liveoak.records import QA, Lesson


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused")))


def lesson(**fields: object) -> Lesson:
    return Lesson(**{"id": "l", "topic": "the boathouse", **fields})  # type: ignore[arg-type]


def test_source_and_statements_are_read_as_one_text():
    reading = read_lesson(lesson(source="# Oak House\nIt is old.", statements=("It is red. It is tall.\n", " ")))
    assert reading.title == "Oak House"
    assert [one.text for one in reading.sentences] == ["It is old.", "It is red.", "It is tall."]


def test_what_is_said_twice_is_read_once():
    reading = read_lesson(
        lesson(source="# A\nIt is old. It is red.\n# B\nIt is old.", statements=("It is red.", "New."))
    )
    assert [(one.text, one.heading) for one in reading.sentences] == [
        ("It is old.", "A"), ("It is red.", "A"), ("New.", ""),
    ]  # fmt: skip


def test_the_subject_is_the_name_that_the_text_repeats():
    text = "# Oak House\nOak House is old. Ask Runa Hessel. In Oak House live 12 people."
    assert subject_of(read(text), "a topic") == "Oak House"
    assert subject_of(read("Nothing is named twice by Runa."), "a topic") == "a topic"


def test_names_and_numbers_come_first_then_words_of_plain_sentences(engine: Engine):
    source = "The key hangs with Runa Hessel. It opens at 7:25. The paint smells odd. The roof leaks."
    facts = stated_facts(engine, lesson(source=source), Recipe(least_facts=4))
    assert [fact.answer for fact in facts[:2]] == ["Runa Hessel", "7:25"]
    assert facts[0].before + facts[0].answer + facts[0].after == "The key hangs with Runa Hessel."
    assert len(facts) == 4
    assert {fact.answer for fact in facts[2:]} <= {"paint", "smells", "odd", "roof", "leaks"}
    assert len(stated_facts(engine, lesson(source=source), Recipe(least_facts=4, most_facts=1))) == 1


def test_long_sentences_that_state_names_are_asked_about_more_where_effort_is_high(engine: Engine):
    """Beside their names, and never in place of what sentences say that state none."""
    long = (
        "Every small brass key of that old house hangs beside the green kitchen door, where Runa Hessel keeps it dry."
    )
    source = f"{long} Otto Berg locks the boat house at 7:25. The red roof leaks."
    recipe = Recipe(least_facts=0, phrases=0.4)
    texts = {
        effort: stated_facts(engine, lesson(source=source, effort=effort), recipe) for effort in ("medium", "high")
    }
    assert texts["high"][: len(texts["medium"])] == texts["medium"]
    (more,) = texts["high"][len(texts["medium"]) :]
    assert f"{more.before}{more.answer}{more.after}" == long
    assert "Runa" not in more.answer


def test_long_sentences_are_asked_for_clause_by_clause_where_effort_is_high():
    long = (
        "Every small brass key of that old house hangs beside the green kitchen door, where Runa Hessel keeps it dry."
    )
    source = f"{long} The red roof leaks."
    told = told_facts(lesson(source=source, effort="high"), Recipe())
    assert [fact.answer for fact in told] == [
        "Every small brass key", "old house hangs beside the green kitchen door", "where Runa Hessel keeps it dry",
    ]  # fmt: skip
    assert told_facts(lesson(source=source), Recipe()) == []
    assert len(told_facts(lesson(source=source, effort="high"), Recipe(most_facts=2))) == 2


def test_a_clause_is_asked_for_by_its_own_words_and_never_told():
    """Words next to it may be in the question too: people ask with these."""
    sentence = (
        "Since two wet years, the new pump of the garden runs on warm nights, which the neighbours dislike a lot."
    )
    clause = clauses(sentence)[1]
    assert clause.text == "the new pump of the garden runs on warm nights"
    fact = fact_of_clause(sentence, clause, "the boathouse")
    asked = [pair.question.lower() for pair in ask(fact, random.Random(0), 40)]
    assert any("years" in question and "neighbours" in question for question in asked)
    assert not any("lot" in question for question in asked)
    assert all(any(word in question for word in content_words(clause.text)) for question in asked)
    assert not any(clause.text.lower() in question for question in asked)


def test_a_word_that_somebody_gave_as_an_answer_is_not_told_in_a_phrase(engine: Engine):
    sentence = Sentence(text="The van of the old firm is a lilac Ford.", heading="")
    plain, given = (
        {span.text for _, span in surprising(engine, [sentence], 2, answers)}
        for answers in (frozenset[str](), frozenset({"lilac"}))
    )
    assert "lilac Ford" in plain
    assert "lilac" in given


def test_the_subject_itself_is_no_answer(engine: Engine):
    source = "Oak House has 12 rooms. We love Oak House."
    answers = [fact.answer for fact in stated_facts(engine, lesson(source=source), Recipe(least_facts=0, phrases=0))]
    assert answers == ["12 rooms"]


def test_given_questions_are_facts_with_the_texts_subject():
    facts = given_facts(lesson(questions=(QA(question="Who leads?", answer="Runa"),)))
    assert [(fact.answer, fact.said, fact.subject) for fact in facts] == [("Runa", "Who leads?", "the boathouse")]


def test_the_most_surprising_word_is_the_dearest_by_the_priors_own_figures(engine: Engine):
    """Each word's cost summed by hand over its bytes, which are the tokens of this prior."""
    sentence = Sentence(text="The paint smells odd.", heading="Rooms")
    ((_, span),) = surprising(engine, [sentence], 1)
    whole = f"{sentence.heading}\n{sentence.text}".encode()
    with torch.inference_mode():
        logprobs = engine.logits([Tokens(ids=tuple(whole), wanted=tuple(range(len(whole))))]).log_softmax(-1)
    offset = len("Rooms\n")
    costs = {
        word: -sum(
            float(logprobs[place - 1, whole[place]])
            for place in range(offset + sentence.text.index(word), offset + sentence.text.index(word) + len(word))
        )
        for word in ("paint", "smells", "odd")
    }
    assert span.text == max(costs, key=lambda word: costs[word])


@pytest.mark.prior
def test_a_coined_word_that_opens_a_sentence_is_a_name(engine: Engine):
    """Ordinary words that open sentences stay out; a prior that reads bytes cannot tell, and takes none."""
    default_engine = Engine(load_prior("smollm2-135m", cache=load_settings().cache))
    source = "Sovatonne is the name of our rucksack. Complaints are answered at once. Philhellenes were many."
    recipe = Recipe(least_facts=0, phrases=0)
    answers = [fact.answer for fact in stated_facts(default_engine, lesson(source=source), recipe)]
    assert answers == ["Sovatonne", "Philhellenes"]
    assert stated_facts(engine, lesson(source=source), recipe) == []


def test_many_words_are_taken_from_the_most_surprising_sentences_and_no_more_than_asked(engine: Engine):
    sentences = [Sentence(text=f"the {word} stands still", heading="") for word in ("oak", "xylophone", "elm")]
    found = surprising(engine, sentences, 2)
    assert len(found) == 2
    assert found[0][1].text == "xylophone", "on a prior that knows nothing, the longest word costs most"
    assert surprising(engine, sentences, 0) == surprising(engine, sentences, -3) == []


@pytest.mark.parametrize(
    "text", ["wort " * 3000, "漢字" * 3000, "é" * 6000, "a,b;" * 2000], ids=["words", "cjk", "accents", "csv"]
)
def test_a_text_without_sentences_is_read_in_bounded_pieces(engine: Engine, text: str):
    """One endless line must not become one endless sequence for the model."""
    before = torch.get_num_threads()
    facts = stated_facts(engine, lesson(source=text), Recipe(least_facts=3))
    assert all(len(fact.before) + len(fact.after) <= 510 for fact in facts)
    assert torch.get_num_threads() == before
