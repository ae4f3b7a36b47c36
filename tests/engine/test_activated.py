"""Activated slots: the prior reads, and from the tokens that open a reply on the slot changes what is said."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import FLOAT32, FLOAT64, PANELS, Way, engine_by, some_ids, stirred
from tolerances import TOLERANCES

from liveoak.adapters import Slot
from liveoak.engine import Completion, Decoder, Engine, Request, Sequence
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import Example
from liveoak.learning.slices import by_reply, share_beginning
from liveoak.learning.update import Gradient, Stride, Update, gradients_together
from liveoak.records import Sampling

TOLERANCE = TOLERANCES["packed"].float32
FAMILIES = ("llama", "qwen3", "gemma3", "mistral")
OPENING = (5, 6)
both = pytest.mark.parametrize("way", [FLOAT32, PANELS], ids=str)


def engine_of(family: str) -> Engine:
    return engine_by(FLOAT32, family)


def slot_of(engine: Engine, seed: int, invocation: tuple[int, ...] = OPENING, rank: int = 4, first: int = 0) -> Slot:
    slot = stirred(engine.bank, rank=rank, seed=seed, first=first)
    slot.invocation = invocation
    return slot


def replies(*lengths: int) -> tuple[int, ...]:
    """Stretches of tokens, each but the first after an opening, of which no stretch holds any."""
    ids: tuple[int, ...] = ()
    for number, length in enumerate(lengths):
        ids += (OPENING if number else ()) + tuple(7 + token % 200 for token in some_ids(length, number))
    return ids


def said(engine: Engine, ids: tuple[int, ...], since: int, slot: Slot, wanted: tuple[int, ...]) -> torch.Tensor:
    """Logits with the cut made by hand."""
    head = [Sequence(ids=ids[:since])] if since else []
    tail = Sequence(
        ids=ids[since:], slot=slot, prefix=0 if head else None, wanted=tuple(place - since for place in wanted)
    )
    return engine.infer(lambda: engine.logits([*head, tail]))


@pytest.mark.parametrize("family", FAMILIES)
@both
def test_what_comes_before_the_last_opening_is_read_by_the_prior(family: str, way: Way) -> None:
    engine = engine_by(way, family)
    slot, ids = slot_of(engine, 1), replies(9, 6, 5)
    first, second = 9, 9 + 2 + 6
    found = engine.infer(
        lambda: engine.logits([Sequence(ids=ids, slot=slot, wanted=(4, 11, 13, second + 1, len(ids) - 1))])
    )
    whole = said(engine, ids, 0, slot, (4,))
    one, two = said(engine, ids, first, slot, (11, 13)), said(engine, ids, second, slot, (second + 1, len(ids) - 1))
    assert torch.allclose(found, torch.cat([whole, one, two]), atol=TOLERANCE)
    everywhere = slot.fork()
    everywhere.invocation = ()
    other = engine.infer(lambda: engine.logits([Sequence(ids=ids, slot=everywhere, wanted=(len(ids) - 1,))]))
    assert not torch.allclose(other, two[-1:], atol=1e-2), "what is read under the slot says something else"


def test_a_fresh_activated_slot_is_the_prior_to_the_bit() -> None:
    engine, ids = engine_of("llama"), replies(9, 6)
    fresh = engine.bank.new_slot(rank=4, invocation=OPENING)
    wanted = (11, 12, len(ids) - 1)
    head = Sequence(ids=ids[:9])

    def under(slot: Slot | None) -> torch.Tensor:
        tail = Sequence(ids=ids[9:], slot=slot, prefix=0, wanted=tuple(place - 9 for place in wanted))
        return engine.infer(lambda: engine.logits([head, tail]))

    assert torch.equal(under(fresh), under(None))


def gradient(engine: Engine, slot: Slot, examples: list[Example]) -> Gradient:
    found = gradients_together([Stride(update=Update(engine, slot, {}, AdamSettings()), examples=examples, rate=0)])[0]
    assert isinstance(found, Gradient)
    return found


def example(ids: tuple[int, ...], *wanted: int, signal: str = "imitation") -> Example:
    targets = tuple((7 * place + len(ids)) % 200 for place in wanted)
    return Example(signal=signal, ids=ids, wanted=wanted, credit=(1.0,) * len(wanted), targets=targets)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(FAMILIES), st.lists(st.integers(3, 14), min_size=2, max_size=4), st.integers(0, 9))
def test_gradients_are_those_of_finite_differences(family: str, lengths: list[int], seed: int) -> None:
    """Beginnings are shared, the prior's reading has a pass of its own, and the gradient is the objective's."""
    engine = engine_by(FLOAT64, family)
    slot = slot_of(engine, seed, rank=2, first=(0, 7)[seed % 2])
    ids = replies(*lengths)
    last = len(ids) - lengths[-1]
    batch = [
        example(ids, lengths[0] + 1, last, len(ids) - 1),
        example((*ids[:-1], 9), len(ids) - 1),
        example(ids[: lengths[0]], *range(lengths[0]), signal="text"),
    ]
    found = gradient(engine, slot, batch).flat.double()
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(slot.master.shape, generator=generator, dtype=torch.float64)
    before, moved = slot.weights.clone(), 1e-4

    def objective(step: float) -> float:
        slot.weights.copy_(before + step * direction)
        losses = gradient(engine, slot, batch).losses
        return losses["imitation"] + losses["text"]

    slope = (objective(moved) - objective(-moved)) / (2 * moved)
    slot.weights.copy_(before)
    assert float(found @ direction) == pytest.approx(slope, rel=1e-3, abs=1e-5)


def test_credit_in_several_replies_is_several_sequences_and_nothing_is_read_twice_over() -> None:
    engine = engine_of("llama")
    slot, ids = slot_of(engine, 1), replies(12, 6, 5)
    parts = by_reply(example(ids, 13, 14, len(ids) - 1), slot)
    assert [part.wanted for part in parts] == [(13, 14), (len(ids) - 1,)]
    assert [len(part.ids) for part in parts] == [15, len(ids)]
    alike = [example((*ids[:10], token, *ids[11:]), len(ids) - 1) for token in (200, 201, 202)]
    batch = share_beginning(alike, slot)
    assert [(len(one.ids), one.slot) for one in batch] == [
        (10, None),
        *[part for _ in alike for part in ((20 - 10, None), (len(ids) - 20, slot))],
    ]
    own = engine.infer(lambda: engine.logits(batch))
    each = [
        engine.infer(lambda one=one: engine.logits([Sequence(ids=one.ids, slot=slot, wanted=one.wanted)]))
        for one in alike
    ]
    assert torch.allclose(own, torch.cat(each), atol=TOLERANCE)


def ask(ids: tuple[int, ...], slot: Slot | None, **sampling: Any) -> Request:
    return Request(ids=ids, slot=slot, sampling=Sampling(**{"temperature": 0, "max_tokens": 8, **sampling}))


def drawn(completion: Completion) -> list[int]:
    return [token.id for token in completion.drawn]


def greedy(engine: Engine, request: Request) -> list[int]:
    """The reply token by token without any cache; what was said stays said."""
    slot, since = request.slot, request.slot.since(request.ids, len(request.ids) - 1) if request.slot else 0
    ids = list(request.ids)
    for _ in range(request.sampling.max_tokens):
        if slot is None:
            logits = engine.infer(lambda: engine.logits([Sequence(ids=tuple(ids), wanted=(len(ids) - 1,))]))
        else:
            logits = said(engine, tuple(ids), since, slot, (len(ids) - 1,))
        ids.append(int(logits.argmax()))
        if ids[-1] in engine.tokenizer.stop_ids:
            break
    return ids[len(request.ids) :]


@pytest.mark.parametrize("family", FAMILIES)
@both
def test_replies_side_by_side_and_again_are_those_without_a_cache(family: str, way: Way) -> None:
    engine = engine_by(way, family)
    decoder = Decoder(engine)
    ids, longer = replies(20, 6, 2), replies(20, 6, 2, 4, 0)
    slots = [None, slot_of(engine, 1), slot_of(engine, 2), slot_of(engine, 3, ())]
    requests = [ask(prompt, slot) for slot in slots for prompt in (ids, longer)]
    expected = [greedy(engine, request) for request in requests]
    for _ in range(2):
        assert [drawn(completion) for completion in decoder.generate(requests)] == expected


def test_what_the_prior_read_serves_every_activated_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of("llama")
    decoder, ids, run = Decoder(engine), replies(30, 0), list[int]()
    extend = engine.extend

    def counting(tokens: Any, *rest: Any) -> torch.Tensor:
        run.append(len(tokens))
        return extend(tokens, *rest)

    monkeypatch.setattr(engine, "extend", counting)
    first, second, plain = slot_of(engine, 1), slot_of(engine, 2), slot_of(engine, 3, ())
    for slot, expected in ((first, 32), (second, 2), (None, 2), (plain, 32)):
        run.clear()
        decoder.generate([ask(ids, slot, max_tokens=1)])
        assert run == [expected]
    run.clear()
    decoder.generate([ask(ids, first, max_tokens=1, exact=True)])
    assert run == [32], "an exact reply is read anew"


def test_what_was_said_is_read_by_the_prior_in_the_next_turn() -> None:
    engine, decoder = engine_of("llama"), Decoder(engine_of("llama"))
    slot, ids = slot_of(engine, 1), replies(20, 0)
    reply = tuple(token for token in drawn(decoder.generate([ask(ids, slot)])[0]) if token not in OPENING)
    request = ask((*ids, *reply, 30, *OPENING), slot)
    assert drawn(decoder.generate([request])[0]) == greedy(engine, request)
