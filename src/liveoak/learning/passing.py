"""One pass forward and backward, with logits of a few places at a time.

Between the prior's layers and the objective stands the head, whose logits are a whole vocabulary wide. They are made
for some rows, turned into a loss and a gradient, and let go before the next rows: what is kept of them is the gradient
at the last hidden states, from where the layers' own backward pass begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.engine import Engine, Readings
from liveoak.engine import Sequence as Tokens
from liveoak.learning.objective import Example, cut, summed, token_losses, total
from liveoak.learning.slices import share_beginning

LOGITS = 6 << 20
"""Logits held at once: 24 MiB in float32, which processors' caches hold, and rows enough for fast products."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one slot learns in a pass. `counts` and `alphas` are those of its whole step; losses are added to `sums`."""

    slot: Slot
    examples: Sequence[Example]
    counts: Mapping[str, float]
    alphas: Mapping[str, float]
    sums: dict[str, Tensor]


Chunk = list[tuple[Part, list[Example]]]


def learn(engine: Engine, parts: Sequence[Part], readings: Readings | None = None) -> None:
    """Add the objective's gradients to those of each part's slot, as if it were alone."""
    batch: list[Tokens] = []
    for part in parts:
        batch.extend(share_beginning(part.examples, part.slot, first=len(batch)))
    states = engine.wanted(batch, readings)
    rows, gradient = states.detach(), torch.empty_like(states)
    start = 0
    for chunk in _chunks(parts, max(1, LOGITS // engine.vocabulary)):
        end = start + sum(_rows(examples) for _, examples in chunk)
        leaf = rows[start:end].requires_grad_()
        _objective(chunk, engine.plain_head(leaf)).backward()
        assert leaf.grad is not None
        gradient[start:end] = leaf.grad
        start = end
        engine.breathe()
    states.backward(gradient)
    engine.breathe()


def _objective(chunk: Chunk, logits: Tensor) -> Tensor:
    """The sum of all parts' objectives: none has a share in another's gradient."""
    terms: list[Tensor] = []
    each = iter(token_losses([example for _, examples in chunk for example in examples], logits))
    for part, examples in chunk:
        sums = summed(examples, [next(each) for _ in examples])
        terms.append(total(sums, part.counts, part.alphas))
        for signal, value in sums.items():
            part.sums[signal] = part.sums.get(signal, torch.zeros_like(value)) + value.detach()
    return torch.stack(terms).sum()


def _chunks(parts: Sequence[Part], most: int) -> Iterator[Chunk]:
    """All parts' examples in order, cut anywhere so that chunks of like size have at most `most` rows each."""
    rows = sum(_rows(part.examples) for part in parts)
    size = math.ceil(rows / math.ceil(rows / most))
    chunk: Chunk = []
    room = size
    for part in parts:
        for example in part.examples:
            start = 0
            while start < len(example.wanted):
                end = min(len(example.wanted), start + room)
                if not chunk or chunk[-1][0] is not part:
                    chunk.append((part, []))
                chunk[-1][1].append(cut(example, start, end))
                room -= end - start
                start = end
                if not room:
                    yield chunk
                    chunk, room = [], size
    if chunk:
        yield chunk


def _rows(examples: Sequence[Example]) -> int:
    return sum(len(example.wanted) for example in examples)
