"""Imitation: reinforcement learning with one-token episodes, whose reward is 1 for what somebody better wrote."""

from __future__ import annotations

from typing import Literal

from liveoak.records import Credit, Origin, Rendered

Imitated = Literal["imitation", "advice", "winners"]
"""What is imitated has a normaliser of its own by where it is from: somebody better, an answer, a contest."""


def imitation(rendered: Rendered, weight: float = 1.0, signal: Imitated = "imitation") -> Credit:
    """Credit `weight` on demonstrated tokens, 0 elsewhere. `weight` is what a `Standing` says of their author.

    What a world's answers named is imitated as `advice`, and what won a contest as `winners`.
    """
    weights = [0.0] * len(rendered.ids)
    for span in rendered.spans:
        if span.origin is Origin.DEMONSTRATED:
            weights[span.start : span.end] = [weight] * (span.end - span.start)
    return Credit(signal=signal, weights=tuple(weights))
