"""Who won shows how: moves of others in sight, what is usual, and one's own play as a demonstration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.records import Origin, Rendered, Span
from liveoak.signals import Move, Usual, as_demonstrated, moves

TAKES = ("a1", "b1", "b2")


@pytest.mark.parametrize(
    ("possible", "answers", "found"),
    [
        ([TAKES], ["0 2\nb2\n0 0 lost"], [Move(turn=0, seen="0 2", action="b2")]),
        # The end of an episode, in which nobody else moved.
        ([TAKES, ("a1",)], ["1 2\nb2\n1 0", "0 0 won"], [Move(turn=0, seen="1 2", action="b2")]),
        # Two others, one after the other.
        (
            [TAKES],
            ["1 2\nb1\n1 1\na1\n0 1"],
            [Move(turn=0, seen="1 2", action="b1"), Move(turn=0, seen="1 1", action="a1")],
        ),
        # What stands before everything was done nowhere, and words of a sentence are no move.
        ([TAKES], ["b2\n0 0"], []),
        ([TAKES], ["0 2\nhe took b2\n0 0"], []),
        ([TAKES], ["0 2\nc9\n0 0"], []),
        ([()], ["0 2\nb2\n0 0"], []),
        ([("", "b2")], ["0 2\n\n0 0"], []),
        ([], [], []),
    ],
)
def test_a_line_that_is_nothing_but_an_action_is_a_move_after_the_lines_before_it(
    possible: list[tuple[str, ...]], answers: list[str], found: list[Move]
):
    assert moves(possible, answers) == tuple(found)


@given(turns=st.lists(st.tuples(st.lists(st.text(max_size=3), max_size=4), st.text(max_size=40)), max_size=6))
def test_a_move_is_one_that_the_agent_could_have_made_and_stands_behind_what_was_seen(
    turns: list[tuple[list[str], str]],
):
    possible, answers = [actions for actions, _ in turns], [answer for _, answer in turns]
    for move in moves(possible, answers):
        assert move.action in possible[move.turn]
        lines = answers[move.turn].splitlines()
        assert move.action in [line.strip() for line in lines]
        assert move.seen.strip() and set(move.seen.split("\n")) <= set(lines)


def test_usual_is_the_mean_of_all_that_was_lived():
    usual = Usual()
    assert usual.mean == 0
    for worth in (1.0, -1.0, -1.0, 0.0):
        usual = usual.after(worth)
    assert usual == Usual(total=-1.0, count=4) and usual.mean == -0.25


def test_what_the_agent_chose_is_shown_and_the_rest_stays():
    spans = (
        Span(origin=Origin.OBSERVED, start=0, end=2),
        Span(origin=Origin.ACTED, start=2, end=3),
        Span(origin=Origin.SCAFFOLD, start=3, end=4),
    )
    shown = as_demonstrated(Rendered(ids=(1, 2, 3, 4), spans=spans))
    assert shown.ids == (1, 2, 3, 4)
    assert [span.origin for span in shown.spans] == [Origin.OBSERVED, Origin.DEMONSTRATED, Origin.SCAFFOLD]
