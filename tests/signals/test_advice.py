"""What a world's answers name that could have been done instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.records import Origin, Rendered, Span
from liveoak.signals import Acted, Episode, advice, heeded

DOORS = ("red", "blue", "green")


@pytest.mark.parametrize(
    ("possible", "answers", "named"),
    [
        ([DOORS], ["red was right. in the hall."], ("red",)),
        ([DOORS], ["You should have taken the BLUE one, not the red."], ("blue",)),
        ([DOORS, DOORS], ["in the hall.", "green was right."], (None, "green")),
        # What is named could only have been done on the first turn.
        ([DOORS, ("walk", "rest"), ("walk", "rest")], ["sun.", "rain.", "green helps here."], ("green", None, None)),
        # The first answer that speaks of a turn stands.
        ([DOORS, ("walk", "rest")], ["red was right.", "blue was right."], ("red", None)),
        # Words of their own, and the longer of two.
        ([("go", "go north")], ["goblins; go north instead"], ("go north",)),
        ([("a", "b")], ["a barrel"], ("a",)),
        ([("a1", "b2")], ["the bag held ab2c"], (None,)),
        ([("C++", "D")], ["write C++, please"], ("C++",)),
        # Who had no choice is told nothing.
        ([("walk",)], ["walk"], (None,)),
        ([()], ["red"], (None,)),
        ([("", " ")], ["nothing"], (None,)),
        ([], [], ()),
    ],
)
def test_an_answer_is_about_the_latest_turn_that_could_have_done_what_it_names(
    possible: list[tuple[str, ...]], answers: list[str], named: tuple[str | None, ...]
):
    assert advice(possible, answers) == named


@given(turns=st.lists(st.tuples(st.lists(st.text(max_size=4), max_size=4), st.text(max_size=40)), max_size=6))
def test_what_is_named_is_one_of_the_actions_of_its_turn_and_stands_in_an_answer_to_it_or_to_a_later_one(
    turns: list[tuple[list[str], str]],
):
    possible, answers = [actions for actions, _ in turns], [answer for _, answer in turns]
    named = advice(possible, answers)
    assert len(named) == len(turns)
    for place, action in enumerate(named):
        assert action is None or action in possible[place]
        assert action is None or any(action.lower() in answer.lower() for answer in answers[place:])


def test_what_was_done_as_named_is_held_and_nothing_else():
    turns = [
        Acted(turn="did", places=(1, 2), logprobs=(-1.0, -1.0), heeded=True),
        Acted(turn="did not", places=(4,), logprobs=(-1.0,), heeded=False),
        Acted(turn="was told nothing", places=(6,), logprobs=(-1.0,)),
    ]
    rendered = Rendered(ids=tuple(range(8)), spans=(Span(origin=Origin.ACTED, start=0, end=8),))
    credit = heeded(Episode(id="e", rendered=rendered, acted=tuple(turns)), 0.5)
    assert credit.signal == "advice"
    assert credit.weights == (0, 0.5, 0.5, 0, 0, 0, 0, 0)
