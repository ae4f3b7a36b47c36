"""Whether the engine computes what a prior's own code computes: asked once, when the prior is loaded.

Attention that does not go through transformers' registry, layers with a state, or attention with terms of its own
would answer from other sequences of the batch, or wrongly, without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from liveoak.adapters import Bank, Slot
from liveoak.engine.pool import Pool
from liveoak.engine.step import Places
from liveoak.engine.stepper import Stepper
from liveoak.errors import Unavailable, UserError

TEXTS = (("The sea is wide.", 3), ("What grows on an oak tree?", 7))
"""Real text, since on tokens that never meet rounding alone can turn a model's logits over, with the most tokens taken
of each: most rows belong to the second, near enough to the first that a leak from it would show."""
TRIAL_RANK = 20
"""A whole vector of the kernels, and a part of one."""
MOST_APART = {torch.float64: 1e-3, torch.float32: 1e-3}
"""Largest distance of two rows of logits, as a share of their spread; sums in another order make 1e-6."""
MOST_APART_ROUNDED = 0.15
"""The same for bfloat16, whose rounding makes about 0.03."""


def own_logits(model: Any, sequences: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Logits (T, V) of the sequences one after the other, as the model is when it was loaded."""
    with torch.inference_mode():
        parts = [model(input_ids=torch.tensor([list(ids)], device=device)).logits[0] for ids in sequences]
    return torch.cat(parts)


def distance(found: Tensor, own: Tensor, dtype: torch.dtype) -> float:
    """How far two sets of logits (T, V) of a `dtype` model are apart in the farthest row, as a share of its spread.

    Rounded formats go by the median row, since rounding alone may turn a row over.
    """
    own = own.float()
    spread = (own - own.mean(-1, keepdim=True)).norm(dim=-1)
    rows = (found.float() - own).norm(dim=-1) / spread
    return float(rows.max() if dtype in MOST_APART else rows.median())


def require_faithful(found: Tensor, own: Tensor, *, prior: str, kind: str) -> None:
    """
    Raises:
        UserError: the engine's logits of the packed sequences are not those of the model itself.
    """
    limit = MOST_APART.get(own.dtype, MOST_APART_ROUNDED)
    apart = distance(found, own, own.dtype)
    if not apart <= limit:
        raise UserError(
            f"prior {prior!r} is a {kind}, which this engine does not run as transformers does: logits differ by "
            f"{apart:.3g} of their spread, expected at most {limit}. Take a prior whose attention goes through "
            "transformers' attention interface and has no terms of its own, such as Llama, Qwen, Gemma or Mistral"
        )


def scrambled(bank: Bank) -> Slot:
    """A slot whose change is neither nothing nor anything learned."""
    slot = bank.new_slot(rank=TRIAL_RANK)
    slot.master.copy_(torch.randn(slot.master.shape, generator=torch.Generator().manual_seed(0)) * 0.01)
    slot.publish()
    return slot


def stepped_logits(stepper: Stepper, sequences: Sequence[Sequence[int]], slot: Slot | None, pool: Pool) -> Tensor:
    """Logits (T, V), as the stepper makes them, of the sequences one after the other, with a step for each token."""
    places = [pool.take(len(ids)) for ids in sequences]
    buffers = [Places(len(ids)) for ids in sequences]
    found: list[list[Tensor]] = [[] for _ in sequences]
    for time in range(max(len(ids) for ids in sequences)):
        stepping = [i for i, ids in enumerate(sequences) if time < len(ids)]
        rows = [buffers[i].follow(places[i][: time + 1]) for i in stepping]
        logits = stepper.logits([sequences[i][time] for i in stepping], rows, [slot] * len(stepping), pool)
        for i, row in zip(stepping, logits, strict=True):
            found[i].append(row)
    for each in places:
        pool.release(each)
    return torch.stack([row for rows in found for row in rows])


def require_same(found: Tensor, own: Tensor, *, what: str, dtype: torch.dtype) -> None:
    """
    Raises:
        Unavailable: `what` does not make the logits that the engine made of whole sequences without it.
    """
    limit = MOST_APART.get(dtype, MOST_APART_ROUNDED)
    apart = distance(found, own, dtype)
    if not apart <= limit:
        raise Unavailable(f"{what} differ by {apart:.3g} of the logits' spread, expected at most {limit}")
