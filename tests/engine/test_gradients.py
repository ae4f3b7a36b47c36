"""Gradients of a slot against finite differences and against `peft`, and training against `peft` with torch's AdamW."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
import torch.nn.functional as F
from tiny_priors import VOCABULARY, scored, some_ids, stirred, tiny_engine, tiny_model
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.engine import Engine, Sequence
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import ANCHOR, Example, losses, normalisers, total
from liveoak.learning.update import Step, Stride, Update, step_together

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


@pytest.mark.parametrize(
    "family", ["llama", "llama-biased", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "granite"]
)
def test_gradients_of_the_objective_equal_finite_differences(family: str) -> None:
    """Through the whole model: a shared beginning, past the sliding window, beside another slot's sequence."""
    engine = tiny_engine(family, dtype=torch.float64)
    slot, other = stirred(engine.bank, rank=2, seed=1), stirred(engine.bank, rank=3, seed=2)
    head = some_ids(9, 1)
    examples = taught(head)
    counts = normalisers(examples)
    beginning = Sequence(ids=head, slot=slot, wanted=examples[0].wanted)
    shared = [
        Sequence(ids=one.ids[9:], slot=slot, prefix=0, wanted=tuple(place - 9 for place in one.wanted))
        for one in examples[1:3]
    ]

    def loss() -> Tensor:
        batch = [
            beginning,
            *shared,
            *(Sequence(ids=one.ids, slot=slot, wanted=one.wanted) for one in examples[3:]),
            Sequence(ids=some_ids(20, 4), slot=other, wanted=(7,)),
        ]
        return total(losses(examples, engine.logits(batch)[:-1]), counts, {"transition": 0.3, ANCHOR: 2.0})

    slot.train()
    loss().backward()
    assert slot.gradient is not None and slot.gradient.dtype == torch.float64
    gradient = slot.gradient.clone()
    generator = torch.Generator().manual_seed(0)
    directions = [torch.randn(gradient.shape, generator=generator, dtype=torch.float64) for _ in range(3)]
    for place in torch.randint(0, len(gradient), (9,), generator=generator).tolist():
        directions.append(F.one_hot(torch.tensor(place), len(gradient)).double() * 30)
    step = 1e-5
    with torch.no_grad():
        start = slot.weights.clone()
        for direction in directions:
            slot.weights.copy_(start + step * direction)
            above = float(loss())
            slot.weights.copy_(start - step * direction)
            below = float(loss())
            slot.weights.copy_(start)
            assert (above - below) / (2 * step) == pytest.approx(float(gradient @ direction), rel=1e-5, abs=1e-8)


def peft_twin(family: str, slot: Slot) -> Any:
    """`peft`'s model with the slot's weights."""
    config = peft.LoraConfig(
        r=slot.rank, lora_alpha=int(slot.alpha), target_modules=LINEARS, task_type="CAUSAL_LM", lora_dropout=0.0
    )
    twin: Any = peft.get_peft_model(tiny_model(family), config)
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


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma2", "mistral"])
def test_gradients_equal_those_of_peft(family: str) -> None:
    engine = tiny_engine(family)
    slot, other = stirred(engine.bank, rank=4, seed=1), stirred(engine.bank, rank=4, seed=2)
    twin = peft_twin(family, slot)
    texts = [some_ids(length, length) for length in (21, 22, 6, 40)]
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


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another slot"])
@pytest.mark.parametrize(("family", "clip"), [("llama", float("inf")), ("gemma3", 0.5), ("qwen2", 0.5)])
def test_a_hundred_steps_equal_peft_with_adamw(family: str, clip: float, beside: bool) -> None:
    engine = tiny_engine(family)
    slot = engine.bank.new_slot(rank=4, alpha=8.0, seed=3)
    twin = peft_twin(family, slot)
    adam = AdamSettings(clip=clip)
    trained = [parameter for parameter in twin.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-3, betas=(adam.beta1, adam.beta2), eps=adam.epsilon, weight_decay=0.0)
    update = Update(engine, slot, {}, adam)
    other = Update(engine, engine.bank.new_slot(rank=3, seed=4), {}, adam)
    texts = [some_ids(10 + seed, seed) for seed in range(6)]
    ours: list[float] = []
    theirs: list[float] = []
    clipped = 0
    for step in range(100):
        pair = texts[step % 6], texts[(step + 1) % 6]
        strides = [Stride(update=update, examples=[example(ids) for ids in pair], rate=2e-3)]
        if beside:
            strides.insert(0, Stride(update=other, examples=[example(some_ids(12 + step % 5, step))], rate=5e-3))
        done = step_together(strides)[-1]
        assert isinstance(done, Step)
        ours.append(done.losses["imitation"])
        count = sum(len(ids) - 1 for ids in pair)
        loss = sum((len(ids) - 1) / count * peft_loss(twin, ids) for ids in pair)
        assert isinstance(loss, Tensor)
        optimizer.zero_grad()
        loss.backward()
        clipped += float(torch.nn.utils.clip_grad_norm_(trained, clip)) > clip
        optimizer.step()
        theirs.append(float(loss.detach()))
    assert ours[-1] < 0.7 * ours[0], "nothing was learned, so nothing was compared"
    assert ours == pytest.approx(theirs, rel=2e-3)
    assert ours[:20] == pytest.approx(theirs[:20], rel=1e-5)
    assert slot.steps == 100
    assert clipped == 0 if clip == float("inf") else clipped > 20, "clipping was not compared"
    distance = (slot.master - flat(twin, slot, gradient=False)).norm() / slot.master.norm()
    assert float(distance) < 5e-3


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
