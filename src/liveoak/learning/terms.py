"""The objective's terms: a loss for each row of logits, pure and without memory.

P credited places, V vocabulary, K the teacher's likeliest tokens. Logits (P, V) are of any number format. Each term
gives (P) losses in float32 or wider; credit, normalisers and weights of signals are the objective's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from liveoak.adapters.operators import DTYPES, is_loaded, ours
from liveoak.engine import precise
from liveoak.errors import LearningError

TEACHER_TOP = 64
"""The teacher's likeliest tokens that are learned from; the rest of its distribution is one more outcome."""
_NEVER = -1e4
"""A log-probability that is zero for every purpose, and finite: minus infinity would become 0 * inf."""
_ROUNDING = 1e-6
"""Mass that a float32 sum of probabilities misses; it is no tail."""
_LONGEST = 20.0
"""Log-ratios beyond this are cut before `exp`, whose infinity would turn a clipped gradient of 0 into NaN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """How far one update may follow what was sampled under other weights.

    Source: PPO (Schulman et al. 2017); `worst` is the dual clip (Ye et al. 2020); the truncated weight of tokens that
    an older version sampled is the decoupled objective (Hilton et al. 2022) with the bound of IMPALA (Espeholt 2018).
    """

    low: float = 0.2
    """A token with negative credit is pushed down until its ratio is 1 - low."""
    high: float = 0.2
    """A token with positive credit is pushed up until its ratio is 1 + high."""
    worst: float = 3.0
    """A token with negative credit and a ratio above this has no gradient: it is too far off to be judged."""
    stale: float = 2.0
    """The most that one token of an older version counts."""

    def __post_init__(self) -> None:
        if not (0 < self.low < 1 and self.high > 0 and self.worst > 1 and self.stale >= 1):
            raise LearningError(f"{self!r} is no clip: expected 0 < low < 1, high > 0, worst > 1 and stale >= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopK:
    """A teacher's likeliest tokens. `ids` (P, K) without repetition in a row, `logprobs` (P, K) of the full softmax."""

    ids: Tensor
    logprobs: Tensor


def top_of(logits: Tensor, k: int) -> TopK:
    """The `k` likeliest tokens of each row of a teacher's `logits` (P, V)."""
    found = logits.float().log_softmax(-1).topk(min(k, logits.shape[-1]), dim=-1)
    return TopK(ids=found.indices, logprobs=found.values)


def surprise(logits: Tensor, targets: Tensor) -> Tensor:
    """-log p of the target tokens (P), in float32 or wider."""
    if logits.device.type == "cpu" and logits.dtype in DTYPES and is_loaded():
        return _OurSurprise.apply(logits, targets)  # pyright: ignore[reportReturnType]
    return _Surprise.apply(precise(logits), targets)  # pyright: ignore[reportReturnType]


class _OurSurprise(torch.autograd.Function):
    """Cross-entropy by our own operator, which reads logits as they come."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        logits = logits.contiguous()
        found, totals = ours().surprise(logits, targets)
        ctx.save_for_backward(logits, targets, totals)
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ours().surprise_back(*ctx.saved_tensors, grad.contiguous()), None


class _Surprise(torch.autograd.Function):
    """Cross-entropy whose backward pass makes its gradient, p - 1 at the target and p elsewhere, where log p lay.

    Rows of a whole vocabulary are large: every further buffer costs more time than the arithmetic in it.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        logs = logits.log_softmax(-1)
        chosen = targets.unsqueeze(1)
        ctx.save_for_backward(logs, chosen)
        return -logs.gather(1, chosen).squeeze(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        logs, chosen = ctx.saved_tensors
        weight = grad.unsqueeze(1)
        return logs.exp_().mul_(weight).scatter_add_(1, chosen, -weight), None


def divergence(logits: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || current) over the whole vocabulary. `teacher` (P, V) log-probabilities, minus infinity allowed."""
    teacher = teacher.float().clamp_min(_NEVER)
    return (teacher.exp() * (teacher - precise(logits).log_softmax(-1))).sum(-1)


def divergence_of_top(logits: Tensor, top: TopK) -> Tensor:
    """KL(teacher || current) over the teacher's K likeliest tokens and one more outcome: any other token.

    The tail has the mass that the K leave over, on both sides. Leaving it out would reward a student for a total that
    is not 1; renormalising the K would call the tail impossible. Merging outcomes never adds divergence, so this is at
    most the full KL, and equals it where K is V or where both share the tail out alike.
    """
    wanted = top.logprobs.float().clamp_min(_NEVER)
    logs = precise(logits).log_softmax(-1)
    tail = logs.scatter(-1, top.ids, _NEVER).logsumexp(-1)
    left = 1 - wanted.exp().sum(-1)
    left = torch.where(left > _ROUNDING, left, 0.0)
    named = (wanted.exp() * (wanted - logs.gather(-1, top.ids))).sum(-1)
    return named + torch.xlogy(left, left) - left * tail


def policy(
    logits: Tensor, targets: Tensor, credit: Tensor, sampled: Tensor, proximal: Tensor | None, clip: Clip
) -> Tensor:
    """The clipped importance-weighted policy-gradient term, to be multiplied by `credit` (P), which has a sign.

    `sampled` (P) are the log-probabilities recorded when the tokens were drawn, `proximal` (P) those under the weights
    that this update starts from. None says that these are the same weights. Then the ratio p/p_sampled is clipped, and
    at ratio 1 the gradient is that of -log p. Else p/p_proximal is clipped, and p_proximal/p_sampled, which corrects
    for who sampled, multiplies it as a constant, truncated at `clip.stale`.
    """
    start = sampled if proximal is None else proximal
    ratio = (-surprise(logits, targets) - start).clamp(-_LONGEST, _LONGEST).exp()
    kept = torch.where(credit > 0, ratio.clamp_max(1 + clip.high), ratio.clamp(1 - clip.low, clip.worst))
    return -kept if proximal is None else -(proximal - sampled).clamp_max(math.log(clip.stale)).exp() * kept
