"""From probes to a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from liveoak.records import Probe, Verdict

_ASIDE = {
    "recall": "the lesson's own questions were answered less often than allowed",
    "earlier_recall": "earlier lessons were forgotten",
    "retention": "general text became harder than allowed",
    "kl_prior": "replies to everyday prompts moved too far from the prior's",
}


def judge(probes: Sequence[Probe], *, enabled: bool) -> Verdict:
    """Kept if every probe passed; a figure that is no number never passes. With the gate off, kept all the same."""
    failed = [probe for probe in probes if not (probe.passed and math.isfinite(probe.after))]
    reasons = tuple(
        f"{probe.name}: {_ASIDE.get(probe.name, 'out of bounds')} "
        f"({probe.before:.3f} -> {probe.after:.3f} {probe.unit}, limit {probe.limit:.3f})"
        for probe in failed
    )
    return Verdict(kept=not failed or not enabled, reasons=reasons, probes=tuple(probes))
