"""The prior's linear layers, made to read the slot of each token."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cached_property
from statistics import median
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liveoak.adapters.grouped import Grouping, groups
from liveoak.adapters.lowrank import How, Looped, Part, adapted, add
from liveoak.adapters.products import Panels, Product, order_for
from liveoak.adapters.slots import Layout, Slot, Target, stack
from liveoak.errors import UserError

MOST_PACKED = 1 << 30
"""Bytes of weights that are kept whole in an order for faster products besides, once or twice. In half of their bytes
they are kept whatever they are."""

_ROWS = 32
"""Of each layer, that the size of its weights is told from."""


class Route:
    """Which slot each token of a packed batch goes through."""

    def __init__(self, lengths: Sequence[int], slots: Sequence[Slot | None]) -> None:
        parts: list[Part] = []
        start = 0
        for length, slot in zip(lengths, slots, strict=True):
            if parts and parts[-1].slot is slot:
                parts[-1] = Part(parts[-1].start, start + length, slot)
            else:
                parts.append(Part(start, start + length, slot))
            start += length
        self.parts = tuple(parts)
        self.tokens = start
        self.plain = all(part.slot is None for part in parts)
        slots = [part.slot for part in parts if part.slot is not None]
        self._lowest = min((slot.first for slot in slots), default=0)
        """The first target that any of them changes."""
        self._trained = min((slot.first for slot in slots if slot.gradient is not None), default=None)
        """The first target that gradients are wanted of; None: of none."""
        self._stacks: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self._stackable = self._can_stack()

    def _can_stack(self) -> bool:
        """One token a slot, all slots of one shape: a batched product is one call instead of many.

        Whether a slot is open for gradients has no part in it: its neighbours would feel a lesson begin.
        """
        slots = [part.slot for part in self.parts]
        return (
            all(part.end - part.start == 1 for part in self.parts)
            and all(slot is not None for slot in slots)
            and len({(slot.rank, slot.first) for slot in slots if slot is not None}) == 1
        )

    def trains(self, target: int) -> bool:
        """Whether gradients are wanted of a slot's weights at this target."""
        return self._trained is not None and target >= self._trained

    def changes(self, target: int) -> bool:
        """Whether any token's slot changes this target."""
        return not self.plain and target >= self._lowest

    def add(self, target: int, x: Tensor, y: Tensor, how: How) -> Tensor:
        """y (T, outputs) plus what each token's slot adds for its x (T, inputs). `y` is used up."""
        if self._stackable and how is Looped:
            return self._add_stacked(target, x, y)
        add(x, y, self.parts, target, how)
        return y

    def _add_stacked(self, target: int, x: Tensor, y: Tensor) -> Tensor:
        if target not in self._stacks:
            slots = [part.slot for part in self.parts if part.slot is not None]
            a, b = stack(slots, target)
            scales = torch.tensor([slot.scale for slot in slots], dtype=b.dtype, device=b.device)
            self._stacks[target] = (a, b, scales)
        a, b, scales = self._stacks[target]
        low = torch.bmm(a, x.unsqueeze(2))
        return y + torch.bmm(b, low).squeeze(2) * scales.unsqueeze(1)


class OwnRoute(Protocol):
    """A route that computes the layers itself."""

    def linear(self, target: int, x: Tensor, weight: Tensor, bias: Tensor | None, outputs: int) -> Tensor:
        """x (..., inputs) through the layer and each token's slot, -> (..., outputs)."""
        ...


class SlottedLinear(nn.Module):
    """A frozen linear layer plus the low-rank change of each token's slot."""

    def __init__(self, base: nn.Linear, index: int, bank: Bank) -> None:
        super().__init__()
        self.weight, self.bias = base.weight, base.bias
        self.in_features, self.out_features = base.in_features, base.out_features
        self.index = index
        self.bank = bank
        self.product = Product(base.weight, base.bias)

    def forward(self, x: Tensor) -> Tensor:
        route = self.bank.route
        if not isinstance(route, Route | None):
            return route.linear(self.index, x, self.weight, self.bias, self.out_features)
        if (
            route is not None
            and torch.is_grad_enabled()
            and (route.trains(self.index) or (x.requires_grad and route.changes(self.index)))
        ):
            flat = x.reshape(-1, self.in_features)
            y = adapted(flat, self.product, route.parts, self.index, self.bank.changes)
            return y.view(*x.shape[:-1], -1)
        differentiates = torch.is_grad_enabled() and x.requires_grad
        y = F.linear(x, self.weight, self.bias) if differentiates else self.product.there(x)
        if route is None or not route.changes(self.index):
            return y
        flat = x.reshape(-1, self.in_features), y.view(-1, self.out_features)
        return route.add(self.index, *flat, self.bank.changes).view(y.shape)


class Bank:
    """Makes slots for one model, and routes its tokens through them.

    Every linear layer of the decoder is a target; embeddings and `head`, which makes logits, are not.
    """

    def __init__(self, model: nn.Module, head: nn.Module | None = None) -> None:
        self.route: Route | OwnRoute | None = None
        self.head = Product(head.weight, head.bias) if isinstance(head, nn.Linear) else None
        """The product that makes logits, where it is a plain one."""
        first = next(model.parameters())
        self.dtype, self.device = first.dtype, first.device
        found = [
            (name, module)
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and module is not head
        ]
        if any(isinstance(module, SlottedLinear) for module in model.modules()):
            raise ValueError("the model's layers are adapted already: one bank a model")
        if not found:
            raise UserError(
                f"{type(model).__name__} has no linear layer that an adapter could change; take another prior"
            )
        self._layers = [SlottedLinear(module, index, self) for index, (_, module) in enumerate(found)]
        for (name, _), layer in zip(found, self._layers, strict=True):
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, layer)
        self.layout = Layout(
            tuple(Target(name=name, inputs=m.in_features, outputs=m.out_features) for name, m in found)
        )
        self.changes: How = Grouping() if groups(self.layout, self.dtype, self.device) else Looped
        """How slots change the layers' outputs in a pass."""

    def new_slot(
        self,
        *,
        rank: int,
        alpha: float | None = None,
        seed: int = 0,
        invocation: Sequence[int] = (),
        first: int = 0,
    ) -> Slot:
        """A fresh slot, which is exactly the prior. `alpha` defaults to twice the rank."""
        return Slot(
            self.layout,
            rank=rank,
            alpha=2.0 * rank if alpha is None else alpha,
            dtype=self.dtype,
            device=self.device,
            seed=seed,
            invocation=invocation,
            first=first,
        )

    @cached_property
    def weight_size(self) -> float:
        """Root mean square of the weights that slots change, the median over their layers."""
        layers = (layer.weight[:_ROWS].detach() for layer in self._layers)
        return median(float(rows.float().square().mean().sqrt()) for rows in layers)

    @property
    def products(self) -> list[Product]:
        """That of each target, and last the head's, where it is a plain one."""
        return [*(layer.product for layer in self._layers), *([] if self.head is None else [self.head])]

    def pack(self) -> None:
        """Keep the layers' own products in an order that makes them faster, where there is one: in half of their bytes
        if that loses nothing, else if they are not more than `MOST_PACKED`. Our operators must be loaded.

        Raises:
            RuntimeError, AttributeError: torch's own, whose order is not of its stable interface.
        """
        order = order_for(self.dtype) if self.device.type == "cpu" else None
        few = sum(product.weight.nbytes for product in self.products) <= MOST_PACKED
        for product in self.products:
            product.pack(order if few or order is Panels else None)
            if not few and not product.halved:
                product.pack(None)

    def unpack(self) -> None:
        """Keep them as they came."""
        for product in self.products:
            product.pack(None)

    @contextmanager
    def routed(self, route: Route | OwnRoute) -> Generator[None]:
        """Forward passes inside go through `route`. One thread computes; a pass within a pass is nested here too."""
        outer, self.route = self.route, route
        try:
            yield
        finally:
            self.route = outer
