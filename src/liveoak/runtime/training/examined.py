"""Exams on streams that nothing was learned from, the same for every way to act."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from liveoak.adapters import Slot
from liveoak.learning.outer.policies import FIXED, START
from liveoak.learning.outer.pricing import Prices, mean
from liveoak.learning.outer.work import ITSELF, Arm, Work


class ArmFigures(BaseModel):
    """Means over held-out streams, one life each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    rounds: int
    """Of the outer loop behind the weights."""
    reward: float
    right: float
    learned: float
    noted: float
    useful: float
    """Entries learned or noted that the exam asks about."""
    rewards: tuple[float, ...]
    """Of each stream: the same streams in the same order for every arm."""


class Examiner:
    """Examines weights, or a policy in their place. Draws nothing that training draws."""

    def __init__(self, work: Work, prices: Prices, count: int) -> None:
        self._work, self._prices, self._count = work, prices, count

    def before(self, slow: Slot) -> tuple[ArmFigures, ...]:
        """The start, and the ways that nobody learned."""
        return self.by(START, slow, 0), *(self.by(arm, slow, 0, arm) for arm in FIXED)

    def by(self, name: str, slow: Slot, rounds: int, arm: Arm = ITSELF) -> ArmFigures:
        accounts = self._work.accounts(slow, arm, range(self._count))
        worths = tuple(one.reward(self._prices) for one in accounts)
        return ArmFigures(
            arm=name,
            rounds=rounds,
            reward=sum(worths) / len(worths),
            right=mean(accounts, lambda one: one.right),
            learned=mean(accounts, lambda one: one.count("learn")),
            noted=mean(accounts, lambda one: one.count("note")),
            useful=mean(accounts, lambda one: one.useful),
            rewards=worths,
        )
