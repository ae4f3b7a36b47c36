"""A frozen layer's two products: with its weight, and back with the weight's transpose.

On processors, torch puts a weight in the order that the product wants anew for each call, which is a third of the time
where there are few rows. A weight that never changes can be kept in that order.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

_ROWS = 512
"""For which the order is chosen; it serves any number."""


def has_order(dtype: torch.dtype) -> bool:
    """Whether this torch and this processor have an order of their own for products in this number format."""
    if not torch.backends.mkldnn.is_available() or not hasattr(_operators(), "_reorder_linear_weight"):
        return False
    supported = getattr(_operators(), "_is_mkldnn_bf16_supported", lambda: False)
    return dtype is torch.float32 or (dtype is torch.bfloat16 and bool(supported()))


class Product:
    """x (..., inputs) times a frozen weight (outputs, inputs), plus a bias."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight, bias
        self._packed: Tensor | None = None
        self._packed_back: Tensor | None = None

    def pack(self) -> None:
        """Keep the weight in the products' own order too, and its transpose from the first way back on, which many a
        layer never goes: the memory of the layer once or twice more.

        Raises:
            RuntimeError, AttributeError: this torch or this processor has no such order (`has_order`).
        """
        self._packed = _ordered(self.weight)

    def there(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs), without a gradient of its own once it is packed."""
        if self._packed is None:
            return F.linear(x, self.weight, self.bias)
        return _operators()._linear_pointwise(x, self._packed, self.bias, "none", [], "")

    def back(self, grad: Tensor) -> Tensor:
        """(T, outputs) -> (T, inputs): the gradient of the input."""
        if self._packed is None:
            return grad @ self.weight
        if self._packed_back is None:
            self._packed_back = _ordered(self.weight.t().contiguous())
        return _operators()._linear_pointwise(grad, self._packed_back, None, "none", [], "")


def _ordered(weight: Tensor) -> Tensor:
    return _operators()._reorder_linear_weight(weight, _ROWS)


def _operators() -> Any:
    return cast(Any, torch.ops.mkldnn)
