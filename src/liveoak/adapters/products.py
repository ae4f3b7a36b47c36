"""A frozen layer's two products: with its weight, and back with the weight's transpose.

On processors, torch puts a weight in the order that the product wants anew for each call, which is a third of the time
where there are few rows. A weight that never changes can be kept in an order: in panels, which are our own, or
in the one that oneDNN has for bfloat16, where processors multiply that in tiles.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from liveoak.adapters.operators import ours

_ROWS = 512
"""For which oneDNN's order is chosen; it serves any number."""


class Order(Protocol):
    """A weight (outputs, inputs) as it is kept for products; `transposed`: its transpose."""

    def __init__(self, weight: Tensor, *, transposed: bool) -> None: ...

    kept: Tensor

    def times(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x (..., inputs) -> (..., outputs), without a gradient."""
        ...


class Panels:
    """By our own operator, float32 in half of the bytes where every number is bfloat16's too: as good as oneDNN's with
    hundreds of rows, and up to twice as fast with tens."""

    def __init__(self, weight: Tensor, *, transposed: bool) -> None:
        assert weight.dtype in (torch.float32, torch.bfloat16), "the operator reads what it is given as one of these"
        self.kept: Tensor = ours().in_panels(weight.contiguous(), transposed)
        self._outputs = weight.shape[1 if transposed else 0]

    def times(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return ours().linear(x.contiguous(), self.kept, self._outputs, bias, None)


class Reordered:
    """In oneDNN's order. It keeps about a MiB for every number of rows that it meets, for good."""

    def __init__(self, weight: Tensor, *, transposed: bool) -> None:
        own = weight.t().contiguous() if transposed else weight
        self.kept: Tensor = _onednn()._reorder_linear_weight(own, _ROWS)

    def times(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return _onednn()._linear_pointwise(x, self.kept, bias, "none", [], "")

    @staticmethod
    def is_known() -> bool:
        """Whether torch has it, for this processor."""
        supported = getattr(_onednn(), "_is_mkldnn_bf16_supported", lambda: False)
        has_order = torch.backends.mkldnn.is_available() and hasattr(_onednn(), "_reorder_linear_weight")
        return has_order and bool(supported())


def order_for(dtype: torch.dtype) -> type[Order] | None:
    """The order that there is for products in this number format, where our operators are loaded."""
    if dtype is torch.float32 or (dtype is torch.bfloat16 and _has_dots()):
        return Panels
    return Reordered if dtype is torch.bfloat16 and Reordered.is_known() else None


class Product:
    """x (..., inputs) times a frozen weight (outputs, inputs), plus a bias."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight, bias
        self._order: type[Order] | None = None
        self._there: Order | None = None
        self._back: Order | None = None

    def pack(self, order: type[Order] | None) -> None:
        """Keep the weight in this order too, and its transpose from the first way back on, which many a layer never
        goes. None: neither any more."""
        self._order, self._back = order, None
        self._there = None if order is None else order(self.weight, transposed=False)

    @property
    def panels(self) -> Tensor | None:
        """The weight in panels, if it is kept so."""
        return self._there.kept if isinstance(self._there, Panels) else None

    @property
    def halved(self) -> bool:
        """Whether it is kept in half of its bytes."""
        return self.panels is not None and self.panels.dtype is torch.int32 and self.weight.dtype is torch.float32

    def there(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs), without a gradient of its own once it is packed."""
        return F.linear(x, self.weight, self.bias) if self._there is None else self._there.times(x, self.bias)

    def back(self, grad: Tensor) -> Tensor:
        """(T, outputs) -> (T, inputs): the gradient of the input."""
        if self._order is None:
            return grad @ self.weight
        if self._back is None:
            self._back = self._order(self.weight, transposed=True)
        return self._back.times(grad, None)


def _onednn() -> Any:
    return cast(Any, torch.ops.mkldnn)


def _has_dots() -> bool:
    """Whether the processor multiplies bfloat16 by itself, a vector at a time. What multiplies whole tiles is left to
    oneDNN."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16")) and not able.get("amx_bf16")
