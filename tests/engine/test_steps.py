"""Steps of decoding, on the kernels alone and compiled: the same replies, and none depends on who steps beside it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_priors import FAMILIES, refuse, some_ids, stirred, swift_engine, tiny_engine

from liveoak.adapters import Slot
from liveoak.config import load_settings
from liveoak.engine import Completion, Decoder, Engine, Request, Sequence, compiled, kernels, stepper
from liveoak.engine.layer import layers_of
from liveoak.errors import Unavailable
from liveoak.records import Sampling

TOLERANCE = {torch.float32: 5e-5, torch.bfloat16: 0.1}
COMPILED = (("llama", torch.float32), ("gemma3", torch.float32), ("qwen3", torch.float32), ("llama", torch.bfloat16))
"""One kind of layer, and two of Gemma's."""


def ask(ids: tuple[int, ...], slot: Slot | None = None, **sampling: Any) -> Request:
    return Request(ids=ids, slot=slot, sampling=Sampling(**{"temperature": 0, "max_tokens": 12, **sampling}))


def check_uncached(engine: Engine, requests: list[Request], tolerance: float) -> list[Completion]:
    replies = Decoder(engine).generate(requests)
    for request, completion in zip(requests, replies, strict=True):
        reply = [drawn.id for drawn in completion.drawn]
        ids = request.ids + tuple(reply)
        wanted = tuple(range(len(request.ids) - 1, len(ids) - 1))
        whole = engine.infer(lambda ids=ids, slot=request.slot, wanted=wanted: engine.logits(
            [Sequence(ids=ids, slot=slot, wanted=wanted)]
        ))  # fmt: skip
        expected = whole.log_softmax(-1)[range(len(reply)), reply].tolist()
        assert [drawn.logprob for drawn in completion.drawn] == pytest.approx(expected, abs=tolerance)
    return replies


def mixed(engine: Engine) -> list[Request]:
    bank = engine.bank
    slots = [
        None,
        stirred(bank, rank=4, seed=1),
        stirred(bank, rank=20, seed=2, first=7),
        stirred(bank, rank=1, seed=3),
    ]
    return [ask(some_ids(length, length), slots[length % 4]) for length in (1, 3, 10, 15, 18, 33)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("family", FAMILIES)
def test_steps_are_cached_decoding_of_every_family(family: str, dtype: torch.dtype) -> None:
    engine = swift_engine(family, dtype=dtype)
    check_uncached(engine, mixed(engine), TOLERANCE[dtype])


@pytest.mark.parametrize(("family", "dtype"), COMPILED)
def test_compiled_steps_are_too(family: str, dtype: torch.dtype) -> None:
    engine = swift_engine(family, graphs=True, dtype=dtype)
    taken = engine._stepper  # pyright: ignore[reportPrivateUsage]
    assert taken is not None and taken.compiled
    compared = check_uncached(engine, mixed(engine), TOLERANCE[dtype])
    if dtype is torch.float32:  # bfloat16 rounds elsewhere in a graph, so that equally likely tokens may change places
        plain = Decoder(swift_engine(family)).generate(mixed(swift_engine(family)))
        assert [[drawn.id for drawn in each.drawn] for each in compared] == [
            [drawn.id for drawn in each.drawn] for each in plain
        ]


def test_most_tokens_are_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = swift_engine("llama", graphs=True)
    sizes: list[int] = []
    step = engine.step
    monkeypatch.setattr(engine, "step", lambda ids, *rest: (sizes.append(len(ids)), step(ids, *rest))[1])
    replies = Decoder(engine).generate([ask(some_ids(9, 1)), ask(some_ids(20, 2), max_tokens=5)])
    assert sum(sizes) == sum(len(reply.drawn) - 1 for reply in replies)
    assert sizes[0] == 2


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_reply_is_the_same_to_the_bit_whoever_steps_or_reads_beside_it(dtype: torch.dtype) -> None:
    engine = swift_engine("llama", graphs=True, dtype=dtype)
    mine = ask(some_ids(21, 4), stirred(engine.bank, rank=4, seed=1), max_tokens=30, top_logprobs=3)
    alone = Decoder(engine).generate([mine])[0]
    broken = stirred(engine.bank, rank=4, seed=2)
    broken.master.fill_(float("nan"))
    broken.publish()
    decoder = Decoder(engine)
    ticket = decoder.submit(mine)
    decoder.step()
    for length in (1, 70, 5, 40, 9, 12, 30, 3):
        decoder.submit(ask(some_ids(length, length), stirred(engine.bank, rank=length % 5 + 1, seed=length)))
        decoder.submit(ask(some_ids(length, length), broken))
        decoder.step()
    while decoder.step():
        pass
    assert ticket.result() == alone


@pytest.mark.parametrize("rank", [0, 4])
def test_a_prompt_that_a_step_ends_is_shared_with_one_that_is_about_to_be_read(rank: int) -> None:
    engine = swift_engine("llama")
    slot = stirred(engine.bank, rank=rank, seed=1) if rank else None
    long, late = some_ids(40, 1), some_ids(9, 4)
    decoder = Decoder(engine, max_running=3)
    # The first reads what is common; the second waits for it and is a token short; the third makes room.
    decoder.submit(ask((*long, 7), slot))
    decoder.submit(ask((*long, 8), slot))
    decoder.submit(ask(some_ids(5, 3), slot, max_tokens=1))
    ticket = decoder.submit(ask((*long, *late), slot))
    decoder.step()
    assert (decoder.running, decoder.waiting) == (2, 1)
    run, read = engine.extend, list[int]()
    engine.extend = lambda ids, *rest: (read.append(len(ids)), run(ids, *rest))[1]  # type: ignore[method-assign]
    try:
        decoder.step()
    finally:
        del engine.extend
    assert read == [len(late)], "what the second had read by its step is not read again"
    while decoder.step():
        pass
    assert ticket.result() == Decoder(engine).generate([ask((*long, *late), slot)])[0]


def test_a_slot_published_within_a_reply_is_used_from_then_on() -> None:
    engine = swift_engine("llama")
    slot = stirred(engine.bank, rank=4, seed=1)
    decoder = Decoder(engine)
    ticket = decoder.submit(ask(some_ids(12, 1), slot, max_tokens=10))
    for _ in range(4):
        decoder.step()
    slot.master.copy_(stirred(engine.bank, rank=4, seed=2).master)
    slot.publish()
    while decoder.step():
        pass
    drawn = ticket.result().drawn
    ids = (*some_ids(12, 1), *(each.id for each in drawn))
    whole = engine.infer(lambda: engine.logits([Sequence(ids=ids, slot=slot, wanted=tuple(range(11, len(ids) - 1)))]))
    expected = whole.log_softmax(-1)[range(len(drawn)), [each.id for each in drawn]].tolist()
    assert [each.logprob for each in drawn[4:]] == pytest.approx(expected[4:], abs=TOLERANCE[torch.float32])
    assert [each.logprob for each in drawn[:4]] != pytest.approx(expected[:4], abs=1e-2)


def test_a_machine_compiles_once(monkeypatch: pytest.MonkeyPatch) -> None:
    swift_engine("llama", graphs=True)
    monkeypatch.setattr(compiled, "_compile", refuse)
    again = tiny_engine("llama")
    again.compile(load_settings().cache)
    assert again._stepper is not None and again._stepper.compiled  # pyright: ignore[reportPrivateUsage]


def test_steps_that_compute_something_else_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine("llama")
    own = kernels.linear
    monkeypatch.setattr(stepper, "compile_layers", refuse)
    monkeypatch.setattr(kernels, "linear", lambda x, weight, outputs, bias, table: own(x, weight, outputs, bias, None))
    with pytest.raises(Unavailable, match=r"differ by .* expected at most"):
        engine.compile(load_settings().cache)
    assert all(product.panels is None for product in engine.bank.products), "what was kept for them is let go"
    assert len(Decoder(engine).generate([ask(some_ids(5))])[0].drawn) > 0


def test_layers_whose_steps_are_refused_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    swift_engine("llama", graphs=True)
    engine = tiny_engine("llama")
    layers = layers_of(engine.model.get_decoder())
    before = [layer.forward for layer in layers]

    def wrong(*_: Any, **__: Any) -> None:
        raise Unavailable("these are other logits")

    monkeypatch.setattr("liveoak.engine.engine.require_same", wrong)
    with pytest.raises(Unavailable, match="other logits"):
        engine.compile(load_settings().cache)
    assert [layer.forward for layer in layers] == before
    assert engine._stepper is None  # pyright: ignore[reportPrivateUsage]


def test_what_breaks_in_other_code_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("not my shape")

    monkeypatch.setattr(stepper, "compile_layers", refuse)
    engine = tiny_engine("llama")
    monkeypatch.setattr(kernels, "linear", broken)
    with pytest.raises(Unavailable, match=r"LlamaForCausalLM cannot be run: not my shape"):
        engine.compile(load_settings().cache)
    monkeypatch.undo()
    monkeypatch.setattr(compiled, "_load", broken)
    again = tiny_engine("llama")
    again.compile(load_settings().cache)
    assert again._stepper is not None and not again._stepper.compiled  # pyright: ignore[reportPrivateUsage]


def test_formats_that_the_kernels_do_not_know_are_told() -> None:
    with pytest.raises(Unavailable, match="float64"):
        tiny_engine("llama", dtype=torch.float64).compile(load_settings().cache)
