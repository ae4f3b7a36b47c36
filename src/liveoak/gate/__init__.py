"""Probes before serving, verdicts, and the chain of versions.

Knows slots, questions, bounds and lineage. Knows nothing of how a candidate was trained or who talks to it.
"""

from liveoak.gate.chain import Chain
from liveoak.gate.probes import Gate
from liveoak.gate.verdict import judge

__all__ = ["Chain", "Gate", "judge"]
