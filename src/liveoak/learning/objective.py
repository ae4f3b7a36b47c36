"""One objective for all signals.

    L = sum over signals s of  alpha_s / N_s * sum of credit_t * l_t   +   beta * KL(prior || current)

with N_s the number of credited tokens of signal s in the whole step, so that a thousand tokens of one signal never
drown ten of another, and so that a step cut into slices gives the gradient of the whole. Small credit stays small, for
what divides is how many tokens have credit, not how much they have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from liveoak.errors import LearningError
from liveoak.learning.terms import Clip, TopK, divergence, divergence_of_top, policy, surprise

ANCHOR = "anchor"
"""The signal that holds the agent to the prior; its teacher is the prior itself."""
REWARD = "reward"
"""The only signal whose credit has a sign."""
PPO = Clip()
"""The usual bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A token sequence and what is to be learned at some of its places.

    `wanted` (P) are positions in `ids` whose next token is credited, `credit` (P) how much. The target is either the
    next tokens themselves (`targets`, P) or a teacher's distribution over them: `teacher`, (P, V) log-probabilities, or
    `top`, the likeliest tokens alone. Tokens that the agent sampled may bring the log-probabilities recorded then
    (`sampled`, P) and, where older weights sampled them, those under the weights that the update starts from
    (`proximal`, P): they are learned from by the clipped policy-gradient term.
    """

    signal: str
    ids: tuple[int, ...]
    wanted: tuple[int, ...]
    credit: tuple[float, ...]
    targets: tuple[int, ...] = ()
    teacher: Tensor | None = None
    top: TopK | None = None
    sampled: tuple[float, ...] = ()
    proximal: tuple[float, ...] = ()


def normalisers(examples: Sequence[Example]) -> dict[str, float]:
    """Number of credited tokens by signal over one step.

    Raises:
        LearningError: nothing has credit, so that the step would change nothing; credit is not a number; or it is
            negative in a signal that has no sign.
    """
    counts: dict[str, float] = {}
    for example in examples:
        for credit in example.credit:
            if not math.isfinite(credit):
                raise LearningError(f"the credit of signal {example.signal!r} is {credit!r}; expected a finite number")
            if credit < 0 and example.signal != REWARD:
                raise LearningError(
                    f"the credit of signal {example.signal!r} is {credit!r}; only that of {REWARD!r} may be negative: "
                    "give 0 to what is not to be learned"
                )
        counts[example.signal] = counts.get(example.signal, 0) + sum(credit != 0 for credit in example.credit)
    if not any(count for signal, count in counts.items() if signal != ANCHOR):
        raise LearningError("no token has credit: the step would change nothing")
    return {signal: count for signal, count in counts.items() if count}


def losses(examples: Sequence[Example], logits: Tensor, clip: Clip = PPO) -> dict[str, Tensor]:
    """Sum of credit times loss by signal, unnormalised. `logits` (P, V) of all examples' wanted places, in order."""
    sums: dict[str, Tensor] = {}
    start = 0
    for example in examples:
        rows = logits[start : start + len(example.wanted)]
        start += len(example.wanted)
        credit = torch.tensor(example.credit, device=logits.device)
        sums[example.signal] = (
            sums.get(example.signal, logits.new_zeros(())) + (credit * _token_losses(example, rows, credit, clip)).sum()
        )
    return sums


def total(sums: Mapping[str, Tensor], counts: Mapping[str, float], alphas: Mapping[str, float]) -> Tensor:
    """The objective, from sums by signal, their normalisers and their weights (1 where not given)."""
    terms = [alphas.get(signal, 1.0) / counts[signal] * value for signal, value in sums.items() if signal in counts]
    return torch.stack(terms).sum()


def _token_losses(example: Example, logits: Tensor, credit: Tensor, clip: Clip) -> Tensor:
    """(P): the term that fits what the example brings."""
    if example.top is not None:
        return divergence_of_top(logits, example.top)
    if example.teacher is not None:
        return divergence(logits, example.teacher)
    targets = torch.tensor(example.targets, dtype=torch.long, device=logits.device)
    if not example.sampled:
        return surprise(logits, targets)
    precise = torch.promote_types(logits.dtype, torch.float32)
    sampled = torch.tensor(example.sampled, dtype=precise, device=logits.device)
    proximal = torch.tensor(example.proximal, dtype=precise, device=logits.device) if example.proximal else None
    return policy(logits, targets, credit, sampled, proximal, clip)
