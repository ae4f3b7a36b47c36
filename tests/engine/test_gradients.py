"""Gradients of a slot against finite differences and against `peft`, and training against `peft` with torch's AdamW."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import peft
import pytest
import torch
import torch.nn.functional as F
from tiny_priors import (
    FLOAT32,
    FLOAT64,
    HALVES,
    MAIN,
    PANELS,
    VOCABULARY,
    Way,
    engine_by,
    every_way,
    everywhere,
    own_logits,
    scored,
    some_ids,
    stirred,
    tiny_engine,
    tiny_model,
)
from tolerances import TOLERANCES
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.engine import Engine, Sequence
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import ANCHOR, Example, losses, normalisers, total
from liveoak.learning.update import Step, Stride, Update, step_together

EXACT = Way("float64 of bfloat16's numbers", torch.float64, rounded=True)
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def loss_of(engine: Engine, parts: list[tuple[tuple[int, ...], Slot | None]]) -> Tensor:
    """Mean next-token loss over all parts, packed."""
    batch = [Sequence(ids=ids[:-1], slot=slot, wanted=tuple(range(len(ids) - 1))) for ids, slot in parts]
    targets = torch.tensor([token for ids, _ in parts for token in ids[1:]])
    return F.cross_entropy(engine.logits(batch), targets)


def taught(head: tuple[int, ...]) -> list[Example]:
    """A lesson of all kinds of terms: tokens with credit, a teacher's distribution, and the anchor."""
    teacher = torch.randn((3, VOCABULARY), generator=torch.Generator().manual_seed(3)).log_softmax(-1)
    long = some_ids(17, 5)
    return [
        Example(signal="imitation", ids=head, wanted=(2, 8), credit=(1.0, 0.5), targets=(7, 99)),
        Example(signal="imitation", ids=head + some_ids(5, 2), wanted=(9, 13), credit=(1.0, 1.0), targets=(3, 4)),
        Example(signal="transition", ids=head + some_ids(9, 3), wanted=(17,), credit=(0.25,), targets=(41,)),
        Example(signal="distillation", ids=long, wanted=(1, 15, 16), credit=(1.0, 0.5, 1.0), teacher=teacher),
        Example(signal=ANCHOR, ids=long[:12], wanted=(11,), credit=(1.0,), teacher=teacher[:1]),
    ]


def objective(engine: Engine, slot: Slot) -> Tensor:
    """Through the whole model: a shared beginning, past the sliding window, beside another slot's sequence."""
    head, other = some_ids(9, 1), stirred(engine.bank, rank=3, seed=2)
    examples = taught(head)
    batch = [
        Sequence(ids=head, slot=slot, wanted=examples[0].wanted),
        *(
            Sequence(ids=one.ids[9:], slot=slot, prefix=0, wanted=tuple(place - 9 for place in one.wanted))
            for one in examples[1:3]
        ),
        *(Sequence(ids=one.ids, slot=slot, wanted=one.wanted) for one in examples[3:]),
        Sequence(ids=some_ids(20, 4), slot=other, wanted=(7,)),
    ]
    sums = losses(examples, engine.logits(batch)[:-1])
    return total(sums, normalisers(examples), {"transition": 0.3, ANCHOR: 2.0})


def pupil(engine: Engine) -> Slot:
    """The same in every number format."""
    slot = stirred(engine.bank, rank=2, seed=1)
    slot.master.copy_(slot.master.bfloat16())
    slot.publish()
    return slot


@cache
def slopes(family: str, rounded: bool) -> list[tuple[Tensor, float]]:
    """Directions of one length, a whole adapter's and single numbers', with the finite difference along each."""
    engine = engine_by(EXACT if rounded else FLOAT64, family)
    slot, generator = pupil(engine), torch.Generator().manual_seed(0)
    size, start = len(slot.weights), slot.weights.clone()
    directions = [torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(3)]
    for place in torch.randint(0, size, (9,), generator=generator).tolist():
        directions.append(F.one_hot(torch.tensor(place), size).double() * size**0.5)
    found: list[tuple[Tensor, float]] = []
    step = 1e-5
    with torch.no_grad():
        for direction in directions:
            ends = [float(objective(engine, moved(slot, start + way * step * direction))) for way in (1, -1)]
            found.append((direction, (ends[0] - ends[1]) / (2 * step)))
    return found


def moved(slot: Slot, weights: Tensor) -> Slot:
    slot.weights.copy_(weights)
    return slot


@pytest.mark.parametrize(
    "family", ["llama", "llama-biased", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "granite"]
)
@every_way
def test_gradients_of_the_objective_equal_finite_differences(family: str, way: Way) -> None:
    engine = engine_by(way, family)
    slot = pupil(engine)
    slot.train()
    objective(engine, slot).backward()
    assert slot.gradient is not None
    assert slot.gradient.dtype == torch.promote_types(way.dtype, torch.float32)
    gradient = slot.gradient.double()
    limit = TOLERANCES["slopes"].of(way.dtype) * float(gradient.norm())
    for direction, slope in slopes(family, way.rounded):
        assert float(gradient @ direction) == pytest.approx(slope, rel=0, abs=limit)


def peft_twin(family: str, slot: Slot, *, rounded: bool = False) -> Any:
    """`peft`'s model in float32 with the slot's weights."""
    config = peft.LoraConfig(
        r=slot.rank, lora_alpha=int(slot.alpha), target_modules=LINEARS, task_type="CAUSAL_LM", lora_dropout=0.0
    )
    twin: Any = peft.get_peft_model(tiny_model(family, rounded=rounded), config)
    for name, (a, b) in slot.named_master().items():
        module = twin.base_model.model.get_submodule(name)
        module.lora_A["default"].weight.data.copy_(a)
        module.lora_B["default"].weight.data.copy_(b)
    return twin.eval()


def peft_loss(twin: Any, ids: tuple[int, ...]) -> Tensor:
    logits: Tensor = twin(input_ids=torch.tensor([ids[:-1]])).logits[0]
    return F.cross_entropy(logits, torch.tensor(ids[1:]))


def flat(twin: Any, slot: Slot, *, gradient: bool) -> Tensor:
    """The twin's weights or gradients in the slot's order."""
    found: list[Tensor] = []
    for name in slot.named_master():
        module = twin.base_model.model.get_submodule(name)
        for part in (module.lora_A["default"].weight, module.lora_B["default"].weight):
            found.append((part.grad if gradient else part.detach()).flatten())
    return torch.cat(found)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "mistral"])
@pytest.mark.parametrize("way", [FLOAT32, PANELS, HALVES], ids=str)
def test_logits_and_gradients_equal_those_of_peft(family: str, way: Way) -> None:
    engine = engine_by(way, family)
    slot, other = stirred(engine.bank, rank=4, seed=1), stirred(engine.bank, rank=20, seed=2)
    twin = peft_twin(family, slot, rounded=way.rounded)
    texts = [some_ids(length, length) for length in (21, 22, 6, 40)]
    for ids in texts:
        assert torch.allclose(scored(engine, [everywhere(ids, slot)]), own_logits(twin, ids), atol=1e-4)
    sum((len(ids) - 1) * peft_loss(twin, ids) for ids in texts).backward()  # type: ignore[union-attr]
    slot.train()
    parts: list[tuple[tuple[int, ...], Slot | None]] = [(ids, slot) for ids in texts]
    parts[2:2] = [(some_ids(22, 9), other), (some_ids(21, 8), None)]
    count = sum(len(ids) - 1 for ids, _ in parts)
    (count * loss_of(engine, parts)).backward()
    assert slot.gradient is not None
    expected = flat(twin, slot, gradient=True)
    assert float((slot.gradient - expected).norm() / expected.norm()) < 1e-5


def example(ids: tuple[int, ...]) -> Example:
    wanted = tuple(range(len(ids) - 1))
    return Example(signal="imitation", ids=ids[:-1], wanted=wanted, credit=(1.0,) * len(wanted), targets=ids[1:])


RATE = 2e-3


def beginner(engine: Engine) -> Slot:
    return engine.bank.new_slot(rank=4, alpha=8.0, seed=3)


def pair_of(step: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    first, second = (step + more for more in (0, 1))
    return some_ids(10 + first % 6, first % 6), some_ids(10 + second % 6, second % 6)


@dataclass(frozen=True, slots=True)
class Trained:
    """A hundred steps: the loss before each, how many were clipped, and the weights in the slot's order."""

    losses: list[float]
    clipped: int
    weights: Tensor


@cache
def by_peft(family: str, clip: float, rounded: bool) -> Trained:
    slot = beginner(engine_by(FLOAT32, family))
    twin, adam = peft_twin(family, slot, rounded=rounded), AdamSettings()
    trained = [parameter for parameter in twin.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, betas=(adam.beta1, adam.beta2), eps=adam.epsilon, weight_decay=0.0)
    found: list[float] = []
    clipped = 0
    for step in range(100):
        count = sum(len(ids) - 1 for ids in pair_of(step))
        loss = sum((len(ids) - 1) / count * peft_loss(twin, ids) for ids in pair_of(step))
        assert isinstance(loss, Tensor)
        optimizer.zero_grad()
        loss.backward()
        clipped += float(torch.nn.utils.clip_grad_norm_(trained, clip)) > clip
        optimizer.step()
        found.append(float(loss.detach()))
    return Trained(found, clipped, flat(twin, slot, gradient=False))


STEPS = {torch.float32: (1e-5, 2e-3, 5e-3), torch.bfloat16: (1e-2, 0.1, 0.1)}
"""How far losses of the first twenty steps, of all, and the last weights may be from `peft`'s in float32: shares."""


@pytest.mark.parametrize(
    ("family", "clip"),
    [("llama", float("inf")), ("gemma3", 0.5), ("qwen2", 0.5), ("qwen3", 0.5), ("mistral", float("inf"))],
)
@pytest.mark.parametrize(
    ("way", "beside"),
    [(FLOAT32, False), *((way, True) for way in MAIN)],
    ids=lambda value: str(value) if isinstance(value, Way) else "beside another slot" if value else "alone",
)
def test_a_hundred_steps_equal_peft_with_adamw(family: str, way: Way, clip: float, beside: bool) -> None:
    engine = engine_by(way, family)
    slot, adam = beginner(engine), AdamSettings(clip=clip)
    update = Update(engine, slot, {}, adam)
    other = Update(engine, engine.bank.new_slot(rank=3, seed=4), {}, adam)
    ours: list[float] = []
    for step in range(100):
        strides = [Stride(update=update, examples=[example(ids) for ids in pair_of(step)], rate=RATE)]
        if beside and step < 60:  # the other one stops early
            strides.insert(0, Stride(update=other, examples=[example(some_ids(12 + step % 5, step))], rate=5e-3))
        done = step_together(strides)[-1]
        assert isinstance(done, Step)
        ours.append(done.losses["imitation"])
    theirs = by_peft(family, clip, way.rounded)
    assert ours[-1] < 0.7 * ours[0], "nothing was learned, so nothing was compared"
    assert theirs.clipped == 0 if clip == float("inf") else theirs.clipped > 20, "clipping was not compared"
    assert slot.steps == 100
    begun, ended, weights = STEPS[way.dtype]
    assert ours[:20] == pytest.approx(theirs.losses[:20], rel=begun)
    assert ours == pytest.approx(theirs.losses, rel=ended)
    assert float((slot.master - theirs.weights).norm() / theirs.weights.norm()) < weights


def test_a_slot_under_training_serves_what_was_published() -> None:
    engine = tiny_engine("llama")
    slot = stirred(engine.bank)
    ids = some_ids(12)
    before = scored(engine, [Sequence(ids=ids, slot=slot, wanted=(11,))])
    slot.train()
    loss_of(engine, [(ids, slot)]).backward()
    during = scored(engine, [Sequence(ids=ids, slot=slot, wanted=(11,))])
    assert torch.equal(before, during)
    assert not during.requires_grad
