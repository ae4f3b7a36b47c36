"""Attention over a packed batch, put into transformers' attention registry.

The model hands over queries, keys and values of all packed tokens; the plan says which belong together.
Its one seam: `model(..., liveoak=Pass(...))` reaches this function through every layer unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from liveoak.engine.batch import Group, Plan
from liveoak.engine.fused import attend_rows
from liveoak.engine.pool import Pool
from liveoak.engine.step import Step
from liveoak.engine.stretch import Stretch

NAME = "liveoak"
EXPLICIT_SCORES = 1 << 20
"""Scores of one head and sequence up to which they are written out; beyond, their memory would count."""


@dataclass(frozen=True, slots=True)
class Past:
    """Tokens that were read in earlier passes, at `places` of a pool. They have no gradient."""

    pool: Pool
    places: Tensor

    def before(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Their keys and values, and then these (T, G, D)."""
        kept_keys, kept_values = self.pool.stores[layer]
        return (
            torch.cat([kept_keys.index_select(0, self.places), keys]),
            torch.cat([kept_values.index_select(0, self.places), values]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One forward pass: its plan, and the pool that keys and values are kept in, if any."""

    plan: Plan
    pool: Pool | None = None
    write: Tensor | None = None
    """(T) places in the pool where the packed tokens' keys and values go."""
    past: Past | None = None
    """What earlier passes kept: these tokens stand before this pass's own among the plan's keys."""
    stretch: Stretch | None = None
    """The layers that it goes through; None: all."""
    breathe: Callable[[], None] | None = None
    """Called at every layer, on the way back too, by work that lets other work go first."""
    fused: bool = False
    """Attention is done by our own operator."""


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    liveoak: Pass | Step | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """query (1, H, T, D), key and value (1, G, T, D) with G groups of heads -> (1, T, H, D)."""
    if liveoak is None:
        raise ValueError("liveoak's attention runs only inside its engine")
    if isinstance(liveoak, Step):
        out = liveoak.attend(
            _layer_of(module), query, key, value, scaling=scaling, window=sliding_window, softcap=softcap
        )
        return out, None
    if not torch.compiler.is_compiling() and liveoak.breathe is not None:
        _breathe(liveoak.breathe, query)
    packed_query = query[0].transpose(0, 1)
    keys, values = key[0].transpose(0, 1), value[0].transpose(0, 1)
    if liveoak.pool is not None and liveoak.write is not None:
        keys, values = liveoak.pool.update(_layer_of(module), liveoak.write, keys, values)
    if liveoak.past is not None:
        keys, values = liveoak.past.before(_layer_of(module), keys, values)
    if liveoak.fused:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        out = attend_rows(
            packed_query,
            keys,
            values,
            liveoak.plan,
            fixed=0 if liveoak.past is None else len(liveoak.past.places),
            scaling=scale,
            window=sliding_window,
            softcap=softcap,
        )
        return out.unsqueeze(0), None
    groups, order = liveoak.plan.grouped
    outputs = [
        _attend_group(group, packed_query, keys, values, scaling, sliding_window, softcap).flatten(0, 1)
        for group in groups
    ]
    joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return joined.index_select(0, order).unsqueeze(0), None


def _layer_of(module: nn.Module) -> int:
    """What transformers' attention modules call their place in the cache."""
    return getattr(module, "layer_idx")  # noqa: B009 - the type does not declare it


def _attend_group(
    group: Group,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    scaling: float | None,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """query (T, H, D), keys and values (places, G, D) -> (N, Q, H, D)."""
    n, width = group.queries.shape
    heads, size = query.shape[1:]
    kv_heads = keys.shape[1]
    share = heads // kv_heads
    q = query.index_select(0, group.queries.flatten()).view(n, width, kv_heads, share, size)
    k = keys.index_select(0, group.keys.flatten()).view(n, -1, kv_heads, size).transpose(1, 2)
    v = values.index_select(0, group.keys.flatten()).view(n, -1, kv_heads, size).transpose(1, 2)
    mask = group.mask(window, query.dtype)
    # Heads that share keys become further queries of the same keys, so that keys are never copied per head.
    q = q.permute(0, 2, 3, 1, 4).reshape(n, kv_heads, share * width, size)
    mask = mask.repeat(1, 1, share, 1) if share > 1 and width > 1 else mask.expand(n, 1, share * width, mask.shape[3])
    if softcap is not None or _explicit_is_faster(query, q.shape[2] * k.shape[2]):
        out = _explicit(q, k, v, mask, size**-0.5 if scaling is None else scaling, softcap)
    else:
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scaling)
    return out.view(n, kv_heads, share, width, size).permute(0, 3, 1, 2, 4).reshape(n, width, heads, size)


def _breathe(breathe: Callable[[], None], query: Tensor) -> None:
    def backward(_: Tensor) -> None:
        breathe()

    breathe()
    if query.requires_grad:
        query.register_hook(backward)


def _explicit_is_faster(query: Tensor, scores: int) -> bool:
    """On CPUs the fused kernel spends most of its time on short bfloat16 sequences outside of the products."""
    return query.device.type == "cpu" and query.dtype is torch.bfloat16 and scores <= EXPLICIT_SCORES


def _explicit(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scaling: float, softcap: float | None) -> Tensor:
    scores = (q @ k.transpose(2, 3)).to(torch.promote_types(q.dtype, torch.float32)) * scaling
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    return (scores + mask.to(scores.dtype)).softmax(-1).to(v.dtype) @ v


def _no_mask(*_: Any, **__: Any) -> None:
    """The plan holds the masks; transformers need not build one."""


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, _no_mask)
