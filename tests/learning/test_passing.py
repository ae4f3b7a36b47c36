"""Logits of some rows at a time: the same gradients, and never a whole batch of them."""

from __future__ import annotations

import pytest
import torch
from tiny_priors import some_ids, stirred, tiny_engine
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.engine import Engine
from liveoak.engine import Sequence as Tokens
from liveoak.learning import passing
from liveoak.learning.objective import Example, cut, losses, normalisers, total
from liveoak.learning.passing import Part, learn
from liveoak.learning.slices import share_beginning
from liveoak.learning.terms import surprise, top_of

ALPHAS = {"transition": 0.3, "distillation": 0.7, "reward": 2.0}


def of_every_kind(engine: Engine) -> list[Example]:
    """All terms of the objective, 19 credited places; the first two examples share a beginning."""
    generator = torch.Generator().manual_seed(0)
    head = some_ids(12, 1)
    teacher = torch.randn(5, engine.vocabulary, generator=generator, dtype=torch.float64)
    places = {"wanted": (8, 9, 10, 11, 12), "credit": (1.0, 0.5, 2.0, 0.0, 1.0)}
    return [
        Example(signal="imitation", ids=(*head, 7), **places, targets=(1, 2, 3, 4, 5)),
        Example(signal="transition", ids=(*head, 9, 8), **places, targets=(5, 4, 3, 2, 1)),
        Example(signal="distillation", ids=some_ids(14, 2), **places, teacher=teacher.log_softmax(-1)),
        Example(
            signal="distillation", ids=some_ids(14, 3), wanted=(2, 3), credit=(1.0, 1.0), top=top_of(teacher[:2], 3)
        ),
        Example(
            signal="reward",
            ids=some_ids(9, 4),
            wanted=(3, 5),
            credit=(1.5, -0.5),
            targets=(3, 1),
            sampled=(-1.0, -2.0),
            proximal=(-1.5, -1.8),
        ),
    ]


def part_of(slot: Slot, examples: list[Example]) -> Part:
    return Part(slot=slot, examples=examples, counts=normalisers(examples), alphas=ALPHAS, sums={})


def gradient(engine: Engine, slot: Slot, examples: list[Example], rows: int, monkeypatch: pytest.MonkeyPatch) -> Part:
    monkeypatch.setattr(passing, "LOGITS", rows * engine.vocabulary)
    slot.train()
    assert slot.gradient is not None
    slot.gradient.zero_()
    part = part_of(slot, examples)
    learn(engine, [part])
    return part


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 18, 1000])
def test_chunks_give_the_gradient_and_the_losses_of_the_whole(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine("gemma2", dtype=torch.float64)
    slot = stirred(engine.bank)
    examples = of_every_kind(engine)
    whole = losses(examples, engine.logits([Tokens(ids=e.ids, slot=slot, wanted=e.wanted) for e in examples]))
    slot.train()
    batch = share_beginning(examples, slot)
    expected = total(losses(examples, engine.logits(batch)), normalisers(examples), ALPHAS)
    expected.backward()
    assert slot.gradient is not None
    kept = slot.gradient.clone()
    part = gradient(engine, slot, examples, rows, monkeypatch)
    assert torch.allclose(slot.gradient, kept, rtol=1e-9, atol=1e-12)
    assert {signal: float(value) for signal, value in part.sums.items()} == pytest.approx(
        {signal: float(value) for signal, value in whole.items()}, rel=1e-9
    )


def test_the_gradient_equals_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine("gemma2", dtype=torch.float64)
    slot = stirred(engine.bank, rank=2)
    examples = of_every_kind(engine)
    gradient(engine, slot, examples, 4, monkeypatch)
    assert slot.gradient is not None
    found, start = slot.gradient.clone(), slot.weights.clone()
    generator = torch.Generator().manual_seed(0)

    def value() -> float:
        with torch.no_grad():
            logits = engine.logits([Tokens(ids=e.ids, slot=slot, wanted=e.wanted) for e in examples])
            return float(total(losses(examples, logits), normalisers(examples), ALPHAS))

    for _ in range(4):
        direction = torch.randn(found.shape, generator=generator, dtype=torch.float64)
        step = 1e-5
        slot.weights.copy_(start + step * direction)
        above = value()
        slot.weights.copy_(start - step * direction)
        below = value()
        # transformers' norms compute in float32, which bounds how well differences are known.
        assert (above - below) / (2 * step) == pytest.approx(float(found @ direction), rel=2e-2)


def test_no_more_logits_are_held_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine("llama")
    sizes: list[int] = []
    real = engine.plain_head

    def noted(hidden: Tensor) -> Tensor:
        sizes.append(len(hidden))
        return real(hidden)

    monkeypatch.setattr(engine, "plain_head", noted)
    gradient(engine, engine.bank.new_slot(rank=2), of_every_kind(engine), 7, monkeypatch)
    assert sizes == [7, 7, 5], "chunks of like size"


def test_surprise_and_its_gradient_against_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(6, 9, generator=generator, dtype=torch.float64) * 4).requires_grad_()
    targets = torch.tensor([0, 8, 3, 3, 1, 5])
    weight = torch.tensor([1.0, -2.0, 0.0, 0.5, 3.0, 1.0], dtype=torch.float64)

    def value(rows: Tensor) -> float:
        return float((weight * surprise(rows, targets)).sum())

    (weight * surprise(logits, targets)).sum().backward()
    assert logits.grad is not None
    for place in [(0, 0), (0, 5), (1, 8), (2, 3), (3, 0), (4, 1), (5, 5), (5, 2)]:
        step = torch.zeros_like(logits)
        step[place] = 1e-6
        slope = (value(logits.detach() + step) - value(logits.detach() - step)) / 2e-6
        assert float(logits.grad[place]) == pytest.approx(slope, abs=1e-8, rel=1e-6)
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    assert torch.allclose(surprise(logits, targets), expected)


def test_a_cut_example_keeps_what_belongs_to_its_places() -> None:
    engine = tiny_engine("llama")
    for one in of_every_kind(engine):
        whole = len(one.wanted)
        assert cut(one, 0, whole) is one
        part = cut(one, 1, 2)
        assert (part.ids, part.wanted, part.credit) == (one.ids, one.wanted[1:2], one.credit[1:2])
        assert (part.targets, part.sampled, part.proximal) == (one.targets[1:2], one.sampled[1:2], one.proximal[1:2])
        if one.teacher is not None:
            assert part.teacher is not None and torch.equal(part.teacher, one.teacher[1:2])
        if one.top is not None:
            assert part.top is not None and torch.equal(part.top.ids, one.top.ids[1:2])
            assert torch.equal(part.top.logprobs, one.top.logprobs[1:2])
