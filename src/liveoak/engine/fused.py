"""What stands between the products of a pass, run by our own operators: norms, gates, rotary positions, attention.

Knows no family of models: a module is taken over if it is built like others of its kind and gives, when tried, the
same figures. All others stay as they are.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from liveoak.adapters.operators import DTYPES, ours
from liveoak.engine.batch import Plan
from liveoak.engine.layer import forwards

SILU, GELU_TANH = 0, 1
"""Activations that the operators know."""
_ROTARY = "apply_rotary_pos_emb"
"""What transformers' attention calls to turn queries and keys."""
_APART = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""By how much of their largest figure a module and what takes its place may differ."""

Forward = Callable[..., Any]


def fuse(decoder: nn.Module) -> Callable[[], None]:
    """Have our operators, which are loaded, run what they can of the decoder. Returns what gives it back to itself."""
    modules = list(decoder.modules())
    undo = forwards(modules)
    for module in modules:
        found = _norm(module) or _gate(module) or _attention(module)
        if found is not None:
            module.forward = found
    return undo


def attend_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    plan: Plan,
    *,
    fixed: int,
    scaling: float,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """query (T, H, D), key and value (places, G, D) -> (T, H, D): each row of the plan by itself.

    No gradient is wanted of the first `fixed` places; those of a row's keys that are among them come before its others.
    """
    return cast(Tensor, _Attend.apply(query, key, value, *plan.table, (fixed, scaling, window or 0, softcap or 0.0)))


def _norm(module: nn.Module) -> Forward | None:
    """x / rms(x) * weight, or * (1 + weight)."""
    weight = getattr(module, "weight", None)
    epsilon = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    if list(module.children()) or not isinstance(weight, Tensor) or not isinstance(epsilon, float):
        return None
    if weight.dim() != 1 or weight.dtype not in DTYPES or not weight.is_contiguous():
        return None
    own = module.forward
    for plus in (0.0, 1.0):

        def forward(x: Tensor, plus: float = plus) -> Tensor:
            if torch.compiler.is_compiling() or x.dtype is not weight.dtype:
                return own(x)
            return cast(Tensor, _Norm.apply(x, weight, epsilon, plus))

        if _alike(own, forward, _random(5, len(weight), dtype=weight.dtype)):
            return forward
    return None


def _gate(module: nn.Module) -> Forward | None:
    """down(activation(gate(x)) * up(x))."""
    gate, up, down = (getattr(module, name, None) for name in ("gate_proj", "up_proj", "down_proj"))
    if not isinstance(gate, nn.Module) or not isinstance(up, nn.Module) or not isinstance(down, nn.Module):
        return None
    weight = getattr(gate, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 2 or weight.dtype not in DTYPES:
        return None
    own = module.forward
    for kind in (SILU, GELU_TANH):

        def forward(x: Tensor, kind: int = kind) -> Tensor:
            if torch.compiler.is_compiling():
                return own(x)
            return down(_Gated.apply(gate(x), up(x), kind))

        if _alike(own, forward, _random(5, weight.shape[1], dtype=weight.dtype) * 3):
            return forward
    return None


def _attention(module: nn.Module) -> Forward | None:
    """The module's own code, which turns queries and keys by our operator."""
    forward = inspect.unwrap(type(module).forward)  # renamed arguments are caught by a wrapper; what we call has none
    if not isinstance(forward, types.FunctionType) or _ROTARY not in forward.__code__.co_names:
        return None
    own = forward.__globals__.get(_ROTARY)
    if not callable(own) or not _turns_alike(own):
        return None
    around = {**forward.__globals__, _ROTARY: partial(_turned, own)}
    rotated = types.FunctionType(forward.__code__, around, forward.__name__, forward.__defaults__, forward.__closure__)
    rotated.__kwdefaults__ = forward.__kwdefaults__
    return types.MethodType(rotated, module)


def _turned(own: Forward, q: Tensor, k: Tensor, cosines: Tensor, sines: Tensor, *rest: Any, **other: Any) -> Any:
    """q (1, H, T, D) and k (1, G, T, D), turned."""
    plain = not rest and not other and cosines.shape == sines.shape == (1, q.shape[2], q.shape[3])
    same = q.dtype is k.dtype is cosines.dtype is sines.dtype and q.dtype in DTYPES and q.device.type == "cpu"
    if torch.compiler.is_compiling() or not plain or not same or len(q) != 1:
        return own(q, k, cosines, sines, *rest, **other)
    angles = cosines[0].contiguous(), sines[0].contiguous()
    return _Rotated.apply(q, *angles), _Rotated.apply(k, *angles)


def _turns_alike(own: Forward) -> bool:
    q, k = _random(1, 4, 3, 8), _random(1, 2, 3, 8)
    cosines, sines = _random(1, 3, 8), _random(1, 3, 8) * 0.5
    try:
        expected = own(q, k, cosines, sines)
    except Exception:  # the border: other families' functions of that name take other arguments
        return False
    return all(map(_close, _turned(own, q, k, cosines, sines), expected))


def _alike(own: Forward, ours: Forward, x: Tensor) -> bool:
    with torch.inference_mode():
        try:
            return _close(ours(x), own(x))
        except Exception:  # the border: a module that wants more than its input is none of these
            return False


def _close(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape or found.dtype is not expected.dtype:
        return False
    apart = (found.float() - expected.float()).abs().max()
    return bool(apart <= _APART[found.dtype] * expected.float().abs().max())


def _random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


def _inner(x: Tensor) -> Tensor:
    """With a head's numbers next to each other."""
    return x if x.stride(-1) == 1 else x.contiguous()


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, plus: float) -> Tensor:
        x = x.contiguous()
        y, scales = ours().norm(x, weight, epsilon, plus)
        ctx.save_for_backward(x, weight, scales)
        ctx.plus = plus
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight, scales = ctx.saved_tensors
        return ours().norm_back(grad.contiguous(), x, weight, scales, ctx.plus), None, None, None


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, kind: int) -> Tensor:
        gate, up = gate.contiguous(), up.contiguous()
        ctx.save_for_backward(gate, up)
        ctx.kind = kind
        return ours().gated(gate, up, kind)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        gate, up = ctx.saved_tensors
        return *ours().gated_back(grad.contiguous(), gate, up, ctx.kind), None


class _Rotated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        ctx.save_for_backward(cosines, sines)
        return _turn(x, cosines, sines, back=False)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _turn(grad, *ctx.saved_tensors, back=True), None, None


def _turn(x: Tensor, cosines: Tensor, sines: Tensor, *, back: bool) -> Tensor:
    return ours().rotate(_inner(x)[0], cosines, sines, back).transpose(0, 1).unsqueeze(0)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        rows: Tensor,
        places: Tensor,
        numbers: tuple[int, float, int, float],
    ) -> Tensor:
        query, key, value = _inner(query), _inner(key), _inner(value)
        ctx.save_for_backward(query, key, value, rows, places)
        ctx.numbers = numbers
        return ours().attend_rows(query, key, value, rows, places, *numbers[1:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return *ours().attend_rows_back(_inner(grad), *ctx.saved_tensors, *ctx.numbers), None, None, None
