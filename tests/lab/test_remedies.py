"""What is drawn anew of an adapter, by hand, and that the agent says the same after it as before but for that."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import torch
from tiny_priors import tiny_engine

from liveoak.adapters import Slot
from liveoak.engine import Engine
from liveoak.lab.lives.remedies import Renewal, soften, utilities


@pytest.fixture(scope="module")
def engine() -> Generator[Engine]:
    made = tiny_engine()
    yield made
    made.close()


@pytest.fixture
def slot(engine: Engine) -> Slot:
    """Rank 4, in which direction r of every matrix adds r + 1, but for the first matrix: there it is 4 - r."""
    made = engine.bank.new_slot(rank=4, seed=3)
    made.train()
    for number, (a, b) in enumerate(made.matrices(made.master)):
        a.div_(a.norm(dim=1, keepdim=True))
        b.fill_(1.0).div_(b.norm(dim=0)).mul_(torch.tensor([4.0, 3.0, 2.0, 1.0] if number == 0 else [1.0, 2, 3, 4]))
    for moment in (made.first_moment, made.second_moment):
        assert moment is not None
        moment.fill_(1.0)
    made.publish()
    return made


def test_a_directions_utility_is_what_it_can_add(slot: Slot):
    found = utilities(slot)
    assert found[0].tolist() == pytest.approx([4, 3, 2, 1])
    assert found[1].tolist() == pytest.approx([1, 2, 3, 4])
    a, b = slot.matrices(slot.master)[0]
    a.mul_(2)
    b.div_(2)
    assert utilities(slot)[0].tolist() == pytest.approx([4, 3, 2, 1]), "however it is shared out between a and b"


def test_the_least_useful_direction_is_drawn_anew_and_nothing_else_changes(engine: Engine, slot: Slot):
    before = slot.master.clone()
    stamp = slot.stamp
    count = len(slot.matrices(slot.master))
    assert Renewal(engine, slot, 0.25, mature=0).after_round() == count, "a quarter of four, of every matrix"
    for number, ((a, b), (old_a, old_b)) in enumerate(
        zip(slot.matrices(slot.master), slot.matrices(before), strict=True)
    ):
        least = 3 if number == 0 else 0
        others = [one for one in range(4) if one != least]
        assert not b[:, least].any() and not torch.equal(a[least], old_a[least])
        assert a[least].abs().max() <= a.shape[1] ** -0.5
        assert torch.equal(a[others], old_a[others]) and torch.equal(b[:, others], old_b[:, others])
        for moment in (slot.first_moment, slot.second_moment):
            assert moment is not None
            of_a, of_b = slot.matrices(moment)[number]
            assert not of_a[least].any() and not of_b[:, least].any()
            assert of_a[others].eq(1).all() and of_b[:, others].eq(1).all()
    assert slot.stamp != stamp and torch.equal(slot.weights, slot.master.to(slot.weights.dtype))


def test_directions_are_replaced_at_the_rate_and_not_before_they_are_mature(engine: Engine, slot: Slot):
    count = len(slot.matrices(slot.master))
    renewal = Renewal(engine, slot, 0.125, mature=3)
    replaced = [renewal.after_round() // count for _ in range(8)]
    # Four mature ones owe half a one a round from the fourth on; after the replacement in the fifth it is three.
    assert replaced == [0, 0, 0, 0, 1, 0, 0, 1]
    kept = utilities(slot)[1]
    assert kept[:2].tolist() == [0, 0], "the two least useful, one after the other, and not the newest again"
    assert kept[2:].tolist() == pytest.approx([3, 4])


def test_what_is_drawn_anew_is_drawn_by_seed(engine: Engine, slot: Slot):
    twin, other = slot.fork(), slot.fork()
    for one, seed in ((slot, 1), (twin, 1), (other, 2)):
        Renewal(engine, one, 0.5, mature=0, seed=seed).after_round()
    assert torch.equal(slot.master, twin.master) and not torch.equal(slot.master, other.master)


@pytest.mark.parametrize(("share", "mature"), [(0.0, 1), (1.5, 1), (0.1, -1)])
def test_rates_that_mean_nothing_are_refused(engine: Engine, slot: Slot, share: float, mature: int):
    with pytest.raises(ValueError, match="share"):
        Renewal(engine, slot, share, mature=mature)


def test_moments_along_turned_axes_are_refused(engine: Engine, slot: Slot):
    slot.gram = torch.zeros(1)
    with pytest.raises(ValueError, match="turned"):
        Renewal(engine, slot, 0.1)


def test_softened_is_between_what_was_learned_and_a_fresh_adapter(engine: Engine, slot: Slot):
    before = slot.master.clone()
    soften(engine, slot, 0.75, seed=8)
    fresh = engine.bank.new_slot(rank=4, seed=8).master
    assert torch.allclose(slot.master, 0.75 * before + 0.25 * fresh)
