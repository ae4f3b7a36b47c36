"""What an outer loop is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from liveoak.errors import BadSettings
from liveoak.signals import RewardSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterSettings:
    """How slow weights learn from lives."""

    streams: int = 4
    """Streams of material a round."""
    lives: int = 4
    """Lives of each stream, which are compared with each other."""
    parts: int = 8
    """Optimizer steps of a pass over a round's windows."""
    passes: int = 3
    """How often each window is learned from; ratios to what was sampled are clipped, so that few passes do no harm."""
    rate: float = 1e-3
    decides: bool = True
    """Off: every entry is learned, and the slow weights learn from the exam alone how a study begins best."""
    exam: float = 0.0
    """Weight of making the exam's true answers likelier where a study ends, against a weight of 1 for the acts."""
    anchor: float = 0.0
    """Weight of staying the prior where it is held (`anchoring.Anchors`): in every step along the acts, and, where
    exams teach, at the weights that a life ended with."""
    crowds: bool = True
    """Whether learning an entry pays for what it took from the others (`worth.Crowding`)."""
    rewarded: RewardSettings = field(default_factory=lambda: RewardSettings(discount=0.0))
    """By default an act is credited with its own price and points, not with those of later acts."""

    def __post_init__(self) -> None:
        compared = 2 if self.decides else 1
        if not (
            self.streams >= 1
            and self.lives >= compared
            and min(self.parts, self.passes) >= 1
            and self.rate > 0
            and min(self.exam, self.anchor) >= 0
            and (self.decides or self.exam)
        ):
            raise BadSettings(
                f"{self!r}: expected streams, parts and passes >= 1, lives >= {compared}, rate > 0, exam and "
                "anchor >= 0, and exam > 0 where nothing is decided"
            )
