"""Packed sequences, shared beginnings: each must be what transformers computes of it alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
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
from tolerances import TOLERANCES

from liveoak.adapters import Slot
from liveoak.engine import Engine, Sequence

TOLERANCE = TOLERANCES["own"].float32


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


def test_only_wanted_places_come_back_in_order() -> None:
    engine = engine_of("llama")
    a, b = some_ids(9, 1), some_ids(6, 2)
    batch = [Sequence(ids=a, wanted=(2, 8)), Sequence(ids=b), Sequence(ids=b, wanted=(0,))]
    found = scored(engine, batch)
    whole = scored(engine, [everywhere(a), everywhere(b), everywhere(b)])
    assert found.shape == (3, VOCABULARY)
    assert torch.allclose(found, whole[[2, 8, 15]], atol=TOLERANCE)


def test_a_beginning_must_come_earlier_and_have_the_same_slot() -> None:
    engine, slots = engine_of("llama"), slots_of("llama")
    ids = some_ids(4)
    for batch in (
        [everywhere(ids, prefix=0)],
        [everywhere(ids, prefix=1), everywhere(ids)],
        [everywhere(ids), everywhere(ids, slots[1], prefix=0)],
        [everywhere(ids), everywhere(ids, prefix=-1)],
        [everywhere(ids, slots[1]), everywhere(ids, slots[2], prefix=0)],
    ):
        with pytest.raises(ValueError, match="prefix"):
            scored(engine, batch)
    with pytest.raises(ValueError, match="no tokens"):
        scored(engine, [everywhere(ids), everywhere(())])


def test_the_engine_is_told_apart_from_plain_use() -> None:
    engine = tiny_engine("llama")
    with pytest.raises(ValueError, match="only inside its engine"):
        engine.model(input_ids=torch.tensor([[1, 2]]))
