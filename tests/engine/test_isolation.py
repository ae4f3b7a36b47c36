"""In a batch of one shape, what others learned, say and are taught is not felt by a bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import FLOAT32, PANELS, Way, engine_by, every_way, everywhere, scored, some_ids, stirred
from tolerances import TOLERANCES

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Drawn, Engine, Request, Sequence
from liveoak.learning.objective import Example, losses, normalisers, total
from liveoak.records import Sampling

KINDS = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "llama-tied")
NAN = float("nan")


def stranger(engine: Engine, rank: int, seed: int) -> Slot:
    """Another slot: random weights, and with seed 0 ones that are no numbers."""
    slot = stirred(engine.bank, rank=rank, seed=seed + 20)
    if seed == 0:
        slot.master.fill_(NAN)
        slot.publish()
    return slot


def same(found: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(found.isfinite().all()) and torch.equal(found, other)


def apart(found: torch.Tensor, other: torch.Tensor) -> float:
    return float((found.double() - other.double()).norm() / other.double().norm())


lengths = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=2, max_size=7)
"""Of sequences; true are mine."""


@every_way
@settings(max_examples=12, deadline=None)
@given(family=st.sampled_from(KINDS), parts=lengths, rank=st.sampled_from([2, 4, 20]))
def test_scores(family: str, way: Way, parts: list[tuple[bool, int]], rank: int) -> None:
    engine = engine_by(way, family)
    mine = stirred(engine.bank, rank=4, seed=1)
    seen: list[torch.Tensor] = []
    for seed in (1, 2, 0):
        other = stranger(engine, rank, seed)
        batch = [
            everywhere(some_ids(length, i), mine) if own else everywhere(some_ids(length, 90 * i + seed), other)
            for i, (own, length) in enumerate(parts)
        ]
        found = scored(engine, batch).split([length for _, length in parts])
        seen.append(torch.cat([rows for rows, (own, _) in zip(found, parts, strict=True) if own] or [torch.zeros(1)]))
    assert same(seen[0], seen[1])
    assert same(seen[0], seen[2])


@every_way
@settings(max_examples=8, deadline=None)
@given(
    family=st.sampled_from(KINDS),
    mine=st.lists(st.integers(1, 30), min_size=1, max_size=2),
    others=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    ranks=st.sampled_from([(4, 4), (4, 20), (4, None)]),
)
def test_replies(family: str, way: Way, mine: list[int], others: list[int], ranks: tuple[int, int | None]) -> None:
    """Prompts are read and tokens sampled side by side; the patterns keep all replies at one length."""
    engine = engine_by(way, family)
    slot = stirred(engine.bank, rank=ranks[0], seed=1)
    seen: list[list[tuple[Drawn, ...]]] = []
    for seed in (1, 2):
        other = None if ranks[1] is None else stranger(engine, ranks[1], seed)
        decoder = Decoder(engine)
        sampling = Sampling(temperature=1.3, max_tokens=6, top_logprobs=3, pattern="[a-z]{6}", seed=5)
        theirs = Sampling(temperature=seed, max_tokens=6, pattern="[a-z]{6}" if seed == 1 else "[0-9]{6}", seed=seed)
        # Mine come first and last, the others between.
        tickets = [decoder.submit(Request(ids=some_ids(mine[0], 1), slot=slot, sampling=sampling))]
        for i, length in enumerate(others):
            decoder.submit(Request(ids=some_ids(length, 100 * seed + i), slot=other, sampling=theirs))
        tickets += [decoder.submit(Request(ids=some_ids(n, 2), slot=slot, sampling=sampling)) for n in mine[1:]]
        while decoder.step():
            pass
        seen.append([ticket.result().drawn for ticket in tickets])
    assert seen[0] == seen[1]
    assert all(len(drawn) == 6 for drawn in seen[0])


@pytest.mark.parametrize("way", [FLOAT32, PANELS], ids=str)
@pytest.mark.parametrize("length", [1, 4, 30])
def test_replies_beside_damaged_weights(length: int, way: Way) -> None:
    """Their keys and values lie in the same pool, and stay there when they have failed."""
    engine = engine_by(way, "llama")
    slot, broken = stirred(engine.bank, seed=1), stranger(engine, 4, 0)
    sampling = Sampling(temperature=0, max_tokens=6)
    requests = [Request(ids=some_ids(9 + i, i), slot=slot, sampling=sampling) for i in range(3)]
    alone = [completion.text for completion in Decoder(engine).generate(requests)]
    decoder = Decoder(engine, cache_tokens=64)
    hurt = decoder.submit(Request(ids=some_ids(length, 8), slot=broken, sampling=sampling))
    tickets = [decoder.submit(request) for request in requests]
    while decoder.step():
        pass
    assert hurt.error is not None
    assert [ticket.result().text for ticket in tickets] == alone
    assert [completion.text for completion in decoder.generate(requests)] == alone


def example(ids: tuple[int, ...]) -> Example:
    wanted = tuple(range(len(ids) - 1))
    return Example(signal="imitation", ids=ids[:-1], wanted=wanted, credit=(1.0,) * len(wanted), targets=ids[1:])


def gradient_of(engine: Engine, slot: Slot, parts: list[tuple[Slot, tuple[int, ...]]]) -> torch.Tensor:
    """The slot's gradient from one pass over all parts, whose losses are normalised slot by slot."""
    for trained, _ in parts:
        trained.train()
        assert trained.gradient is not None
        trained.gradient.zero_()
    examples = [example(ids) for _, ids in parts]
    logits = engine.logits(
        [
            Sequence(ids=one.ids, slot=trained, wanted=one.wanted)
            for one, (trained, _) in zip(examples, parts, strict=True)
        ]
    )
    rows = logits.split([len(one.wanted) for one in examples])
    whole: list[torch.Tensor] = []
    for each in {id(trained): trained for trained, _ in parts}.values():
        own = [place for place, (trained, _) in enumerate(parts) if trained is each]
        mine = [examples[place] for place in own]
        sums = losses(mine, torch.cat([rows[place] for place in own]))
        whole.append(total(sums, normalisers(mine), {}))
    torch.stack(whole).sum().backward()
    assert slot.gradient is not None
    return slot.gradient.clone()


@every_way
@settings(max_examples=8, deadline=None)
@given(family=st.sampled_from(KINDS), parts=lengths, rank=st.sampled_from([2, 4, 20]))
def test_gradients(family: str, way: Way, parts: list[tuple[bool, int]], rank: int) -> None:
    """Two slots taught in one pass: the bits of one gradient do not show what the other is taught."""
    engine = engine_by(way, family)
    parts = [(True, 7), *parts]
    seen: list[torch.Tensor] = []
    for seed in (1, 2, 0):
        mine, other = stirred(engine.bank, rank=4, seed=1), stranger(engine, rank, seed)
        taught = [
            (mine, some_ids(length + 1, i)) if own else (other, some_ids(length + 1, 90 * i + seed))
            for i, (own, length) in enumerate(parts)
        ]
        seen.append(gradient_of(engine, mine, taught))
    assert seen[0].count_nonzero() > 0
    alone = [(slot, ids) for slot, ids in taught if slot is mine]
    limit = TOLERANCES["slices"].of(way.dtype)
    assert apart(gradient_of(engine, mine, alone), seen[0]) <= limit, "taught beside another as if alone"
    assert same(seen[0], seen[1])
    assert same(seen[0], seen[2])


@every_way
@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("closed", [False, True])
def test_replies_while_anothers_slot_is_taught(way: Way, closed: bool, after: int) -> None:
    """A lesson opens a slot for gradients; whoever is answered beside it does not notice."""
    engine = engine_by(way, "llama")
    seen: list[tuple[Any, ...]] = []
    for taught in (False, True):
        slots = [stirred(engine.bank, rank=4, seed=seed) for seed in (1, 2)]
        sampling = Sampling(temperature=0, max_tokens=8, pattern="[a-z]{8}")
        decoder = Decoder(engine)
        tickets = [
            decoder.submit(Request(ids=some_ids(5, i), slot=slot, sampling=sampling)) for i, slot in enumerate(slots)
        ]
        for _ in range(after):
            decoder.step()
        if taught:
            slots[1].train()
            gradient_of(engine, slots[1], [(slots[1], some_ids(12))])
            if closed:
                slots[1].freeze()
        while decoder.step():
            pass
        seen.append(tickets[0].result().drawn)
    assert seen[0] == seen[1]
