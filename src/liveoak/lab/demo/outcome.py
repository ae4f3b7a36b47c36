"""What the demonstration measured, and whether it may call itself a success."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from liveoak.lab.results import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Figures, arms and claims. Each claim is a sentence that turned out true or false."""

    metrics: Mapping[str, Figure]
    arms: Mapping[str, Mapping[str, Figure]]
    claims: Mapping[str, bool]
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    """Kept in the results file for whoever wants to look: questions, answers, replies."""

    @property
    def succeeded(self) -> bool:
        return all(self.claims.values())
