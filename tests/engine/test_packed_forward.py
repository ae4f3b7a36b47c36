"""Packed sequences, shared beginnings: each must be what transformers computes of it alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import (
    FAMILIES,
    VOCABULARY,
    everywhere,
    merged,
    own_logits,
    scored,
    some_ids,
    stirred,
    tiny_engine,
    tiny_model,
)

from liveoak.adapters import Slot
from liveoak.engine import Engine, Sequence

TOLERANCE = 5e-5
"""Of float32 logits whose spread is about 1: the order of sums differs, nothing else."""


@cache
def engine_of(family: str) -> Engine:
    return tiny_engine(family)


@cache
def slots_of(family: str) -> tuple[Slot | None, ...]:
    bank = engine_of(family).bank
    return None, stirred(bank, rank=4, seed=1), stirred(bank, rank=4, seed=2), stirred(bank, rank=2, seed=3)


@cache
def reference(family: str, slot: int) -> Any:
    """Transformers' eager model with the slot's change in its weights."""
    return merged(tiny_model(family), slots_of(family)[slot])


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_equals_transformers_own_forward(family: str) -> None:
    engine, slots = engine_of(family), slots_of(family)
    lengths = [1, 2, 30, 7, 31, 64, 8, 25]  # past the window, of like and of unlike length
    batch = [everywhere(some_ids(length, i), slots[i % 4]) for i, length in enumerate(lengths)]
    found = scored(engine, batch).split(lengths)
    for i, (sequence, logits) in enumerate(zip(batch, found, strict=True)):
        expected = own_logits(reference(family, i % 4), sequence.ids)
        assert expected.std() > 0.3, "a flat distribution would hide mistakes"
        assert torch.allclose(logits, expected, atol=TOLERANCE), (family, i)


def test_the_families_differ_where_they_should() -> None:
    """The features that the engine must carry out do change logits; else the test above shows nothing."""
    ids = some_ids(40)
    for family, feature, off in [
        ("mistral", "sliding_window", None),
        ("gemma2", "attn_logit_softcapping", None),
        ("gemma2", "final_logit_softcapping", None),
        ("gemma3", "sliding_window", 500),
        ("granite", "logits_scaling", 1.0),
        ("cohere2", "logit_scale", 1.0),
    ]:
        model = tiny_model(family)
        before = own_logits(model, ids)
        setattr(model.config, feature, off)
        for module in model.modules():
            if hasattr(module, feature):
                setattr(module, feature, off)
        changed = (own_logits(model, ids) - before).abs().amax(-1)
        assert changed[-1] > 100 * TOLERANCE, (family, feature)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), family=st.sampled_from(FAMILIES))
def test_any_packing_equals_each_alone(data: st.DataObject, family: str) -> None:
    engine, slots = engine_of(family), slots_of(family)
    parts = data.draw(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), min_size=1, max_size=7))
    batch = [everywhere(some_ids(length, i), slots[kind]) for i, (length, kind) in enumerate(parts)]
    found = scored(engine, batch).split([length for length, _ in parts])
    for sequence, logits in zip(batch, found, strict=True):
        assert torch.allclose(logits, scored(engine, [sequence]), atol=TOLERANCE)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), family=st.sampled_from(FAMILIES))
def test_a_shared_beginning_changes_nothing(data: st.DataObject, family: str) -> None:
    engine, slots = engine_of(family), slots_of(family)
    slot = slots[data.draw(st.integers(0, 3), label="slot")]
    head = some_ids(data.draw(st.integers(1, 30), label="head"), 99)
    tails = [
        some_ids(length, i) for i, length in enumerate(data.draw(st.lists(st.integers(1, 25), min_size=1, max_size=6)))
    ]
    batch = [everywhere(some_ids(5, 98), slots[1]), everywhere(head, slot)]
    batch += [everywhere(tail, slot, prefix=1) for tail in tails]
    found = scored(engine, batch).split([len(sequence.ids) for sequence in batch])
    for tail, logits in zip(tails, found[2:], strict=True):
        whole = scored(engine, [everywhere(head + tail, slot)])
        assert torch.allclose(logits, whole[len(head) :], atol=TOLERANCE)
        assert torch.allclose(found[1], whole[: len(head)], atol=TOLERANCE)


def test_only_wanted_places_come_back_in_order() -> None:
    engine = engine_of("llama")
    a, b = some_ids(9, 1), some_ids(6, 2)
    batch = [Sequence(ids=a, wanted=(2, 8)), Sequence(ids=b), Sequence(ids=b, wanted=(0,))]
    found = scored(engine, batch)
    whole = scored(engine, [everywhere(a), everywhere(b), everywhere(b)])
    assert found.shape == (3, VOCABULARY)
    assert torch.allclose(found, whole[[2, 8, 15]], atol=TOLERANCE)


def test_a_beginning_must_come_earlier_be_plain_and_have_the_same_slot() -> None:
    engine, slots = engine_of("llama"), slots_of("llama")
    ids = some_ids(4)
    for batch in (
        [everywhere(ids, prefix=0)],
        [everywhere(ids, prefix=1), everywhere(ids)],
        [everywhere(ids), everywhere(ids, prefix=0), everywhere(ids, prefix=1)],
        [everywhere(ids), everywhere(ids, prefix=-1)],
        [everywhere(ids, slots[1]), everywhere(ids, slots[2], prefix=0)],
    ):
        with pytest.raises(ValueError, match="prefix"):
            scored(engine, batch)
    with pytest.raises(ValueError, match="no tokens"):
        scored(engine, [everywhere(ids), everywhere(())])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_another_slots_weights_are_not_felt_by_a_bit(family: str, dtype: torch.dtype) -> None:
    """Over lengths that share a call of attention and lengths that do not."""
    engine = tiny_engine(family, dtype=dtype)
    slot = stirred(engine.bank, rank=4, seed=1)
    mine = [everywhere(some_ids(length, length), slot) for length in (12, 13, 40)]
    seen: list[torch.Tensor] = []
    for seed in (5, 6):
        other = stirred(engine.bank, rank=4, seed=seed)
        theirs = [everywhere(some_ids(length, seed), other) for length in (12, 14, 39)]
        found = scored(engine, [mine[0], theirs[0], mine[1], theirs[1], theirs[2], mine[2]]).split(
            [12, 12, 13, 14, 39, 40]
        )
        seen.append(torch.cat([found[0], found[2], found[5]]))
    assert torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.bfloat16, 0.15)])
@pytest.mark.parametrize("family", ["llama", "gemma2", "mistral"])
def test_other_number_formats(family: str, dtype: torch.dtype, tolerance: float) -> None:
    engine = tiny_engine(family, dtype=dtype)
    slot = stirred(engine.bank, rank=3)
    ids = some_ids(30)
    found = scored(engine, [everywhere(some_ids(9, 4)), everywhere(ids, slot)])[9:]
    expected = own_logits(merged(tiny_model(family, dtype=dtype), slot), ids)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.allclose(found.float(), expected, atol=tolerance)


def test_the_engine_is_told_apart_from_plain_use() -> None:
    engine = tiny_engine("llama")
    with pytest.raises(ValueError, match="only inside its engine"):
        engine.model(input_ids=torch.tensor([[1, 2]]))
