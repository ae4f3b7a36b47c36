"""Whether the engine computes what a prior's own code computes: asked once, when the prior is loaded.

Attention that does not go through transformers' registry, layers with a state, or attention with terms of its own
would answer from other sequences of the batch, or wrongly, without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from liveoak.errors import UserError

TEXTS = (("The sea is wide.", 3), ("What grows on an oak tree?", 7))
"""Real text, since on tokens that never meet rounding alone can turn a model's logits over, with the most tokens taken
of each: most rows belong to the second, near enough to the first that a leak from it would show."""
MOST_APART = {torch.float64: 1e-3, torch.float32: 1e-3}
"""Largest distance of two rows of logits, as a share of their spread; sums in another order make 1e-6."""
MOST_APART_ROUNDED = 0.15
"""The same for bfloat16, whose rounding makes about 0.03."""


def own_logits(model: Any, sequences: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Logits (T, V) of the sequences one after the other, as the model is when it was loaded."""
    with torch.inference_mode():
        parts = [model(input_ids=torch.tensor([list(ids)], device=device)).logits[0] for ids in sequences]
    return torch.cat(parts)


def distance(found: Tensor, own: Tensor) -> float:
    """Median over the rows of two sets of logits (T, V) of how far they are apart, as a share of their spread."""
    own = own.float()
    spread = (own - own.mean(-1, keepdim=True)).norm(dim=-1)
    return float(((found.float() - own).norm(dim=-1) / spread).median())


def require_faithful(found: Tensor, own: Tensor, *, prior: str, kind: str) -> None:
    """
    Raises:
        UserError: the engine's logits of the packed sequences are not those of the model itself.
    """
    limit = MOST_APART.get(own.dtype, MOST_APART_ROUNDED)
    apart = distance(found, own)
    if not apart <= limit:
        raise UserError(
            f"prior {prior!r} is a {kind}, which this engine does not run as transformers does: logits differ by "
            f"{apart:.3g} of their spread, expected at most {limit}. Take a prior whose attention goes through "
            "transformers' attention interface and has no terms of its own, such as Llama, Qwen, Gemma or Mistral"
        )
