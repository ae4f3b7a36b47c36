"""One objective for all signals.

    L = sum over signals s of  alpha_s / N_s * sum of credit_t * l_t   +   beta * KL(prior || current)

with N_s the credited tokens of signal s in the whole step, so that a thousand tokens of one signal never drown ten of
another, and so that a step cut into slices gives the gradient of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from liveoak.errors import LearningError

ANCHOR = "anchor"
"""The signal that holds the agent to the prior; its teacher is the prior itself."""
_NEVER = -1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A token sequence and what is to be learned at some of its places.

    `wanted` (P) are positions in `ids` whose next token is credited, `credit` (P) how much. The target is either the
    next tokens themselves (`targets`, P) or a teacher's distribution over them (`teacher`, (P, V) log-probabilities).
    """

    signal: str
    ids: tuple[int, ...]
    wanted: tuple[int, ...]
    credit: tuple[float, ...]
    targets: tuple[int, ...] = ()
    teacher: Tensor | None = None


def normalisers(examples: Sequence[Example]) -> dict[str, float]:
    """Sum of credit by signal over one step.

    Raises:
        LearningError: nothing has credit, so that the step would change nothing, or credit is not a number.
    """
    sums: dict[str, float] = {}
    for example in examples:
        sums[example.signal] = sums.get(example.signal, 0.0) + sum(abs(c) for c in example.credit)
    for signal, value in sums.items():
        if not math.isfinite(value):
            raise LearningError(f"the credit of signal {signal!r} sums to {value!r}; expected a finite number")
    if not any(total > 0 for signal, total in sums.items() if signal != ANCHOR):
        raise LearningError("no token has credit: the step would change nothing")
    return {signal: total for signal, total in sums.items() if total > 0}


def losses(examples: Sequence[Example], logits: Tensor) -> dict[str, Tensor]:
    """Sum of credit times loss by signal, unnormalised. `logits` (P, V) of all examples' wanted places, in order."""
    sums: dict[str, Tensor] = {}
    start = 0
    for example in examples:
        rows = logits[start : start + len(example.wanted)]
        start += len(example.wanted)
        credit = torch.tensor(example.credit, device=logits.device)
        sums[example.signal] = (
            sums.get(example.signal, logits.new_zeros(())) + (credit * _token_losses(example, rows)).sum()
        )
    return sums


def total(sums: Mapping[str, Tensor], counts: Mapping[str, float], alphas: Mapping[str, float]) -> Tensor:
    """The objective, from sums by signal, their normalisers and their weights (1 where not given)."""
    terms = [alphas.get(signal, 1.0) / counts[signal] * value for signal, value in sums.items() if signal in counts]
    return torch.stack(terms).sum()


def _token_losses(example: Example, logits: Tensor) -> Tensor:
    """(P): cross-entropy to the target tokens, or KL(teacher || current)."""
    if example.teacher is None:
        targets = torch.tensor(example.targets, dtype=torch.long, device=logits.device)
        return F.cross_entropy(logits, targets, reduction="none")
    # Minus infinity, a token that the teacher rules out, would become 0 * inf.
    teacher = example.teacher.float().clamp_min(_NEVER)
    return (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1)
