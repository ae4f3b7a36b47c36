"""What a life is worth, worked out by hand."""

from __future__ import annotations

import pytest

from liveoak.errors import BadSettings
from liveoak.learning.outer.pricing import Account, Prices, Spend
from liveoak.learning.outer.tools import Notes

SPENDS = (Spend(verb="learn", tokens=10), Spend(verb="note", tokens=20), Spend(verb="skip", tokens=0))


def account(**told: object) -> Account:
    given: dict[str, object] = {"right": 0.75, "gold_logprob": -1.0, "likely": 0.5, "spends": SPENDS, **told}
    return Account(**given)  # pyright: ignore[reportArgumentType]


def test_a_life_is_worth_its_exam_less_what_was_spent():
    prices = Prices(trained=2.0, noted=0.5)
    assert account().spent(prices) == pytest.approx(10 * 0.02 + 20 * 0.005)
    assert account().reward(prices) == pytest.approx(0.75 - 0.3)


def test_part_of_the_points_can_be_for_probability():
    assert account().score(Prices(dense=0.4)) == pytest.approx(0.6 * 0.75 + 0.4 * 0.5)


def test_damage_costs_and_its_opposite_earns_nothing():
    prices = Prices(damage=2.0)
    assert account(damage=0.1).reward(prices) == pytest.approx(0.75 - 0.2)
    assert account(damage=-0.1).reward(prices) == pytest.approx(0.75)


def test_what_was_done_is_counted():
    assert [account().count(verb) for verb in ("learn", "note", "skip")] == [1, 1, 1]
    assert [account().tokens(verb) for verb in ("learn", "note", "skip")] == [10, 20, 0]


@pytest.mark.parametrize("wrong", [{"trained": -1.0}, {"noted": -0.1}, {"damage": -1.0}, {"dense": 1.1}])
def test_prices_that_make_no_sense_are_refused(wrong: dict[str, float]):
    with pytest.raises(BadSettings, match="expected prices >= 0"):
        Prices(**wrong)


def test_notes_take_what_fits_and_stand_before_a_question():
    notes = Notes(5)
    assert notes.before("who?") == "who?"
    assert notes.take("a b", 3)
    assert not notes.take("c d e", 3)
    assert notes.take("f", 2)
    assert notes.tokens == 5
    assert notes.before("who?") == "notes: a b; f\n\nwho?"
