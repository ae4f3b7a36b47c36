"""Positions that do not depend on who else is in the batch."""

from __future__ import annotations

from typing import Any

_BY_THE_LONGEST = ("dynamic", "longrope")
"""Kinds of rotary embedding that transformers turns by the longest sequence of a pass: one sequence would then change
another's logits, and what was cached for a short one would not fit it when it has grown."""


def pin_positions(model: Any) -> None:
    """Keep rotary embeddings at what they are for sequences of the length that the prior was first made for.

    Longer ones are turned as short ones are; `Prior.context_length` ends where that would show.
    """
    for module in model.modules():
        kind = getattr(module, "rope_type", None)
        if isinstance(kind, dict):
            module.rope_type = {layer: _pinned(each) for layer, each in kind.items()}
        elif kind is not None:
            module.rope_type = _pinned(kind)


def _pinned(kind: str) -> str:
    return "default" if any(name in kind for name in _BY_THE_LONGEST) else kind
