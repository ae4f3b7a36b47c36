"""One objective for all signals.

    L = sum over signals s of  alpha_s / N_s * sum of credit_t * l_t   +   beta * KL(prior || current)

with N_s the number of credited tokens of signal s in the whole step, so that a thousand tokens of one signal never
drown ten of another, and so that a step cut into slices gives the gradient of the whole. Small credit stays small, for
what divides is how many tokens have credit, not how much they have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

from liveoak.errors import LearningError
from liveoak.learning.terms import Clip, TopK, divergence, divergence_of_top, policy, surprise

ANCHOR = "anchor"
"""The signal that holds the agent to the prior; its teacher is the prior itself."""
REWARD = "reward"
"""The only signal whose credit has a sign."""
TRANSITION = "transition"
"""The signal that says what will be, and not what to do."""
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
    enough: float = 0.0
    """Nats: a loss of no more has no gradient. Who imitates until nothing is left to doubt tries nothing else."""


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
    return summed(examples, token_losses(examples, logits, clip))


def summed(examples: Sequence[Example], each: Sequence[Tensor]) -> dict[str, Tensor]:
    """Sum of credit times loss by signal, unnormalised, from the losses of each example's wanted places."""
    sums: dict[str, Tensor] = {}
    for example, own in zip(examples, each, strict=True):
        credit = torch.tensor(example.credit, dtype=own.dtype, device=own.device)
        if example.enough:
            own = own.clamp_min(example.enough)
        sums[example.signal] = sums.get(example.signal, own.new_zeros(())) + (credit * own).sum()
    return sums


def total(sums: Mapping[str, Tensor], counts: Mapping[str, float], alphas: Mapping[str, float]) -> Tensor:
    """The objective, from sums by signal, their normalisers and their weights (1 where not given)."""
    terms = [alphas.get(signal, 1.0) / counts[signal] * value for signal, value in sums.items() if signal in counts]
    return torch.stack(terms).sum()


def cut(example: Example, start: int, end: int) -> Example:
    """The example with its wanted places `start:end` alone."""
    if start <= 0 and end >= len(example.wanted):
        return example
    top = example.top
    return replace(
        example,
        wanted=example.wanted[start:end],
        credit=example.credit[start:end],
        targets=example.targets[start:end],
        teacher=None if example.teacher is None else example.teacher[start:end],
        top=None if top is None else TopK(ids=top.ids[start:end], logprobs=top.logprobs[start:end]),
        sampled=example.sampled[start:end],
        proximal=example.proximal[start:end],
    )


def token_losses(examples: Sequence[Example], logits: Tensor, clip: Clip = PPO) -> tuple[Tensor, ...]:
    """(P) of each example. Neighbours that are plainly imitated are one call: a call a row would cost far more."""
    placed = groupby(enumerate(examples, start=1), key=lambda own: own[0] * _brings_terms(own[1]))
    alike = [[example for _, example in group] for _, group in placed]
    # The way back through a split copies all rows.
    sizes = [sum(len(example.wanted) for example in group) for group in alike]
    rows = [logits] if len(alike) == 1 else logits.split(sizes)
    found = torch.cat([_group_losses(group, own, clip) for group, own in zip(alike, rows, strict=True)])
    return found.split([len(example.wanted) for example in examples])


def _brings_terms(example: Example) -> bool:
    """It brings more than the next tokens."""
    return example.top is not None or example.teacher is not None or bool(example.sampled)


def _group_losses(group: Sequence[Example], logits: Tensor, clip: Clip) -> Tensor:
    """(P): the term that fits what the examples bring. More than one are imitated."""
    first = group[0]
    if first.top is not None:
        return divergence_of_top(logits, first.top)
    if first.teacher is not None:
        return divergence(logits, first.teacher)
    targets = torch.tensor([t for example in group for t in example.targets], dtype=torch.long, device=logits.device)
    if not first.sampled:
        return surprise(logits, targets)
    precise = torch.promote_types(logits.dtype, torch.float32)
    credit = torch.tensor(first.credit, device=logits.device)
    sampled = torch.tensor(first.sampled, dtype=precise, device=logits.device)
    proximal = torch.tensor(first.proximal, dtype=precise, device=logits.device) if first.proximal else None
    return policy(logits, targets, credit, sampled, proximal, clip)
