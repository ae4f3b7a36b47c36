"""Grading, worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.worlds import answered, f1
from liveoak.worlds.grading import normalised


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Ines Kolb", "Ines Kolb"),
        ("It is Ines Kolb.", "ines kolb"),
        ("the Gentle  Lamp!", "gentle lamp"),
        ("About 37 euros per night", "37 euros"),
        ("37 €", "37 euros"),
        ("You have twelve days.", "12 days"),
        ("thirty-seven euros", "37 euros"),
        ("At 6:40 in the morning", "6:40"),
        ("1,200 litres", "1200 litres"),
        ("06:40", "6:40"),
        ("It opens at 6.40.", "6:40"),
        ("34%", "34 percent"),
        ("Room 214, upstairs", "room 214"),
        ("Ines Kolb's desk", "Ines Kolb"),
        ("O’Neill", "O'Neill"),
    ],
)
def test_right_answers(reply: str, answer: str):
    assert answered(reply, answer)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("", "37"),
        ("137 euros", "37 euros"),
        ("37 eurosceptics", "37 euros"),
        ("37.5 euros", "37 euros"),
        ("Ines", "Ines Kolb"),
        ("Kolb Ines", "Ines Kolb"),
        ("Ines and Kolb", "Ines Kolb"),
        ("16:40", "6:40"),
        ("3.5 euros", "35 euros"),
        ("6:405", "6:40"),
        ("salmonella", "salmon"),
        ("I do not know.", "Tuesday"),
        ("twenty", "2"),
    ],
)
def test_wrong_answers(reply: str, answer: str):
    assert not answered(reply, answer)


def test_an_answer_without_a_word_is_refused():
    with pytest.raises(ValueError, match=r"answer '\.\.\.' holds no word"):
        answered("anything", "...")
    with pytest.raises(ValueError, match="holds no word"):
        answered("anything", "the")


def test_f1_by_hand():
    # reply {it, is, ines, kolb}, answer {ines, kolb}: precision 2/4, recall 2/2, so 2 * 0.5 / 1.5 = 2/3.
    assert f1("It is Ines Kolb.", "Ines Kolb") == pytest.approx(2 / 3)
    assert f1("Kolb Ines", "Ines Kolb") == 1.0
    assert f1("red", "blue") == 0.0
    assert f1("", "blue") == 0.0
    assert f1("the", "a") == 1.0
    # Repeated words count once for each time that both hold them: 1 shared of 3 and 1.
    assert f1("no no no", "no") == pytest.approx(2 * 1 / (3 + 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Twenty-one  apples", ("21", "apples")),
        ("twenty apples", ("20", "apples")),
        ("ninety nineteen", ("90", "19")),
        ("The end, a start.", ("end", "start")),
        ("3.5 and 6:40, 1,200", ("3.5", "and", "6.40", "1200")),
        ("Ａ１", ("a1",)),
    ],
)
def test_normalised_by_hand(text: str, words: tuple[str, ...]):
    assert normalised(text) == words


@given(st.text(max_size=60))
def test_an_answer_answers_itself_in_any_case_and_inside_a_sentence(text: str):
    if not normalised(text):
        return
    assert answered(text, text)
    assert answered(f"I think: {text} !", text)
    assert f1(text, text) == 1.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_f1_is_symmetric_and_between_zero_and_one(one: str, other: str):
    assert 0.0 <= f1(one, other) <= 1.0
    assert f1(one, other) == f1(other, one)
