"""How far results may be apart, by number format: the one table that tests go by and docs/engine.md shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Largest difference of logits whose spread is about 1, or of log-probabilities; 0 is equal to the last bit."""

    what: str
    float64: float
    float32: float
    bfloat16: float

    def of(self, dtype: torch.dtype) -> float:
        return {torch.float64: self.float64, torch.float32: self.float32, torch.bfloat16: self.bfloat16}[dtype]


TOLERANCES = {
    "fresh": Tolerance(what="a fresh slot, and the prior", float64=0, float32=0, bfloat16=0),
    "isolation": Tolerance(
        what="replies, scores and gradients of a slot, whatever others in a batch of the same shape hold",
        float64=0,
        float32=0,
        bfloat16=0,
    ),
    "resumed": Tolerance(what="training resumed from a snapshot, and uninterrupted", float64=0, float32=0, bfloat16=0),
    "reloaded": Tolerance(what="replies of a slot, and of the same loaded again", float64=0, float32=0, bfloat16=0),
    "packed": Tolerance(what="a packed batch, and each alone", float64=1e-12, float32=5e-5, bfloat16=0.15),
    "shared": Tolerance(what="a shared beginning, and separate ones", float64=1e-12, float32=5e-5, bfloat16=0.15),
    "cached": Tolerance(what="cached decoding, and one full pass", float64=1e-12, float32=5e-5, bfloat16=0.15),
    "own": Tolerance(
        what="the engine, and transformers' own forward pass, padded", float64=1e-5, float32=5e-5, bfloat16=0.25
    ),
    "merged": Tolerance(
        what="a slot, and its change merged into the weights", float64=1e-5, float32=1e-4, bfloat16=0.25
    ),
    "slices": Tolerance(
        what="gradients of a step in slices, or beside another slot's, and whole",
        float64=1e-7,
        float32=1e-5,
        bfloat16=0.02,
    ),
    "slopes": Tolerance(
        what="slopes of a gradient, and finite differences in float64", float64=2e-6, float32=1e-5, bfloat16=0.15
    ),
}
"""`slices` is relative: the norm of the difference over the norm. In float64 it is told from a moment in float32.
`slopes` is a share of what slopes along random directions are like."""


def shown(tolerance: float) -> str:
    """As the page shows it."""
    if tolerance == 0:
        return "none"
    return f"{tolerance:g}" if tolerance >= 0.01 else f"{tolerance:.0e}".replace("e-0", "e-")
