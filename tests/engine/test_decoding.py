"""Cached decoding against full forward passes and against transformers' own `generate`."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import FAMILIES, merged, scored, some_ids, stirred, tiny_engine, tiny_model
from tolerances import TOLERANCES

from liveoak.adapters import Slot
from liveoak.engine import Completion, Decoder, Engine, Request, Sequence
from liveoak.engine import decoder as decoder_module
from liveoak.records import Sampling

TOLERANCE = TOLERANCES["cached"].float32
STOPS = {256, 258}


@cache
def engine_of(family: str) -> Engine:
    return tiny_engine(family)


@cache
def slots_of(family: str) -> tuple[Slot | None, ...]:
    bank = engine_of(family).bank
    return None, stirred(bank, rank=4, seed=1), stirred(bank, rank=4, seed=2), stirred(bank, rank=2, seed=3)


def ask(ids: tuple[int, ...], slot: Slot | None = None, **sampling: Any) -> Request:
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 12, **sampling}
    return Request(ids=ids, slot=slot, sampling=Sampling(**options))


def tokens(completion: Completion) -> list[int]:
    return [drawn.id for drawn in completion.drawn]


def uncached_logprobs(engine: Engine, request: Request, completion: Completion) -> list[float]:
    """Log-probability of each token of the reply by one full forward pass."""
    reply = tokens(completion)
    ids = request.ids + tuple(reply)
    wanted = tuple(range(len(request.ids) - 1, len(ids) - 1))
    logits = scored(engine, [Sequence(ids=ids, slot=request.slot, wanted=wanted)])
    return logits.log_softmax(-1)[range(len(reply)), reply].tolist()


def check_uncached(engine: Engine, requests: list[Request], completions: list[Completion]) -> None:
    for request, completion in zip(requests, completions, strict=True):
        assert completion.drawn
        expected = uncached_logprobs(engine, request, completion)
        assert [drawn.logprob for drawn in completion.drawn] == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [0, 1])
def test_greedy_replies_equal_transformers_generate(family: str, kind: int) -> None:
    engine, slot = engine_of(family), slots_of(family)[kind]
    reference = merged(tiny_model(family), slot)
    requests = [ask(some_ids(length, length), slot, max_tokens=20) for length in (5, 17, 3)]
    for request, completion in zip(requests, Decoder(engine).generate(requests), strict=True):
        prompt = torch.tensor([request.ids])
        whole = reference.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=20,
            eos_token_id=sorted(STOPS),
            pad_token_id=256,
        )
        assert tokens(completion) == whole[0, len(request.ids) :].tolist()
        assert completion.finish == ("stop" if tokens(completion)[-1] in STOPS else "length")


@pytest.mark.parametrize("family", FAMILIES)
def test_caching_chunks_and_reuse_equal_full_passes(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_module, "SLICE", 16)  # prompts are read in several chunks
    engine, slots = engine_of(family), slots_of(family)
    decoder = Decoder(engine)
    shared = some_ids(40, 50)
    first = [ask(some_ids(length, i), slots[i % 4]) for i, length in enumerate((1, 2, 37, 5, 70, 16, 17, 33))]
    first += [ask(shared + some_ids(5, i), slots[1]) for i in range(3)]
    completions = decoder.generate(first)
    check_uncached(engine, first, completions)
    # A conversation goes on from what was said, and others begin as it did.
    second = [
        ask(request.ids + tuple(tokens(completion)) + some_ids(4, 60), request.slot)
        for request, completion in zip(first, completions, strict=True)
    ]
    second += [ask(shared[:30] + some_ids(20, 61), slots[1]), ask(shared, slots[2]), ask(shared, slots[1])]
    check_uncached(engine, second, decoder.generate(second))
    check_uncached(engine, second, decoder.generate(second))


@settings(max_examples=20, deadline=None)
@given(data=st.data(), family=st.sampled_from(["llama", "mistral", "gemma2", "qwen3"]))
def test_any_history_equals_full_passes(data: st.DataObject, family: str) -> None:
    """Few words and a small pool, so that beginnings are shared, found, cut and evicted all the time."""
    engine, slots = engine_of(family), slots_of(family)
    decoder = Decoder(engine, max_running=3, cache_tokens=64)
    prompt = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(tuple)
    rounds = data.draw(
        st.lists(st.lists(st.tuples(prompt, st.integers(0, 3), st.integers(1, 8)), max_size=5), min_size=1, max_size=3)
    )
    for round_ in rounds:
        requests = [ask(ids, slots[kind], max_tokens=most) for ids, kind, most in round_]
        check_uncached(engine, requests, decoder.generate(requests))
    all_places(decoder)


def all_places(decoder: Decoder) -> None:
    """Nobody but finished caches holds a place."""
    assert (decoder.waiting, decoder.running) == (0, 0)
    pool = decoder.pool
    pool.release(pool.take(pool.capacity))
    assert pool.free == pool.capacity


def test_a_long_beginning_is_run_once_for_all_who_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, slots = engine_of("llama"), slots_of("llama")
    run, count = engine.extend, 0

    def counted(ids: Any, *rest: Any) -> torch.Tensor:
        nonlocal count
        count += len(ids)
        return run(ids, *rest)

    monkeypatch.setattr(engine, "extend", counted)
    decoder = Decoder(engine)
    shared = some_ids(100, 7)
    decoder.generate([ask(shared + some_ids(3, i), slots[1], max_tokens=1) for i in range(5)])
    assert count == 100 + 5 * 3
    count = 0
    decoder.generate([ask(shared + some_ids(4, 9), slots[1], max_tokens=1)])
    assert count == 4
    count = 0
    decoder.generate([ask(shared + some_ids(4, 9), slots[2], max_tokens=1)])  # other weights share nothing
    assert count == 104


def test_a_short_beginning_in_the_cache_does_not_hide_a_long_one_that_is_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A chat's opening is in the cache from the first request on; a text that many ask about must still be run once."""
    engine, slots = engine_of("llama"), slots_of("llama")
    run, count = engine.extend, 0

    def counted(ids: Any, *rest: Any) -> torch.Tensor:
        nonlocal count
        count += len(ids)
        return run(ids, *rest)

    monkeypatch.setattr(engine, "extend", counted)
    decoder = Decoder(engine)
    opening, text = some_ids(20, 5), some_ids(500, 6)
    decoder.generate([ask(opening + some_ids(3, 1), slots[1], max_tokens=1)])
    count = 0
    requests = [ask(opening + text + some_ids(3, 10 + i), slots[1], max_tokens=1) for i in range(5)]
    together = decoder.generate(requests)
    assert count == 500 + 5 * 3
    check_uncached(engine, requests, together)


def test_adapters_with_equal_prompts_do_not_share(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, slots = engine_of("qwen3"), slots_of("qwen3")
    ids = some_ids(40, 8)
    alone = [Decoder(engine).generate([ask(ids, slot)])[0] for slot in slots]
    requests = [ask(ids, slot) for slot in slots]
    decoder = Decoder(engine)
    for _ in range(2):
        together = decoder.generate(requests)
        check_uncached(engine, requests, together)
        assert [tokens(each) for each in together] == [tokens(each) for each in alone]
    assert len({tuple(tokens(each)) for each in alone}) == 4


@pytest.mark.parametrize("when", ["between", "within"])
def test_a_published_adapter_finds_no_cache_of_its_old_weights(when: str) -> None:
    engine = tiny_engine("llama")
    slot = stirred(engine.bank, seed=1)
    decoder = Decoder(engine)
    request = ask(some_ids(30, 3), slot, max_tokens=6)
    ticket = decoder.submit(request)
    for _ in range(2 if when == "within" else 6):
        decoder.step()
    slot.master.copy_(stirred(engine.bank, seed=2).master)
    slot.publish()
    while decoder.step():
        pass
    if when == "within":
        expected = uncached_logprobs(engine, request, ticket.result())
        late = [drawn.logprob for drawn in ticket.result().drawn[2:]]
        assert late == pytest.approx(expected[2:], abs=TOLERANCE)
    check_uncached(engine, [request], decoder.generate([request]))
    all_places(decoder)


def test_exact_requests_do_not_depend_on_history_by_a_bit() -> None:
    engine, slots = engine_of("llama"), slots_of("llama")
    ids = some_ids(50, 4)
    request = ask(ids, slots[1], temperature=1, seed=3, exact=True, top_logprobs=3)
    fresh = Decoder(engine).generate([request])[0]
    decoder = Decoder(engine)
    decoder.generate([ask(ids[:30] + some_ids(9, 5), slots[1]), ask(some_ids(4, 6), slots[2])])
    decoder.generate([ask(ids, slots[1])])
    for _ in range(2):
        assert decoder.generate([request])[0] == fresh


@pytest.mark.parametrize("mates", [1, 5])
def test_a_seeded_reply_is_its_own_whoever_is_beside_it(mates: int) -> None:
    engine, slots = engine_of("llama"), slots_of("llama")
    mine = ask(some_ids(20, 1), slots[1], temperature=1.3, top_p=0.9, seed=11, max_tokens=30)
    alone = Decoder(engine).generate([mine])[0]
    decoder = Decoder(engine)
    others = [ask(some_ids(3 + i, i), slots[i % 4], temperature=1, max_tokens=7 * i + 1) for i in range(mates)]
    beside = decoder.generate([*others, mine])[-1]
    assert tokens(beside) == tokens(alone)
    assert len(alone.drawn) == 30 or alone.drawn[-1].id in STOPS
    again = decoder.generate([mine, mine])
    assert tokens(again[0]) == tokens(again[1]) == tokens(alone)
    other = ask(some_ids(20, 1), slots[1], temperature=1.3, top_p=0.9, seed=12, max_tokens=30)
    assert tokens(decoder.generate([other])[0]) != tokens(alone)


def test_logprobs_are_the_models_own_whatever_the_sampling() -> None:
    engine = engine_of("llama")
    requests = [
        ask(some_ids(9, 2), None, temperature=temperature, top_p=top_p, seed=5, top_logprobs=4, max_tokens=8)
        for temperature in (0, 0.3, 2.0)
        for top_p in (0.05, 1.0)
    ]
    requests.append(ask(some_ids(9, 2), None, pattern="[ab]{8}", top_logprobs=4, max_tokens=8))
    completions = Decoder(engine).generate(requests)
    check_uncached(engine, requests, completions)
    for request, completion in zip(requests, completions, strict=True):
        ids = request.ids + tuple(tokens(completion))
        whole = scored(engine, [Sequence(ids=ids, wanted=tuple(range(len(request.ids) - 1, len(ids) - 1)))])
        values, likeliest = whole.log_softmax(-1).topk(4)
        for place, drawn in enumerate(completion.drawn):
            assert [id for id, _ in drawn.top] == likeliest[place].tolist()
            assert [value for _, value in drawn.top] == pytest.approx(values[place].tolist(), abs=TOLERANCE)
