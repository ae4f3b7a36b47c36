"""What the prior made of tokens is found again, and the figures are those of running all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import FLOAT32, MAIN, PANELS, Way, engine_by, some_ids, stirred, tiny_engine
from tolerances import TOLERANCES

from liveoak.adapters import Slot
from liveoak.engine import Engine, Readings
from liveoak.engine import Sequence as Tokens
from liveoak.engine import engine as engine_module
from liveoak.errors import Unavailable
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import Example
from liveoak.learning.update import Step, Stride, Update, step_together

FAMILIES = ("llama", "mistral", "qwen3", "gemma3", "gemma2", "granite")
APART = TOLERANCES["packed"]
TOLERANCE = APART.float32
OPENING = (5, 6)
LAYERS = 7
"""Linear layers in one layer."""


def engine_of(family: str) -> Engine:
    return engine_by(FLOAT32, family)


def slot_of(engine: Engine, first: int, seed: int = 1, invocation: tuple[int, ...] = OPENING) -> Slot:
    slot = stirred(engine.bank, rank=4, seed=seed, first=first * LAYERS)
    slot.invocation = invocation
    return slot


def asked(number: int, length: int) -> tuple[int, ...]:
    """A question in tokens, which all begin alike, the opening of a reply, and a reply."""
    words = tuple(7 + token % 200 for token in some_ids(length, number))
    return (*range(30, 39), *words, *OPENING, 50 + number, 60, 61)


def batch_of(slot: Slot, numbers: Sequence[int], lengths: Sequence[int]) -> list[Tokens]:
    each = [asked(number, lengths[number % len(lengths)]) for number in numbers]
    return [Tokens(ids=ids, slot=slot, wanted=tuple(range(len(ids) - 3, len(ids)))) for ids in each]


@contextmanager
def rows_of(engine: Engine, layer: int) -> Iterator[list[int]]:
    """Tokens that each pass runs through this layer."""
    seen: list[int] = []

    def note(_: Any, args: tuple[torch.Tensor, ...]) -> None:
        seen.append(args[0].shape[-2])

    hook = engine.model.model.layers[layer].self_attn.q_proj.register_forward_pre_hook(note)
    try:
        yield seen
    finally:
        hook.remove()


@pytest.mark.parametrize("way", MAIN, ids=str)
@settings(max_examples=30, deadline=None)
@given(
    family=st.sampled_from(FAMILIES),
    first=st.integers(0, 2),
    rounds=st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=4),
    lengths=st.lists(st.integers(1, 14), min_size=1, max_size=6),
    activated=st.booleans(),
    room=st.sampled_from([1, 40_000, 1 << 29]),
)
def test_what_is_found_again_makes_the_same_figures(
    way: Way, family: str, first: int, rounds: list[list[int]], lengths: list[int], activated: bool, room: int
) -> None:
    """Whatever comes again in whatever company, past sliding windows, and with too little room for all of it."""
    engine = engine_by(way, family)
    slot = slot_of(engine, first, invocation=OPENING if activated else ())
    assert engine.readings([slot]).layer == first
    readings = Readings(layer=first, dtype=engine.dtype, device=engine.device, room=room)
    for numbers in rounds:
        batch = batch_of(slot, numbers, lengths)
        whole = engine.infer(lambda batch=batch: engine.wanted(batch))
        found = engine.infer(lambda batch=batch: engine.wanted(batch, readings))
        again = engine.infer(lambda batch=batch: engine.wanted(batch, readings))
        assert torch.allclose(found, whole, atol=APART.of(way.dtype))
        assert torch.allclose(again, whole, atol=APART.of(way.dtype))
        kept = restored(readings, way.dtype)
        for _ in range(2):
            assert torch.equal(engine.infer(lambda batch=batch, kept=kept: engine.wanted(batch, kept)), again)


def restored(readings: Readings, dtype: torch.dtype = torch.float32) -> Readings:
    """What another process finds."""
    kept = {name: tensor.clone() for name, tensor in readings.kept().items()}
    return Readings.restored(kept, layer=readings.layer, dtype=dtype, device=torch.device("cpu"))


def test_what_was_kept_is_not_run_elsewhere_and_anything_else_begins_anew() -> None:
    engine = engine_of("llama")
    slot, other = slot_of(engine, 1), slot_of(engine, 1, seed=4)
    readings = engine.readings([slot])
    known, more = batch_of(slot, (0, 1), (10,)), batch_of(other, (0, 2), (10,))
    engine.infer(lambda: engine.wanted(known, readings))
    elsewhere = restored(readings)
    with rows_of(engine, 0) as below, rows_of(engine, 2) as above:
        engine.infer(lambda: engine.wanted(batch_of(other, (1, 0), (10,)), elsewhere))
        assert (below, above) == ([], [2 * 5]), "whoever speaks"
        found = engine.infer(lambda: engine.wanted(more, elsewhere))
        assert (below, above[1:]) == ([9 + 2 * 15], [9 + 2 * 10, 2 * 5])
    assert torch.allclose(found, engine.infer(lambda: engine.wanted(more)), atol=TOLERANCE)


def test_only_what_is_said_is_run_again_and_only_in_the_upper_layers() -> None:
    engine = engine_of("llama")
    slot = slot_of(engine, 1)
    readings = engine.readings([slot])
    assert readings.layer == 1
    batch = batch_of(slot, (0, 1), (10,))
    # From the opening's first token on, each says 5 tokens; what comes before is 9 tokens in common and 10 of its own.
    with rows_of(engine, 0) as below, rows_of(engine, 2) as above:
        engine.infer(lambda: engine.wanted(batch, readings))
        assert (below, above) == ([9 + 2 * 15], [9 + 2 * 10, 2 * 5])
        engine.infer(lambda: engine.wanted([*batch, batch_of(slot, (2,), (10,))[0]], readings))
        assert (below[1:], above[2:]) == ([15], [10, 3 * 5])
        engine.infer(lambda: engine.wanted(batch, readings))
        assert (below[2:], above[4:]) == ([], [2 * 5])


def test_slots_of_all_layers_read_prompts_once_too() -> None:
    engine = engine_of("qwen3")
    slot = slot_of(engine, 0)
    readings = engine.readings([slot])
    batch = batch_of(slot, (0, 1), (10,))
    with rows_of(engine, 0) as seen:
        for _ in range(2):
            engine.infer(lambda: engine.wanted(batch, readings))
    assert seen == [9 + 2 * 10, 2 * 5, 2 * 5]


def test_weights_that_change_lower_layers_are_not_given_what_was_kept_for_upper_ones() -> None:
    engine = engine_of("llama")
    upper, lower = slot_of(engine, 2), slot_of(engine, 1, seed=3)
    readings = engine.readings([upper])
    both = [*batch_of(upper, (0, 1), (10,)), *batch_of(lower, (0, 1), (10,))]
    engine.infer(lambda: engine.wanted(both[:2], readings))
    found, whole = (engine.infer(lambda kept=kept: engine.wanted(both, kept)) for kept in (readings, None))
    assert torch.allclose(found, whole, atol=TOLERANCE)


def test_a_pass_that_breaks_off_leaves_nothing_half_read(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of("llama")
    slot = slot_of(engine, 1)
    readings = engine.readings([slot])
    batch = batch_of(slot, (0, 1), (10,))
    layer = engine.model.model.layers[2].self_attn
    real = layer.forward

    def failing(*args: Any, **kwargs: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr(layer, "forward", failing)
    with pytest.raises(MemoryError):
        engine.infer(lambda: engine.wanted(batch, readings))
    monkeypatch.setattr(layer, "forward", real)
    found, whole = (engine.infer(lambda kept=kept: engine.wanted(batch, kept)) for kept in (readings, None))
    assert torch.allclose(found, whole, atol=TOLERANCE)


@pytest.mark.parametrize("family", ["llama", "gemma3", "qwen3", "mistral"])
@pytest.mark.parametrize("way", [FLOAT32, PANELS], ids=str)
def test_steps_over_what_was_read_learn_as_steps_that_read_everything(family: str, way: Way) -> None:
    engine = engine_by(way, family)
    kept, anew = slot_of(engine, 1), slot_of(engine, 1)
    examples = [
        Example(signal="imitation", ids=ids, wanted=places, credit=(1.0,) * 3, targets=(9, 8, 7))
        for ids in (asked(number, 8) for number in range(3))
        for places in [tuple(range(len(ids) - 3, len(ids)))]
    ]
    readings = engine.readings([kept])
    for slot, own in ((kept, readings), (anew, None)):
        update = Update(engine, slot, {}, AdamSettings())
        for _ in range(5):
            done = step_together([Stride(update=update, examples=examples, rate=1e-3)], own)[0]
            assert isinstance(done, Step)
    assert torch.allclose(kept.master, anew.master, atol=1e-4)
    assert not torch.allclose(kept.master, slot_of(engine, 1).master, atol=1e-3)


def test_priors_whose_layers_are_not_found_run_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Any) -> Any:
        raise Unavailable("no layers")

    monkeypatch.setattr(engine_module, "layers_of", missing)
    engine = tiny_engine("llama")
    slot = slot_of(engine, 1)
    readings = engine.readings([slot])
    assert readings.layer == 0
    batch = batch_of(slot, (0, 1), (10,))
    found, whole = (engine.infer(lambda kept=kept: engine.wanted(batch, kept)) for kept in (readings, None))
    assert torch.allclose(found, whole, atol=TOLERANCE)
