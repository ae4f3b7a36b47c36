"""A frozen linear layer with the low-rank changes of its slots, forward and backward in one step of autograd.

Left to autograd, each part of a batch would cost a node for every product, a copy of the layer's output and gradients
rounded to the prior's number format after every slice. Here the products are added in place, and the gradients of a
slot's weights go straight into its float32 buffer. Who computes the changes is the bank's to say: torch slot by slot
(`Looped`), our own operator where those of `engine/cpp` are loaded (`Ours`), or torch for all together (`grouped.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from liveoak.adapters.operators import ours
from liveoak.adapters.products import Product
from liveoak.adapters.slots import Slot

_LEAF = torch.zeros(0, requires_grad=True)
"""Makes the output part of a graph where the input is not: below the first adapted layer nothing has a gradient."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens `start:end` of the packed batch, all under one slot; None is the prior itself."""

    start: int
    end: int
    slot: Slot | None


class Changes(Protocol):
    """What slots change at one layer. All parts have slots, which change it."""

    def add(self, x: Tensor, y: Tensor) -> list[Tensor]:
        """Add to y (T, outputs) what the tokens' slots make of their x (T, inputs). Returns what `back` wants to see
        again."""
        ...

    def back(self, grad_y: Tensor, x: Tensor, lows: Sequence[Tensor], grad_x: Tensor | None) -> None:
        """Add to the slots' gradients, and to grad_x (T, inputs)."""
        ...


How = Callable[[Sequence[Part], int], Changes]
"""Makes the changes of these parts at a target."""


def adapted(x: Tensor, product: Product, parts: Sequence[Part], target: int, how: How) -> Tensor:
    """x (T, inputs) -> (T, outputs), with gradients for x and for every slot that is open for them.

    A slot's gradients are added to `slot.gradient` by the backward pass itself; its weights are no leaves of the graph.
    """
    return _Adapted.apply(x, _LEAF, product, _changes(parts, target, how))  # pyright: ignore[reportReturnType]


def frozen(x: Tensor, product: Product) -> Tensor:
    """x (T, inputs) -> (T, outputs) through the product alone, with a gradient for x."""
    return _Adapted.apply(x, _LEAF, product, None)  # pyright: ignore[reportReturnType]


def add(x: Tensor, y: Tensor, parts: Sequence[Part], target: int, how: How) -> None:
    """Add to y (T, outputs) what the tokens' slots make of their x (T, inputs)."""
    changes = _changes(parts, target, how)
    if changes is not None:
        changes.add(x, y)


def _changes(parts: Sequence[Part], target: int, how: How) -> Changes | None:
    """Of the parts that change this target; None: none does."""
    changing = [part for part in parts if part.slot is not None and part.slot.pairs[target] is not None]
    return how(changing, target) if changing else None


class Looped:
    """By torch's products, slot by slot."""

    def __init__(self, parts: Sequence[Part], target: int) -> None:
        self._parts, self._target = parts, target

    def add(self, x: Tensor, y: Tensor) -> list[Tensor]:
        lows: list[Tensor] = []
        for part in self._parts:
            slot: Any = part.slot
            a, b = slot.pairs[self._target]
            low = (x[part.start : part.end] @ a.t()).mul_(slot.scale)
            y[part.start : part.end].addmm_(low, b.t())
            lows.append(low)
        return lows

    def back(self, grad_y: Tensor, x: Tensor, lows: Sequence[Tensor], grad_x: Tensor | None) -> None:
        for part, low in zip(self._parts, lows, strict=True):
            slot: Any = part.slot
            a, b = slot.pairs[self._target]
            own = grad_y[part.start : part.end]
            grad_low = (own @ b).mul_(slot.scale)
            if slot.gradient is not None:
                grad_a, grad_b = slot.gradient_pairs[self._target]
                grad_a.add_(grad_low.t() @ x[part.start : part.end])
                grad_b.add_((low.t() @ own).t())
            if grad_x is not None:
                grad_x[part.start : part.end].addmm_(grad_low, a)


class Ours:
    """By our own operator, which knows float32 and bfloat16 on processors, all parts in one call."""

    def __init__(self, parts: Sequence[Part], target: int) -> None:
        self._parts = parts
        """Held, since the operator is given addresses."""
        entries = np.zeros((len(parts), 8), dtype=np.int64)
        for row, part in enumerate(parts):
            slot: Any = part.slot
            own = [each.data_ptr() for each in slot.pairs[target]]
            grads = [0, 0] if slot.gradient is None else [each.data_ptr() for each in slot.gradient_pairs[target]]
            entries[row] = (part.start, part.end, *own, slot.rank, *grads, np.float64(slot.scale).view(np.int64))
        self._table = torch.from_numpy(entries)

    def add(self, x: Tensor, y: Tensor) -> list[Tensor]:
        return [ours().change(x.contiguous(), y, self._table)]

    def back(self, grad_y: Tensor, x: Tensor, lows: Sequence[Tensor], grad_x: Tensor | None) -> None:
        ours().change_back(grad_y.contiguous(), x.contiguous(), lows[0], self._table, grad_x)


class _Adapted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, _: Tensor, product: Product, changes: Changes | None) -> Tensor:
        y = product.there(x)
        ctx.product, ctx.changes = product, changes
        ctx.save_for_backward(x, *([] if changes is None else changes.add(x, y)))
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, *lows = ctx.saved_tensors
        grad_x = ctx.product.back(grad_y) if ctx.needs_input_grad[0] else None
        if ctx.changes is not None:
            ctx.changes.back(grad_y, x, lows, grad_x)
        return grad_x, None, None, None
