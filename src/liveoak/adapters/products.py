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
        self._packed: tuple[Tensor, Tensor] | None = None

    def pack(self) -> None:
        """Keep the weight and its transpose in the products' own order too: the memory of the layer twice more.

        Raises:
            RuntimeError, AttributeError: this torch or this processor has no such order (`has_order`).
        """
        pack = _operators()._reorder_linear_weight
        self._packed = pack(self.weight, _ROWS), pack(self.weight.t().contiguous(), _ROWS)

    def there(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs), without a gradient of its own once it is packed."""
        if self._packed is None:
            return F.linear(x, self.weight, self.bias)
        return _operators()._linear_pointwise(x, self._packed[0], self.bias, "none", [], "")

    def back(self, grad: Tensor) -> Tensor:
        """(T, outputs) -> (T, inputs): the gradient of the input."""
        if self._packed is None:
            return grad @ self.weight
        return _operators()._linear_pointwise(grad, self._packed[1], None, "none", [], "")


def _operators() -> Any:
    return cast(Any, torch.ops.mkldnn)
