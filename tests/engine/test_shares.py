"""Who computes next: the account of one thread's time, in seconds that nobody waits for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveoak.engine.shares import Shares


def contend(shares: Shares, step: float, piece: float, seconds: float) -> str:
    """Both always want to: R for each reply's step, L for each piece of a lesson."""
    order = ""
    while (order.count("R") * step + order.count("L") * piece) < seconds:
        if shares.serving_is_due:
            shares.served(step, contested=True)
            order += "R"
        else:
            shares.studied(piece, contested=True)
            order += "L"
    return order


def test_turns_of_steps_in_a_row_follow_turns_of_a_lesson() -> None:
    # Half of a turn of 1/16 s is 1/32 behind: four pieces of 1/64 cost half their length each. Two steps of 1/32 make
    # that good again.
    assert contend(Shares(1 / 2, 1 / 16), step=1 / 32, piece=1 / 64, seconds=3 / 8) == "LLLLRR" * 3


def test_a_larger_share_makes_longer_turns_of_serving() -> None:
    # Three quarters of a turn of 1/16 are 3/64 behind; a piece of 1/64 costs three quarters, a step of 1/32 makes good
    # a quarter of its length, 1/128.
    assert contend(Shares(3 / 4, 1 / 16), step=1 / 32, piece=1 / 64, seconds=1 / 2) == "LLLLRRRRRR" * 2


@settings(deadline=None)
@given(
    share=st.floats(0.1, 0.9),
    turn=st.floats(0.01, 0.3),
    step=st.floats(0.004, 0.5),
    piece=st.floats(0.004, 0.5),
)
def test_each_gets_its_share_whatever_the_pieces(share: float, turn: float, step: float, piece: float) -> None:
    shares = Shares(share, turn)
    order = contend(shares, step, piece, 5.0)
    served, studied = order.count("R") * step, order.count("L") * piece
    # The account is the difference, and it is never further off than a turn and the piece that ended it.
    assert (1 - share) * served - share * studied == pytest.approx(shares.lead, abs=1e-6)
    assert -share * (turn + piece) - 1e-6 <= shares.lead <= (1 - share) * step + 1e-6
    # No reply waits for longer than a turn, the piece that ends it, and what the step before took too much.
    longest = max(len(part) for part in order.split("R")) * piece
    assert longest <= turn + piece + (1 - share) / share * step + 1e-6


def test_a_lesson_alone_saves_nothing_up_for_the_reply_that_comes() -> None:
    shares = Shares(1 / 2, 1 / 16)
    shares.studied(1000.0, contested=False)
    assert shares.serving_is_due  # at once
    assert shares.lead == -1 / 32  # but for one turn
    assert contend(shares, step=1 / 32, piece=1 / 64, seconds=1 / 8) == "RR" + "LLLL"


def test_replies_alone_owe_nothing_to_the_lesson_that_comes() -> None:
    shares = Shares(1 / 2, 1 / 16)
    shares.studied(1 / 16, contested=True)
    shares.served(1000.0, contested=False)
    assert (shares.lead, shares.serving_is_due) == (0.0, False)
    assert contend(shares, step=1 / 32, piece=1 / 64, seconds=1 / 8) == "LLLL" + "RR"


def test_many_short_requests_one_after_the_other_get_no_more_than_their_share() -> None:
    """Between two of them serving wants nothing for a moment, which must not count as waiting."""
    shares, served, studied = Shares(1 / 2, 1 / 16), 0.0, 0.0
    for _ in range(1000):
        shares.studied(0.002, contested=False)  # the next request is on its way
        studied += 0.002
        while not shares.serving_is_due:
            shares.studied(0.01, contested=True)
            studied += 0.01
        shares.served(0.03, contested=True)
        served += 0.03
    assert served / (served + studied) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("share", "turn"), [(0.0, 0.1), (1.0, 0.1), (float("nan"), 0.1), (0.5, 0.0), (0.5, -1.0)])
def test_shares_that_mean_nothing_are_refused(share: float, turn: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        Shares(share, turn)
