"""An update: optimizer steps that make a candidate in a slot of its own, alone or beside other slots.

Each slot has its own examples, normalisers, rate and optimizer state; what slots share is the pass through the prior.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from liveoak.adapters import Slot
from liveoak.engine import Engine, Readings
from liveoak.errors import LearningError
from liveoak.learning.adam import AdamSettings, step_along
from liveoak.learning.objective import ANCHOR, Example, normalisers
from liveoak.learning.passing import Part, learn
from liveoak.learning.slices import by_reply, passes, room, share_beginning, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one optimizer step did. Losses are nats per credited token, before the step."""

    losses: dict[str, float]
    credited: int
    processed: int
    """Tokens of its sequences, shared beginnings once; those that readings had are counted, and were not run."""


class Update:
    """Steps on one slot, slice by slice, so that memory stays bounded and replies go on in between."""

    def __init__(self, engine: Engine, slot: Slot, alphas: Mapping[str, float], adam: AdamSettings) -> None:
        self.engine, self.slot, self.alphas, self.adam = engine, slot, alphas, adam
        slot.train()

    def step(self, examples: Sequence[Example], rate: float) -> Step:
        """One optimizer step at learning rate `rate`.

        Raises:
            LearningError: nothing has credit, or the loss or gradient is not a number; the weights stay as they were.
        """
        done = step_together([Stride(update=self, examples=examples, rate=rate)])[0]
        if isinstance(done, LearningError):
            raise done
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Stride:
    """What one slot is to learn in one step, at which rate."""

    update: Update
    examples: Sequence[Example]
    rate: float


def step_together(strides: Sequence[Stride], readings: Readings | None = None) -> list[Step | LearningError]:
    """One optimizer step on each of several slots of one engine, in passes that they share.

    What `readings` (`Engine.readings` of these slots) keep of earlier steps is not run again.

    What comes of a slot is what its step alone would give, to rounding. One that fails leaves its error in its place
    and its weights as they were; the others go on. A slot that has finished is simply left out of the next call.
    """
    if not strides:
        return []
    engine = strides[0].update.engine
    if len({id(stride.update.slot) for stride in strides}) < len(strides):
        raise ValueError("two strides write the same slot: give all its examples in one")
    if any(stride.update.engine is not engine for stride in strides):
        raise ValueError("strides of several engines cannot share a pass: step each engine by itself")
    return engine.run(lambda: _step(engine, strides, readings))


@dataclass(slots=True, kw_only=True)
class _UnderWay:
    """A stride that has begun."""

    stride: Stride
    counts: Mapping[str, float]
    examples: list[Example]
    sums: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    processed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradient:
    """Of the objective at a slot's weights. `flat` is float32, laid out as `Slot.master`."""

    flat: Tensor
    losses: dict[str, float]
    """Nats per credited token."""
    credited: int
    processed: int

    def norm(self) -> float:
        """
        Raises:
            LearningError: it or a loss is not a number, so that it cannot be followed.
        """
        norm = float(self.flat.norm())
        if all(map(math.isfinite, (norm, *self.losses.values()))):
            return norm
        raise LearningError(f"the update diverged: losses {self.losses!r}, gradient norm {norm!r}; lower the rate")


def mean_losses(each: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """By signal, the mean over those that have it."""
    found: dict[str, list[float]] = {}
    for losses in each:
        for signal, value in losses.items():
            found.setdefault(signal, []).append(value)
    return {signal: sum(values) / len(values) for signal, values in found.items()}


def gradients_together(strides: Sequence[Stride]) -> list[Gradient | LearningError]:
    """The gradients that `step_together` would follow; no weight is changed. Rates play no part."""
    if not strides:
        return []
    engine = strides[0].update.engine
    return engine.run(lambda: [_own(_gradient(one)) for one in _passed(engine, strides)])


def descend(update: Update, gradient: Gradient, rate: float) -> Step:
    """One optimizer step along a gradient, wherever it was computed.

    Raises:
        LearningError: a loss or the gradient is not a number; the weights stay as they were.
    """
    done = update.engine.run(lambda: _descend(update, gradient, rate))
    if isinstance(done, LearningError):
        raise done
    return done


def _step(engine: Engine, strides: Sequence[Stride], readings: Readings | None) -> list[Step | LearningError]:
    done: list[Step | LearningError] = []
    for one, stride in zip(_passed(engine, strides, readings), strides, strict=True):
        found = _gradient(one)
        done.append(found if isinstance(found, LearningError) else _descend(stride.update, found, stride.rate))
    return done


def _passed(
    engine: Engine, strides: Sequence[Stride], readings: Readings | None = None
) -> list[_UnderWay | LearningError]:
    """Each stride, once its gradient is in its slot."""
    begun = [_begin(engine, stride) for stride in strides]
    under_way = [one for one in begun if isinstance(one, _UnderWay)]
    size = room(engine.device)
    for together in passes([_pieces(one, size) for one in under_way], size):
        learn(engine, together, readings)
    return begun


def _begin(engine: Engine, stride: Stride) -> _UnderWay | LearningError:
    slot = stride.update.slot
    assert slot.gradient is not None
    # What a step that broke off left behind is no part of this one.
    slot.gradient.zero_()
    try:
        counts = normalisers(stride.examples)
        credited = (example for example in stride.examples if any(example.credit))
        examples = [piece for example in credited for piece in by_reply(example, slot)]
        _check_tokens(examples, engine)
    except LearningError as error:
        return error
    return _UnderWay(stride=stride, counts=counts, examples=examples)


def _check_tokens(examples: Sequence[Example], engine: Engine) -> None:
    """Found out here, it is the trouble of one slot; in a pass it would be that of all."""
    size = engine.vocabulary
    for example in examples:
        tokens = (*example.ids, *example.targets)
        if unknown := [token for token in (min(tokens), max(tokens)) if not 0 <= token < size]:
            raise LearningError(f"an example holds token {unknown[0]!r}: expected 0 to {size - 1}")


def _pieces(one: _UnderWay, size: int) -> list[tuple[Part, int]]:
    update = one.stride.update
    found: list[tuple[Part, int]] = []
    for piece in slices(one.examples, update.slot, size):
        part = Part(slot=update.slot, examples=piece, counts=one.counts, alphas=update.alphas, sums=one.sums)
        tokens = sum(len(sequence.ids) for sequence in share_beginning(piece, update.slot))
        one.processed += tokens
        found.append((part, tokens))
    return found


def _own(found: Gradient | LearningError) -> Gradient | LearningError:
    """Apart from the slot's buffer, which the next pass fills anew."""
    return found if isinstance(found, LearningError) else replace(found, flat=found.flat.clone())


def _gradient(one: _UnderWay | LearningError) -> Gradient | LearningError:
    if isinstance(one, LearningError):
        return one
    slot = one.stride.update.slot
    assert slot.gradient is not None
    return Gradient(
        flat=slot.gradient.float(),
        losses={signal: float(value) / one.counts[signal] for signal, value in one.sums.items()},
        credited=sum(sum(c != 0 for c in example.credit) for example in one.examples if example.signal != ANCHOR),
        processed=one.processed,
    )


def _descend(update: Update, gradient: Gradient, rate: float) -> Step | LearningError:
    try:
        norm = gradient.norm()
    except LearningError as error:
        return error
    step_along(update.slot, gradient.flat, norm, update.adam, rate)
    return Step(losses=gradient.losses, credited=gradient.credited, processed=gradient.processed)
