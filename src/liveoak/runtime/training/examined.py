"""Exams on streams that nothing was learned from, the same for every way to act."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict

from liveoak.adapters import Slot
from liveoak.learning.outer.life import Cast, Lives, Policy
from liveoak.learning.outer.policies import FIXED, START
from liveoak.learning.outer.pricing import Prices, mean
from liveoak.worlds import Material, seed_of

_FAR = 2_000_000
"""Where held-out streams begin, so that no act is drawn by the same chance as one of a training stream."""


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

    def __init__(self, lives: Lives, material: Callable[[int], Material], prices: Prices, count: int) -> None:
        self._lives, self._prices = lives, prices
        self._cast = [
            Cast(stream=_FAR + place, number=0, material=material(seed_of("held_out", place))) for place in range(count)
        ]

    def before(self, slow: Slot) -> tuple[ArmFigures, ...]:
        """The start, and the ways that nobody learned."""
        arms: Mapping[str, Policy | None] = {START: None, **FIXED}
        return tuple(self.by(arm, slow, 0, policy) for arm, policy in arms.items())

    def by(self, arm: str, slow: Slot, rounds: int, policy: Policy | None = None) -> ArmFigures:
        accounts = [one.account for one in self._lives.live(self._cast, slow, policy)]
        worths = tuple(one.reward(self._prices) for one in accounts)
        return ArmFigures(
            arm=arm,
            rounds=rounds,
            reward=sum(worths) / len(worths),
            right=mean(accounts, lambda one: one.right),
            learned=mean(accounts, lambda one: one.count("learn")),
            noted=mean(accounts, lambda one: one.count("note")),
            useful=mean(accounts, lambda one: one.useful),
            rewards=worths,
        )
