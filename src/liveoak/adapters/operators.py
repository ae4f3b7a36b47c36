"""Our operators in C++, as torch has them once `engine.kernels` has built and loaded them."""

from __future__ import annotations

from typing import Any, cast

import torch

DTYPES = (torch.float32, torch.bfloat16)
"""Number formats that they know."""


def ours() -> Any:
    return cast(Any, torch.ops.liveoak)


def is_loaded() -> bool:
    return hasattr(ours(), "linear")
