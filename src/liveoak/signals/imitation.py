"""Imitation: reinforcement learning with one-token episodes, whose reward is 1 for what somebody better wrote."""

from __future__ import annotations

from liveoak.records import Credit, Origin, Rendered


def imitation(rendered: Rendered) -> Credit:
    """Credit 1 on demonstrated tokens, 0 elsewhere."""
    weights = [0.0] * len(rendered.ids)
    for span in rendered.spans:
        if span.origin is Origin.DEMONSTRATED:
            weights[span.start : span.end] = [1.0] * (span.end - span.start)
    return Credit(signal="imitation", weights=tuple(weights))
