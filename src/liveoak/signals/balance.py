"""Balance: how much the transition signal may weigh in one world, so that it never costs reward.

It is the lambda of the literature: the alpha of the transition term beside a reward term of weight 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from liveoak.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSettings:
    """A round is one update and the mean reward of the episodes lived before it."""

    first: float = 0.3
    least: float = 0.02
    """Below this the signal is off."""
    most: float = 1.0
    grow: float = 1.25
    shrink: float = 0.5
    rounds: int = 5
    """Rounds between two decisions, so that each is seen to act before the next."""
    memory: float = 0.8
    """What a round still weighs in the level of reward one round later."""
    margin: float = 1.0
    """Standard errors that the level must lie below the mark, and the mark below the best level, to call it a fall."""

    def __post_init__(self) -> None:
        if not (0 < self.least <= self.first <= self.most and self.grow > 1 and 0 < self.shrink < 1):
            raise UserError(f"{self!r}: expected 0 < least <= first <= most, grow > 1 and 0 < shrink < 1")
        if not (self.rounds >= 1 and 0 < self.memory < 1 and self.margin >= 0):
            raise UserError(f"{self!r}: expected rounds >= 1, 0 < memory < 1 and margin >= 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One world's balance. Pure: `after` gives the next one."""

    settings: BalanceSettings = field(default_factory=BalanceSettings)
    value: float | None = None
    """The weight of the transition signal; None: no round yet."""
    level: float = 0.0
    """Reward as of late."""
    variance: float = 0.0
    """Of a round's reward about the level."""
    mark: float = -math.inf
    """A level that was reached for certain, and is to be kept."""
    seen: int = 0
    waited: bool = False
    """The last decision found the signal off and reward below the mark."""

    @property
    def weight(self) -> float:
        """What to multiply the transition term by."""
        return self.settings.first if self.value is None else self.value

    def after(self, reward: float | None) -> Balance:
        """One round later. A round that nobody rewarded (None) changes nothing.

        The weight is cut when reward lies below what was reached before, and grows slowly while it does not. If reward
        stays low although the signal is off, the fault lies elsewhere (the world may have changed): the mark is set
        anew, and the signal is tried again.

        Raises:
            UserError: the reward is not a number.
        """
        if reward is None:
            return self
        if not math.isfinite(reward):
            raise UserError(f"a round has mean reward {reward!r}; expected a finite number")
        known = self._observed(reward)
        error = self.settings.margin * known._error()
        if known.seen < 2 * self.settings.rounds or known.seen % self.settings.rounds:
            return known
        known = replace(known, mark=max(known.mark, known.level - error))
        return known._cut() if known.level + error < known.mark else known._grown()

    def _observed(self, reward: float) -> Balance:
        if not self.seen:
            return replace(self, value=self.weight, level=reward, seen=1)
        new = 1 - self.settings.memory
        distance = reward - self.level
        return replace(
            self,
            level=self.level + new * distance,
            variance=self.settings.memory * (self.variance + new * distance * distance),
            seen=self.seen + 1,
        )

    def _error(self) -> float:
        """Standard error of the level, a weighted mean of rounds whose weights fall off with `memory`."""
        return math.sqrt(self.variance * (1 - self.settings.memory) / (1 + self.settings.memory))

    def _cut(self) -> Balance:
        known = self.settings
        if self.weight == 0 and not self.waited:
            return replace(self, waited=True)
        if self.weight == 0:
            return replace(self, waited=False, mark=self.level, value=known.first)
        cut = self.weight * known.shrink
        return replace(self, value=cut if cut >= known.least else 0.0)

    def _grown(self) -> Balance:
        known = self.settings
        return replace(self, waited=False, value=min(known.most, max(known.least, self.weight * known.grow)))
