"""How the learner's arms are set in experiments on lives: alike in all but what they learn from."""

from __future__ import annotations

from dataclasses import replace

from liveoak.learning.arms import ARMS, LearnerSettings
from liveoak.signals import BalanceSettings

TOGETHER = 16
"""Episodes of a round, where steps are many. With few, it is what they tell that is scarce, and not steps."""
_STEPS, _PASSES, _REPLAY = 4, 4, 1.0
_BALANCED = ("both", "selected")
"""Arms in which what foretelling weighs is found, as it is in `liveoak live`."""


def way(arm: str, rate: float = 1e-3) -> LearnerSettings:
    """An arm of the learner, for a prior of random weights.

    Rewards are compared over all episodes of a round: those that began alike soon end alike in these small worlds, and
    a group without variance teaches nothing, though other groups do better.
    """
    return replace(ARMS[arm], rate=rate, compare="world")


def thorough(arm: str) -> LearnerSettings:
    """The same with as many steps a round as its episodes are worth: four parts that these are dealt out to, four times
    over, and a past episode for each fresh one.

    Two steps of 32 episodes had been so few that what was known made no difference (docs/decisions/026-advice.md).
    """
    balance = BalanceSettings() if arm in _BALANCED else None
    return replace(way(arm), balance=balance, parts=_STEPS, passes=_PASSES, replay=_REPLAY)
