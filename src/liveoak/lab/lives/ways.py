"""How the learner's arms are set in experiments on lives: alike in all but what they learn from."""

from __future__ import annotations

from dataclasses import replace

from liveoak.learning.arms import ARMS, LearnerSettings


def way(arm: str, rate: float = 1e-3) -> LearnerSettings:
    """An arm of the learner, for a prior of random weights.

    Rewards are compared over all episodes of a round: those that began alike soon end alike in these small worlds, and
    a group without variance teaches nothing, though other groups do better.
    """
    return replace(ARMS[arm], rate=rate, compare="world")
