"""Imitation: reinforcement learning with one-token episodes, whose reward is 1 for what somebody better wrote."""

from __future__ import annotations

from liveoak.records import Credit, Origin, Rendered


def imitation(rendered: Rendered, weight: float = 1.0) -> Credit:
    """Credit `weight` on demonstrated tokens, 0 elsewhere. `weight` is what a `Standing` says of their author."""
    weights = [0.0] * len(rendered.ids)
    for span in rendered.spans:
        if span.origin is Origin.DEMONSTRATED:
            weights[span.start : span.end] = [weight] * (span.end - span.start)
    return Credit(signal="imitation", weights=tuple(weights))
