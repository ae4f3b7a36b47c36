"""An update: optimizer steps that make a candidate in a slot of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from liveoak.adapters import Slot
from liveoak.engine import SLICE, Engine, common_length
from liveoak.engine import Sequence as Tokens
from liveoak.errors import LearningError
from liveoak.learning.objective import ANCHOR, Example, losses, normalisers, total

SHARED = 8
"""A common beginning of at least this many tokens is run once for a whole slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one optimizer step did. Losses are nats per credited token, before the step."""

    losses: dict[str, float]
    credited: int
    processed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamSettings:
    """Source: Adam (Kingma and Ba 2015), with the gradient clipped to a norm of `clip`."""

    beta1: float = 0.9
    beta2: float = 0.99
    epsilon: float = 1e-8
    clip: float = 1.0


class Update:
    """Steps on one slot, slice by slice, so that memory stays bounded and replies go on in between."""

    def __init__(self, engine: Engine, slot: Slot, alphas: Mapping[str, float], adam: AdamSettings) -> None:
        self._engine, self._slot, self._alphas, self._adam = engine, slot, alphas, adam
        slot.train()

    def step(self, examples: Sequence[Example], rate: float) -> Step:
        """One optimizer step at learning rate `rate`.

        Raises:
            LearningError: nothing has credit, or the loss or gradient is not a number; the weights stay as they were.
        """
        return self._engine.run(lambda: self._step(examples, rate))

    def _step(self, examples: Sequence[Example], rate: float) -> Step:
        counts = normalisers(examples)
        assert self._slot.gradient is not None
        # What a step that broke off left behind is no part of this one.
        self._slot.gradient.zero_()
        summed: dict[str, float] = {}
        processed = 0
        for piece in slices(examples):
            batch = share_beginning(piece, self._slot)
            processed += sum(len(sequence.ids) for sequence in batch)
            sums = losses(piece, self._engine.logits(batch))
            total(sums, counts, self._alphas).backward()
            self._engine.breathe()
            for signal, value in sums.items():
                summed[signal] = summed.get(signal, 0.0) + float(value.detach())
        means = {signal: value / counts[signal] for signal, value in summed.items() if signal in counts}
        self._apply(rate, means)
        credited = sum(sum(c != 0 for c in e.credit) for e in examples if e.signal != ANCHOR)
        return Step(losses=means, credited=credited, processed=processed)

    @torch.no_grad()
    def _apply(self, rate: float, means: Mapping[str, float]) -> None:
        slot, adam = self._slot, self._adam
        assert slot.gradient is not None and slot.first_moment is not None and slot.second_moment is not None
        # A copy, whatever the dtype: `float()` alone would be emptied with the buffer where that is float32 already.
        gradient = slot.gradient.to(torch.float32, copy=True)
        slot.gradient.zero_()
        norm = float(gradient.norm())
        if not all(map(_finite, (norm, *means.values()))):
            raise LearningError(f"the update diverged: losses {dict(means)!r}, gradient norm {norm!r}; lower the rate")
        if norm > adam.clip:
            gradient.mul_(adam.clip / norm)
        slot.steps += 1
        slot.first_moment.lerp_(gradient, 1 - adam.beta1)
        slot.second_moment.mul_(adam.beta2).addcmul_(gradient, gradient, value=1 - adam.beta2)
        first = slot.first_moment / (1 - adam.beta1**slot.steps)
        second = slot.second_moment / (1 - adam.beta2**slot.steps)
        slot.master.addcdiv_(first, second.sqrt_().add_(adam.epsilon), value=-rate)
        slot.publish()


def slices(examples: Sequence[Example], size: int = SLICE) -> list[list[Example]]:
    """The examples in order, cut so that each part runs at most `size` tokens, or holds one example."""
    parts: list[list[Example]] = []
    common = total_length = 0
    for example in examples:
        if parts:
            shared = min(common, common_length(parts[-1][0].ids, example.ids), example.wanted[0])
            joined = total_length + len(example.ids)
            run = joined - len(parts[-1]) * shared if shared >= SHARED else joined
            if run <= size:
                parts[-1].append(example)
                common, total_length = shared, joined
                continue
        parts.append([example])
        common, total_length = example.wanted[0], len(example.ids)
    return parts


def share_beginning(examples: Sequence[Example], slot: Slot | None) -> list[Tokens]:
    """Sequences for one pass. What all begin with alike, before anything is credited, is run once."""
    common = min(example.wanted[0] for example in examples)
    for example in examples[1:]:
        common = min(common, common_length(examples[0].ids, example.ids))
    if len(examples) < 2 or common < SHARED:
        return [Tokens(ids=e.ids, slot=slot, wanted=e.wanted) for e in examples]
    head = Tokens(ids=examples[0].ids[:common], slot=slot)
    return [head] + [
        Tokens(ids=e.ids[common:], slot=slot, prefix=0, wanted=tuple(place - common for place in e.wanted))
        for e in examples
    ]


def _finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")
