"""What imitating somebody has gained decides what they weigh next."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.errors import UserError
from liveoak.signals import Record, Source, Standing, StandingSettings

ANN, BEN = Source(author="ann", kind="trace"), Source(author="ben", kind="correction")


def test_somebody_unknown_is_expected_to_help():
    assert Standing().gain(ANN) == pytest.approx(0.1)
    assert Standing().weight(ANN) == 1
    assert Standing().refusal(ANN) is None


def test_gains_are_a_decayed_mean_with_an_expectation():
    found = Standing().after({ANN: -0.1}).after({ANN: 0.3})
    assert found.records[ANN] == Record(gain=pytest.approx(-0.095 + 0.3), count=pytest.approx(1.95))
    assert found.gain(ANN) == pytest.approx((0.4 + 0.205) / 5.95)
    assert Standing().after({ANN: -0.1}).weight(ANN) == pytest.approx((0.3 / 5) / 0.1)


def test_who_does_harm_is_refused_with_figures_and_nobody_else_is():
    found = Standing()
    for _ in range(5):
        found = found.after({ANN: -0.2, BEN: 0.2})
    assert found.weight(ANN) == 0
    assert found.weight(BEN) == 1
    told = found.refusal(ANN)
    assert told is not None and "traces of 'ann'" in told and "expected +0.100" in told
    assert found.weight(Source(author="ann", kind="correction")) == 1, "by author and kind"


def test_a_world_that_names_actions_is_believed_when_it_has_proved_right():
    told = Source(author="rooms", kind="advice")
    assert Standing().weight(told) == 0
    assert "advice of 'rooms' has gained +0.000 over 0.0 updates" in (Standing().refusal(told) or "")
    assert Standing().after({told: 0.4}).weight(told) == pytest.approx(0.4 / 5 / 0.1)
    assert Standing().after({told: 0.6}).weight(told) == 1
    assert Standing().after({told: 0.1}).weight(told) == 0
    assert Standing().after({told: -0.6}).weight(told) == 0


def test_who_was_refused_is_tried_again():
    found = Standing()
    for _ in range(4):
        found = found.after({ANN: -0.2})
    assert found.weight(ANN) == 0
    rounds = 0
    while not found.weight(ANN):
        found, rounds = found.after({}), rounds + 1
    assert 5 < rounds < 60


def test_the_state_that_went_in_stays_as_it_was():
    first = Standing().after({ANN: 0.2})
    kept = dict(first.records)
    first.after({ANN: -1.0, BEN: 1.0})
    assert dict(first.records) == kept


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UserError, match="gain of imitating"):
        Standing().after({ANN: math.nan})
    for wrong in ({"expected": 0.0}, {"patience": 0.0}, {"decay": 0.0}, {"refused": 1.0}):
        with pytest.raises(UserError, match="StandingSettings"):
            StandingSettings(**wrong)


@given(st.lists(st.floats(-5, 5), max_size=30))
def test_weights_are_shares_and_rise_with_gains(gains: list[float]):
    lower = upper = Standing()
    for gain in gains:
        lower, upper = lower.after({ANN: gain - 0.1}), upper.after({ANN: gain})
        assert 0 <= lower.weight(ANN) <= upper.weight(ANN) <= 1
