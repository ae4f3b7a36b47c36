"""What the slots of a batch change, by products of all of them together: for GPUs, where to begin one takes longer than
what it computes for a slot.

Tokens are brought in the order of their slots, whose weights lie side by side, filled with zeros up to one rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from liveoak.adapters.lowrank import Changes, Part
from liveoak.adapters.slots import Layout, Slot

WIDE = 8
"""Numbers of bfloat16 in the 16 bytes that torch's grouped product wants rows to be a multiple of."""
_HOPPER = (9, 0)
"""The first devices that have a kernel for it; on others torch itself goes from slot to slot."""


def groups(layout: Layout, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether changes are grouped: bfloat16 on a GPU that has the kernel, over layers of fitting widths."""
    fits = all(target.inputs % WIDE == target.outputs % WIDE == 0 for target in layout.targets)
    on_gpu = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _HOPPER
    return on_gpu and dtype is torch.bfloat16 and fits


class Grouping:
    """Makes the changes of a layer. Slots that came together last are kept side by side, since in decoding they come
    again."""

    def __init__(self) -> None:
        self._key: tuple[tuple[int, int, int], ...] = ()
        self._together: _Together | None = None

    def __call__(self, parts: Sequence[Part], target: int) -> Changes:
        key = tuple((part.start, part.end, part.slot.stamp) for part in parts if part.slot is not None)
        if self._together is None or self._key != key:
            self._key, self._together = key, _Together(parts)
        return _Grouped(self._together, target)


class _Together:
    """Slots side by side, and the tokens of each."""

    def __init__(self, parts: Sequence[Part]) -> None:
        places: dict[Slot, list[range]] = {}
        for part in parts:
            if part.slot is not None:
                places.setdefault(part.slot, []).append(range(part.start, part.end))
        self.slots = list(places)
        one = self.slots[0].weights
        sizes = [sum(map(len, own)) for own in places.values()]
        self.ends = torch.tensor(list(accumulate(sizes)), dtype=torch.int32, device=one.device)
        each = torch.tensor([slot.scale for slot in self.slots], dtype=one.dtype, device=one.device)
        self.scales = each.repeat_interleave(torch.tensor(sizes, device=one.device), output_size=sum(sizes)).unsqueeze(
            1
        )
        """(T, 1), of those tokens that have a slot, in the order of the slots."""
        order = [place for own in places.values() for some in own for place in some]
        stretch = range(order[0], order[0] + len(order))
        one_after_the_other = order == list(stretch)
        self._order = slice(stretch.start, stretch.stop) if one_after_the_other else torch.tensor(order).to(one.device)
        self._rank = -(-max(slot.rank for slot in self.slots) // WIDE) * WIDE
        self._weights: dict[int, tuple[Tensor, Tensor]] = {}

    def weights(self, target: int) -> tuple[Tensor, Tensor]:
        """a (S, R, inputs) and b (S, outputs, R)."""
        if target not in self._weights:
            pairs = [pair for slot in self.slots if (pair := slot.pairs[target]) is not None]
            a = torch.stack([F.pad(a, (0, 0, 0, self._rank - len(a))) for a, _ in pairs])
            b = torch.stack([F.pad(b, (0, self._rank - b.shape[1])) for _, b in pairs])
            self._weights[target] = a, b
        return self._weights[target]

    def taken(self, x: Tensor) -> Tensor:
        """Of x (all tokens, width), those that have a slot, in the order of the slots."""
        return x.contiguous()[self._order]

    def give(self, y: Tensor, change: Tensor) -> None:
        """Add a change of those to y (all tokens, width)."""
        if isinstance(self._order, slice):
            y[self._order].add_(change)
        else:
            y.index_add_(0, self._order, change)


class _Grouped:
    def __init__(self, together: _Together, target: int) -> None:
        self._together, self._target = together, target
        self._a, self._b = together.weights(target)

    def add(self, x: Tensor, y: Tensor) -> list[Tensor]:
        own = self._together
        low = F.grouped_mm(own.taken(x), self._a.mT, offs=own.ends).mul_(own.scales)
        own.give(y, F.grouped_mm(low, self._b.mT, offs=own.ends))
        return [low]

    def back(self, grad_y: Tensor, x: Tensor, lows: Sequence[Tensor], grad_x: Tensor | None) -> None:
        own, (low,) = self._together, lows
        grad = own.taken(grad_y)
        grad_low = F.grouped_mm(grad, self._b, offs=own.ends).mul_(own.scales)
        if any(slot.gradient is not None for slot in own.slots):
            grads_a = F.grouped_mm(grad_low.t(), own.taken(x), offs=own.ends)
            self._gather(grads_a, F.grouped_mm(grad.t(), low, offs=own.ends))
        if grad_x is not None:
            own.give(grad_x, F.grouped_mm(grad_low, self._a, offs=own.ends))

    def _gather(self, grads_a: Tensor, grads_b: Tensor) -> None:
        """Add gradients (S, R, inputs) and (S, outputs, R) to those of the slots that are open for them."""
        sums: list[Tensor] = []
        news: list[Tensor] = []
        for slot, a, b in zip(self._together.slots, grads_a.float(), grads_b.float(), strict=True):
            if slot.gradient is not None:
                pair = slot.gradient_pairs[self._target]
                assert pair is not None
                sums += pair
                news += (a[: slot.rank], b[:, : slot.rank])
        cast(Any, torch)._foreach_add_(sums, news)
