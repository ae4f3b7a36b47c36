"""Probes before serving, verdicts, and the chain of versions.

Knows slots, questions, bounds and lineage. Knows nothing of how a candidate was trained or who talks to it. What needs
torch is imported on first use, so that versions can be listed and rolled back without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liveoak.gate.chain import Chain
    from liveoak.gate.lineage import Lineage
    from liveoak.gate.probes import Gate
    from liveoak.gate.tempering import temper
    from liveoak.gate.verdict import judge

__all__ = ["Chain", "Gate", "Lineage", "judge", "temper"]

_HOMES = {"Chain": "chain", "Gate": "probes", "Lineage": "lineage", "judge": "verdict", "temper": "tempering"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
