"""Sequences together, apart, padded, cached, cut or resumed give the same figures, within the tolerance of the prior's
number format: by torch's operations, by our operators over weights in
each order, and with changes grouped as on a GPU."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import (
    FAMILIES,
    HALVES,
    WAYS,
    Way,
    engine_by,
    every_way,
    everywhere,
    merged,
    model_by,
    new_engine,
    scored,
    some_ids,
    stirred,
    ways_of,
)
from tolerances import TOLERANCES

from liveoak.adapters import Ours, Slot, load_snapshot, save_snapshot
from liveoak.adapters.grouped import Grouping
from liveoak.adapters.lowrank import Looped
from liveoak.adapters.operators import DTYPES
from liveoak.adapters.products import order_for
from liveoak.engine import SLICE, Completion, Decoder, Engine, Request, Sequence
from liveoak.engine import decoder as decoder_module
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import Example, losses, normalisers, total
from liveoak.learning.update import Update
from liveoak.records import Sampling

families = st.sampled_from(FAMILIES)


@cache
def slots_of(family: str, way: Way) -> tuple[Slot | None, ...]:
    bank = engine_by(way, family).bank
    return None, stirred(bank, rank=4, seed=1), stirred(bank, rank=4, seed=2), stirred(bank, rank=2, seed=3)


@cache
def reference(family: str, way: Way, slot: int) -> Any:
    """Transformers' eager model with the slot's change in its weights."""
    return merged(model_by(way, family), slots_of(family, way)[slot])


def near(what: str, way: Way, found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.isfinite().all()
    torch.testing.assert_close(found.double(), expected.double(), atol=TOLERANCES[what].of(way.dtype), rtol=0)


@every_way
def test_each_way_is_what_it_is_called(way: Way) -> None:
    """Else what follows would compare one with itself."""
    engine = engine_by(way, "qwen3")
    products = engine.bank.products
    taken = engine._stepper is not None, engine._fused  # pyright: ignore[reportPrivateUsage]
    assert taken == (way.ours,) * 2
    changes = engine.bank.changes
    assert isinstance(changes, Grouping) if way.grouped else changes is (Ours if way.ours else Looped)
    assert {type(product._there) for product in products} == {way.order or type(None)}  # pyright: ignore[reportPrivateUsage]
    assert {product.halved for product in products} == {way is HALVES}
    assert engine.dtype is way.dtype


def test_what_this_processor_takes_is_among_them() -> None:
    for dtype in DTYPES:
        assert any(way.ours and way.dtype is dtype and way.order is order_for(dtype) for way in WAYS)


parts_of_a_batch = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), min_size=1, max_size=7)


@every_way
@settings(max_examples=12, deadline=None)
@given(family=families, parts=parts_of_a_batch)
def test_packed_equals_alone(family: str, way: Way, parts: list[tuple[int, int]]) -> None:
    engine, slots = engine_by(way, family), slots_of(family, way)
    batch = [everywhere(some_ids(length, i), slots[kind]) for i, (length, kind) in enumerate(parts)]
    for sequence, rows in zip(batch, scored(engine, batch).split([length for length, _ in parts]), strict=True):
        near("packed", way, rows, scored(engine, [sequence]))


@every_way
@settings(max_examples=12, deadline=None)
@given(
    family=families,
    kind=st.integers(0, 3),
    head=st.integers(1, 30),
    tails=st.lists(st.integers(1, 25), min_size=1, max_size=5),
)
def test_a_shared_beginning_equals_separate_ones(family: str, way: Way, kind: int, head: int, tails: list[int]) -> None:
    engine, slot = engine_by(way, family), slots_of(family, way)[kind]
    start, ends = some_ids(head, 99), [some_ids(length, i) for i, length in enumerate(tails)]
    shared = [everywhere(some_ids(5, 98)), everywhere(start, slot), *(everywhere(end, slot, prefix=1) for end in ends)]
    found = scored(engine, shared).split([5, head, *tails])
    for end, rows in zip(ends, found[2:], strict=True):
        whole = scored(engine, [everywhere(start + end, slot)])
        near("shared", way, found[1], whole[:head])
        near("shared", way, rows, whole[head:])


@every_way
@settings(max_examples=10, deadline=None)
@given(family=families, data=st.data())
def test_cached_equals_uncached(family: str, way: Way, data: st.DataObject) -> None:
    """Prompts of two tokens over and over, so that beginnings are found; read in pieces, a few replies at a time."""
    engine, slots = engine_by(way, family), slots_of(family, way)
    prompt = st.lists(st.integers(0, 1), min_size=1, max_size=30).map(tuple)
    asked = st.lists(st.tuples(prompt, st.integers(0, 3)), min_size=1, max_size=4)
    decoder = Decoder(engine, max_running=3, cache_tokens=90)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_module, "SLICE", 16)
        for _ in range(2):
            requests = [
                Request(ids=ids, slot=slots[kind], sampling=Sampling(temperature=0, max_tokens=6))
                for ids, kind in data.draw(asked)
            ]
            for request, reply in zip(requests, decoder.generate(requests), strict=True):
                tokens = [drawn.id for drawn in reply.drawn]
                ids = request.ids + tuple(tokens)
                wanted = tuple(range(len(request.ids) - 1, len(ids) - 1))
                whole = scored(engine, [Sequence(ids=ids, slot=request.slot, wanted=wanted)])
                expected = whole.log_softmax(-1)[range(len(tokens)), tokens]
                found = torch.tensor([drawn.logprob for drawn in reply.drawn], dtype=torch.float64)
                near("cached", way, found, expected)


def theirs(model: Any, texts: list[tuple[int, ...]], side: str) -> list[torch.Tensor]:
    """Logits (T, V) of each text by transformers, padded to the longest on that side; `none` is one by one."""
    widest = max(len(ids) for ids in texts) if side != "none" else 0
    found: list[torch.Tensor] = []
    for rows in [texts] if side != "none" else [[ids] for ids in texts]:
        pads = [[256] * (widest - len(ids)) for ids in rows]
        ids = [[*pad, *row] if side == "left" else [*row, *pad] for row, pad in zip(rows, pads, strict=True)]
        blanks = [[0] * len(pad) for pad in pads]
        real = [[1] * len(row) for row in rows]
        mask = torch.tensor([b + r if side == "left" else r + b for b, r in zip(blanks, real, strict=True)])
        positions = (mask.cumsum(-1) - 1).clamp_min(0)
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor(ids), attention_mask=mask, position_ids=positions).logits
        found += [one[here.bool()] for one, here in zip(logits, mask, strict=True)]
    return found


@every_way
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_equals_transformers_padded(family: str, way: Way) -> None:
    """Under the prior and under a slot, past the sliding window."""
    lengths = [1, 30, 7, 31, 12]
    engine, texts = engine_by(way, family), [some_ids(length, length) for length in lengths]
    # In float64 transformers' own rows of nothing but masked places are no numbers, and spoil the rest.
    sides = ("none",) if way.dtype is torch.float64 else ("left", "right")
    for kind, what in ((0, "own"), (1, "merged")):
        found = scored(engine, [everywhere(ids, slots_of(family, way)[kind]) for ids in texts]).split(lengths)
        for side in sides:
            expected = theirs(reference(family, way, kind), texts, side)
            for mine, their in zip(found, expected, strict=True):
                near(what, way, mine, their)


def examples_of(lengths: list[int], signal: str = "imitation") -> list[Example]:
    made: list[Example] = []
    for i, length in enumerate(lengths):
        ids = some_ids(length + 1, 40 + i)
        wanted = tuple(range(length // 2, length))
        credit = tuple(0.5 + 0.5 * (place % 2) for place in wanted)
        targets = tuple(ids[place + 1] for place in wanted)
        made.append(Example(signal=signal, ids=ids[:-1], wanted=wanted, credit=credit, targets=targets))
    return made


@ways_of("llama", "qwen3", "gemma2", "mistral", "gemma3")
def test_a_step_in_slices_equals_the_whole(family: str, way: Way) -> None:
    engine = engine_by(way, family)
    examples = [*examples_of([90, 150, 120, 30, 200]), *examples_of([140, 80, 60], "transition")]
    assert sum(len(one.ids) for one in examples) > 2 * SLICE
    whole, cut = stirred(engine.bank, seed=5), stirred(engine.bank, seed=5)
    whole.train()
    logits = engine.logits([Sequence(ids=one.ids, slot=whole, wanted=one.wanted) for one in examples])
    total(losses(examples, logits), normalisers(examples), {"transition": 0.3}).backward()
    adam = AdamSettings(clip=float("inf"))
    Update(engine, cut, {"transition": 0.3}, adam).step(examples, 1e-3)
    assert cut.first_moment is not None and whole.gradient is not None
    # After one step the first moment is (1 - beta1) times the gradient.
    found, expected = cut.first_moment.double() / (1 - adam.beta1), whole.gradient.double()
    assert float((found - expected).norm() / expected.norm()) <= TOLERANCES["slices"].of(way.dtype)


def study(engine: Engine, slot: Slot, steps: range) -> None:
    update = Update(engine, slot, {"transition": 0.5}, AdamSettings(clip=0.5))
    for step in steps:
        lesson = [*examples_of([20 + step, 31]), *examples_of([12], "transition")]
        update.step(lesson, 1e-2 / (1 + step))


@ways_of("llama", "gemma3", "qwen3", "mistral")
def test_resumed_equals_uninterrupted_to_the_bit(family: str, way: Way, tmp_path: Path) -> None:
    engine = engine_by(way, family)
    whole, half = (engine.bank.new_slot(rank=4, alpha=5.0, seed=1) for _ in range(2))
    study(engine, whole, range(5))
    study(engine, half, range(2))
    save_snapshot(half, tmp_path / "half")
    later = new_engine(way, family)
    resumed = load_snapshot(later.bank, tmp_path / "half")
    study(later, resumed, range(2, 5))
    for ours, theirs in (
        (resumed.master, whole.master),
        (resumed.weights, whole.weights),
        (resumed.first_moment, whole.first_moment),
        (resumed.second_moment, whole.second_moment),
    ):
        assert ours is not None and theirs is not None
        assert torch.equal(ours, theirs)
    batch = (some_ids(9), some_ids(30))
    assert torch.equal(
        scored(later, [everywhere(ids, resumed) for ids in batch]),
        scored(engine, [everywhere(ids, whole) for ids in batch]),
    )


def replies(engine: Engine, slot: Slot | None, **sampling: Any) -> list[Completion]:
    """Read and sampled side by side, twice: the second time beginnings are found, unless the request is `exact`."""
    decoder = Decoder(engine)
    options = Sampling(temperature=1.2, max_tokens=9, seed=4, top_logprobs=2, **sampling)
    requests = [Request(ids=some_ids(length, length), slot=slot, sampling=options) for length in (3, 4, 27)]
    return [*decoder.generate(requests), *decoder.generate(requests)]


@ways_of("llama", "qwen2", "gemma2", "gemma3", "qwen3", "mistral")
def test_a_slot_that_went_to_disk_and_back_replies_the_same_to_the_bit(family: str, way: Way, tmp_path: Path) -> None:
    engine = engine_by(way, family)
    slot = stirred(engine.bank, rank=4, seed=6)
    before = [replies(engine, slot), replies(engine, slot, exact=True)]
    save_snapshot(slot, tmp_path / "kept")
    del slot
    for home in (engine, new_engine(way, family)):
        again = load_snapshot(home.bank, tmp_path / "kept", optimizer=False)
        assert [replies(home, again), replies(home, again, exact=True)] == before


@ways_of("llama", "qwen2", "gemma3", "cohere2", "qwen3", "mistral")
def test_a_fresh_slot_is_the_prior_to_the_bit(family: str, way: Way) -> None:
    engine = engine_by(way, family)
    fresh = engine.bank.new_slot(rank=3, seed=8)
    batch = [some_ids(length, length) for length in (1, 12, 13, 40)]
    prior = scored(engine, [everywhere(ids) for ids in batch])
    assert torch.equal(scored(engine, [everywhere(ids, fresh) for ids in batch]), prior)
    assert replies(engine, fresh) == replies(engine, None)
