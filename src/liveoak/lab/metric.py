"""What a reported figure is: its name, unit, better direction and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a figure means. `threshold` is what a release must show, `None` where nothing is promised."""

    key: str
    unit: str
    better: Better
    description: str
    threshold: float | None = None

    def met(self, value: float) -> bool | None:
        """Whether `value` is as good as the threshold; None without one."""
        if self.threshold is None:
            return None
        return value >= self.threshold if self.better == "higher" else value <= self.threshold
