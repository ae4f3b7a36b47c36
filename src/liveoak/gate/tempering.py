"""Taking a candidate back towards where its study began, as far as the bounds on what it was not taught ask for it.

A study goes on until its lesson is known well, and the last part of the way buys little: on handbooks, seven tenths of
a change answered as many questions as the whole, at a quarter of the damage (docs/decisions/008-tempering.md).
Source of the idea: interpolating between fine-tuned and original weights (Wortsman et al. 2022).
"""

from __future__ import annotations

from torch import Tensor

from liveoak.adapters import Slot
from liveoak.config import GateSettings
from liveoak.engine import Engine
from liveoak.gate.probes import Gate

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of the change that are tried, the whole of it first."""
_ROOM = 0.5
"""How much of what the bound on general text leaves free a lesson may use up where less of its change would do."""


def temper(
    engine: Engine, gate: Gate, candidate: Slot, start: Tensor, served: Slot | None, bounds: GateSettings
) -> float:
    """Keep the largest share of the change from `start` (flat float32 weights) that leaves general text room, and other
    prompts within their bound.

    Where no share leaves room it is the largest one within both bounds, and the whole change where none is: the verdict
    then says why it is refused. Returns the share; the optimizer state stays as it is.
    """
    before, limit = gate.retention(served), bounds.max_retention_nats
    aim = before + _ROOM * max(0.0, limit - before)
    whole = candidate.master.clone()

    def settle(share: float) -> None:
        engine.run(lambda: _move(candidate, start, whole, share))

    within: float | None = None
    for share in SHARES:
        settle(share)
        lost = gate.retention(candidate)
        fits = lost <= max(aim, limit) and gate.divergence(candidate) <= bounds.max_kl_prior
        if fits and lost <= aim:
            return share
        if fits and within is None:
            within = share
    settle(within or 1.0)
    return within or 1.0


def _move(candidate: Slot, start: Tensor, whole: Tensor, share: float) -> None:
    candidate.master.copy_(whole if share == 1.0 else start + share * (whole - start))
    candidate.publish()
