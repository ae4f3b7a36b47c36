"""Slots and routes over a model of transformers' own, without the engine."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import merged, own_logits, some_ids, stirred, tiny_model

from liveoak.adapters import Bank, Route, Slot
from liveoak.adapters.lowrank import Looped

LENGTH = 11


def banked(family: str = "llama", dtype: torch.dtype = torch.float32) -> tuple[Any, Bank]:
    model = tiny_model(family, dtype=dtype)
    return model, Bank(model, model.get_output_embeddings())


def rows(model: Any, bank: Bank, slots: list[Slot | None], length: int = LENGTH) -> torch.Tensor:
    """Logits (B, T, V) of one row of random tokens for each slot."""
    ids = torch.tensor([some_ids(length, seed) for seed in range(len(slots))])
    with torch.inference_mode(), bank.routed(Route([length] * len(slots), slots)):
        return model(input_ids=ids).logits


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_fresh_slot_is_the_prior_to_the_bit(family: str, dtype: torch.dtype) -> None:
    plain = tiny_model(family, dtype=dtype)
    model, bank = banked(family, dtype)
    ids = torch.tensor([some_ids(LENGTH)])
    with torch.inference_mode():
        before = plain(input_ids=ids).logits
        assert torch.equal(model(input_ids=ids).logits, before)
    for rank in (1, 8):
        assert torch.equal(rows(model, bank, [bank.new_slot(rank=rank, seed=rank)]), before)


def test_targets_are_all_linear_layers_but_the_head() -> None:
    _, bank = banked("llama")
    names = [target.name for target in bank.layout.targets]
    assert len(names) == 3 * 7
    assert "model.layers.2.mlp.down_proj" in names
    assert "lm_head" not in names
    shapes = {target.name: (target.inputs, target.outputs) for target in bank.layout.targets}
    assert shapes["model.layers.0.self_attn.k_proj"] == (32, 16)
    # Worked by hand: q 32+32, k and v 32+16, o 32+32, gate and up 32+48, down 48+32, in 3 layers at rank 2.
    assert bank.layout.size(2) == 2 * 3 * (64 + 48 + 48 + 64 + 80 + 80 + 80)


def test_upper_layers_begin_at_a_layer() -> None:
    _, bank = banked("llama")
    layout = bank.layout
    assert [layout.upper(share) for share in (1.0, 0.99, 0.67, 0.5, 0.34)] == [0, 7, 7, 14, 14]
    assert layout.targets[layout.upper(0.67)].name.startswith("model.layers.1.")
    assert layout.upper(0.1) == 14, "one layer at least"
    with pytest.raises(ValueError, match="share"):
        layout.upper(1.1)
    with pytest.raises(ValueError, match="share"):
        layout.upper(0)


@pytest.mark.parametrize("first", [7, 9, 20])
def test_a_slot_of_upper_targets_is_one_of_all_that_changes_nothing_below(first: int) -> None:
    model, bank = banked()
    upper, whole = stirred(bank, rank=3, first=first), bank.new_slot(rank=3)
    whole.master.zero_()
    whole.master[-upper.master.numel() :] = upper.master
    whole.publish()
    assert upper.master.numel() == bank.layout.size(3, first) < whole.master.numel()
    assert list(upper.named_master()) == [target.name for target in bank.layout.targets[first:]]
    assert torch.equal(rows(model, bank, [upper]), rows(model, bank, [whole]))
    for slot in (upper, whole):
        slot.train()
        with bank.routed(Route([LENGTH], [slot])):
            model(input_ids=torch.tensor([some_ids(LENGTH)])).logits.square().mean().backward()
    assert upper.gradient is not None and whole.gradient is not None
    assert upper.gradient.count_nonzero() > 0.9 * upper.gradient.numel()
    torch.testing.assert_close(upper.gradient, whole.gradient[-upper.gradient.numel() :])
    twin = upper.fork()
    assert twin.first == first and torch.equal(twin.master, upper.master)


def test_nothing_below_the_first_target_is_part_of_the_graph() -> None:
    model, bank = banked()
    slot = stirred(bank, first=7)
    slot.train()
    seen: list[bool] = []
    for layer in model.model.layers:
        layer.mlp.register_forward_hook(lambda _, __, out: seen.append(out.requires_grad))
    with bank.routed(Route([LENGTH], [slot])):
        model(input_ids=torch.tensor([some_ids(LENGTH)]))
    assert seen == [False, True, True]


def test_a_slot_changes_a_target_that_is_there() -> None:
    _, bank = banked()
    for first in (-1, len(bank.layout.targets)):
        with pytest.raises(ValueError, match="first target"):
            bank.new_slot(rank=2, first=first)


def test_a_model_without_linear_layers_is_refused() -> None:
    model, bank = banked()
    with pytest.raises(ValueError, match="adapted already"):
        Bank(model, model.get_output_embeddings())
    with pytest.raises(ValueError, match="rank 0"):
        bank.new_slot(rank=0)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_a_slot_is_its_low_rank_change_added_to_the_weights(family: str) -> None:
    model, bank = banked(family)
    slot = stirred(bank, rank=3, alpha=7.5)
    prior, changed = tiny_model(family), merged(tiny_model(family), slot)
    found = rows(model, bank, [slot])[0]
    assert torch.allclose(found, own_logits(changed, some_ids(LENGTH)), atol=1e-4)
    assert not torch.allclose(found, own_logits(prior, some_ids(LENGTH)), atol=0.1)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([None, 0, 1, 2, 3]), min_size=1, max_size=6))
def test_mixed_ranks_in_one_batch_equal_each_slot_alone(kinds: list[int | None]) -> None:
    model, bank = MIXED
    shapes = ((1, 0), (4, 0), (4, 7), (9, 10))
    made = [stirred(bank, rank=rank, first=first, seed=seed) for seed, (rank, first) in enumerate(shapes)]
    slots = [None if kind is None else made[kind] for kind in kinds]
    together = rows(model, bank, slots)
    for place, slot in enumerate(slots):
        with torch.inference_mode(), bank.routed(Route([LENGTH], [slot])):
            alone = model(input_ids=torch.tensor([some_ids(LENGTH, place)])).logits
        assert torch.allclose(together[place], alone[0], atol=2e-5)


MIXED = banked("llama")


@pytest.mark.parametrize("first", [0, 7])
def test_one_token_a_slot_takes_the_stacked_path_with_the_same_result(first: int) -> None:
    _, bank = banked()
    slots = [stirred(bank, rank=4, seed=seed, alpha=seed + 1.0, first=first) for seed in range(5)]
    stacked = Route([1] * 5, slots)
    looped = Route([1] * 5, slots)
    looped._stackable = False  # type: ignore[attr-defined]
    assert stacked._stackable  # type: ignore[attr-defined]
    for index, target in enumerate(bank.layout.targets):
        generator = torch.Generator().manual_seed(index)
        x, y = torch.randn(5, target.inputs, generator=generator), torch.randn(5, target.outputs, generator=generator)
        assert stacked.changes(index) == (index >= first)
        if index < first:
            continue
        by_hand = torch.stack(
            [
                y[i] + slot.scale * slot.named_master()[target.name][1] @ (slot.named_master()[target.name][0] @ x[i])
                for i, slot in enumerate(slots)
            ]
        )
        assert torch.allclose(stacked.add(index, x, y.clone(), Looped), by_hand, atol=1e-5)
        assert torch.allclose(looped.add(index, x, y.clone(), Looped), by_hand, atol=1e-5)


def test_the_prior_beside_slots_is_the_prior_to_the_bit() -> None:
    model, bank = banked()
    prior = rows(model, bank, [None, None, None])
    beside = rows(model, bank, [stirred(bank, seed=1), None, stirred(bank, seed=2)])
    assert torch.equal(beside[1], prior[1])


@pytest.mark.parametrize("length", [1, LENGTH])
def test_a_slot_does_not_feel_another_slots_weights_by_a_bit(length: int) -> None:
    model, bank = banked()
    mine = stirred(bank, seed=1)
    seen = [rows(model, bank, [other, mine], length)[1] for other in (stirred(bank, seed=2), stirred(bank, seed=3))]
    assert torch.equal(seen[0], seen[1])
    broken = stirred(bank, seed=4)
    broken.master.fill_(float("nan"))
    broken.publish()
    assert torch.equal(rows(model, bank, [broken, mine], length)[1], seen[0])


def test_neighbours_under_one_slot_are_one_part() -> None:
    _, bank = banked()
    a, b = bank.new_slot(rank=2), bank.new_slot(rank=2)
    route = Route([3, 2, 4, 1], [a, a, b, None])
    assert [(part.start, part.end) for part in route.parts] == [(0, 5), (5, 9), (9, 10)]
    assert [part.slot for part in route.parts] == [a, b, None]
    assert Route([2, 5], [None, None]).plain
    assert not route.plain


def test_a_route_is_gone_after_its_pass_even_when_it_fails() -> None:
    model, bank = banked()
    slot = stirred(bank)
    with pytest.raises(RuntimeError, match="on purpose"), bank.routed(Route([1], [slot])):
        raise RuntimeError("on purpose")
    assert bank.route is None
    assert torch.equal(rows(model, bank, [None])[0], model(input_ids=torch.tensor([some_ids(LENGTH)])).logits[0])


def test_publishing_makes_a_new_stamp_and_the_weights_follow() -> None:
    _, bank = banked(dtype=torch.bfloat16)
    slot = bank.new_slot(rank=2)
    stamps = [slot.stamp]
    slot.master.fill_(0.1)
    assert not torch.equal(slot.weights, slot.master.bfloat16())
    slot.publish()
    assert torch.equal(slot.weights, slot.master.bfloat16())
    stamps += [slot.stamp, slot.fork().stamp, bank.new_slot(rank=2).stamp]
    assert all(earlier < later for earlier, later in pairwise(stamps))


def test_gradients_of_a_slot_gather_in_one_buffer_and_nowhere_else() -> None:
    model, bank = banked()
    slot, other = stirred(bank, seed=1), stirred(bank, seed=2)
    slot.train()
    ids = torch.tensor([some_ids(LENGTH, 0), some_ids(LENGTH, 1)])
    gathered: list[torch.Tensor] = []
    for _ in range(2):
        with bank.routed(Route([LENGTH, LENGTH], [slot, other])):
            model(input_ids=ids).logits.square().mean().backward()
        assert slot.gradient is not None
        gathered.append(slot.gradient.clone())
    assert gathered[0].count_nonzero() > 0.9 * gathered[0].numel()
    assert torch.allclose(gathered[1], 2 * gathered[0], rtol=1e-5)
    assert other.gradient is None
    assert all(parameter.grad is None for parameter in model.parameters())
    slot.freeze()
    assert slot.gradient is None
    assert slot.first_moment is not None
    assert not rows(model, bank, [slot]).requires_grad


@pytest.mark.parametrize(("rank", "first"), [(2, 0), (6, 7), (6, 0)])
def test_a_roomier_slot_changes_the_same_and_can_hold_more(rank: int, first: int) -> None:
    model, bank = banked()
    slot = stirred(bank, rank=4, alpha=3.0, first=7)
    wider = slot.roomier(rank=rank, first=first)
    assert (wider.rank, wider.first, wider.scale) == (max(rank, 4), first, slot.scale)
    torch.testing.assert_close(rows(model, bank, [wider]), rows(model, bank, [slot]), rtol=1e-5, atol=1e-6)
    beyond = [a[4:] for name, (a, _) in wider.named_master().items() if name in slot.named_master() and rank > 4]
    assert all(bool(part.abs().min() > 0) for part in beyond), "what is not used yet can be trained"


def test_a_slot_with_the_room_that_is_asked_for_is_itself() -> None:
    _, bank = banked()
    slot = stirred(bank, rank=4, first=7)
    assert slot.roomier(rank=4, first=14) is slot


def test_a_fork_is_equal_and_apart() -> None:
    _, bank = banked()
    slot = stirred(bank)
    slot.train()
    assert slot.first_moment is not None
    slot.first_moment.fill_(0.5)
    slot.steps = 3
    twin = slot.fork()
    assert torch.equal(twin.master, slot.master)
    assert (twin.steps, twin.scale, twin.rank) == (3, slot.scale, slot.rank)
    before = slot.master.clone()
    twin.master.add_(1)
    assert twin.first_moment is not None
    twin.first_moment.add_(1)
    twin.publish()
    assert torch.equal(slot.master, before)
    assert torch.equal(slot.weights, before)
    assert float(slot.first_moment[0]) == 0.5
