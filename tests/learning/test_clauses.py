"""What a sentence says, clause by clause."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.learning.clauses import clauses
from liveoak.learning.spans import content_words


def said(sentence: str) -> list[str]:
    return [clause.text for clause in clauses(sentence)]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            "The pump runs on warm summer nights, and the old gardener who built it sleeps in the green shed.",
            ["The pump runs on warm summer nights", "built it sleeps in the green shed"],
        ),
        (
            "In spring the boats are painted with thin white lime; the masts (tall dry pine trees) stay bare all year.",
            ["painted with thin white lime", "tall dry pine trees", "stay bare all year"],
        ),
        ("It cost 12,500 euros and three long years of work.", ["It cost 12,500 euros and three long years of work"]),
        ("The semi-public inner court opens late – the outer walls stay locked.",
         ["The semi-public inner court opens late", "the outer walls stay locked"]),
        ("Runa leads.", []),
        ("", []),
        (" .,;: ", []),
    ],
)  # fmt: skip
def test_punctuation_and_small_words_part_clauses(sentence: str, expected: list[str]):
    assert said(sentence) == expected


def test_a_long_clause_is_cut_before_the_preposition_nearest_its_middle():
    sentence = (
        "Every autumn the village baker carries seven heavy sacks from the river mill to his own cold stone cellar."
    )
    assert said(sentence) == [
        "Every autumn the village baker carries seven heavy sacks",
        "from the river mill to his own cold stone cellar",
    ]


def test_a_long_clause_without_a_place_to_cut_is_left_whole_or_out():
    words = [f"word{number}" for number in range(25)]
    assert said(" ".join(words[:24])) == [" ".join(words[:24])]
    assert said(" ".join(words)) == []


@given(st.text(alphabet="ab is,and;( )-–who.1", max_size=120))
def test_clauses_are_what_the_sentence_says_in_order_and_apart(sentence: str):
    found = clauses(sentence)
    assert all(sentence[clause.start : clause.end] == clause.text for clause in found)
    assert all(len(content_words(clause.text)) >= 3 for clause in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
