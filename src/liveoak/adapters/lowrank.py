"""A frozen linear layer with the low-rank changes of its slots, forward and backward in one step of autograd.

Left to autograd, each part of a batch would cost a node for every product, a copy of the layer's output and gradients
rounded to the prior's number format after every slice. Here the products are added in place, and the gradients of a
slot's weights go straight into its float32 buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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


def adapted(x: Tensor, product: Product, parts: Sequence[Part], target: int) -> Tensor:
    """x (T, inputs) -> (T, outputs), with gradients for x and for every slot that is open for them.

    A slot's gradients are added to `slot.gradient` by the backward pass itself; its weights are no leaves of the graph.
    """
    return _Adapted.apply(x, _LEAF, product, parts, target)  # pyright: ignore[reportReturnType]


def frozen(x: Tensor, product: Product) -> Tensor:
    """x (T, inputs) -> (T, outputs) through the product alone, with a gradient for x."""
    return _Adapted.apply(x, _LEAF, product, (), 0)  # pyright: ignore[reportReturnType]


class _Adapted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, _: Tensor, product: Product, parts: Sequence[Part], target: int) -> Tensor:
        y = product.there(x)
        lows: list[Tensor] = []
        changed: list[Part] = []
        for part in parts:
            if part.slot is not None and (pair := part.slot.pairs[target]) is not None:
                a, b = pair
                low = (x[part.start : part.end] @ a.t()).mul_(part.slot.scale)
                y[part.start : part.end].addmm_(low, b.t())
                lows.append(low)
                changed.append(part)
        ctx.product, ctx.parts, ctx.target = product, changed, target
        ctx.save_for_backward(x, *lows)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, *lows = ctx.saved_tensors
        grad_x = ctx.product.back(grad_y) if ctx.needs_input_grad[0] else None
        for part, low in zip(ctx.parts, lows, strict=True):
            slot: Any = part.slot
            a, b = slot.pairs[ctx.target]
            own = grad_y[part.start : part.end]
            grad_low = (own @ b).mul_(slot.scale)
            if slot.gradient is not None:
                grad_a, grad_b = slot.gradient_pairs[ctx.target]
                grad_a.add_(grad_low.t() @ x[part.start : part.end])
                grad_b.add_((low.t() @ own).t())
            if grad_x is not None:
                grad_x[part.start : part.end].addmm_(grad_low, a)
        return grad_x, None, None, None, None
