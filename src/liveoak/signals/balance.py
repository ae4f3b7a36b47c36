"""Balance: how much the transition signal may weigh in one world, by what a step along it gains of reward.

A small step along a gradient `d` gains, of what `d` is the gradient of, in proportion to its length, and costs in
proportion to its length squared, as every step does that goes anywhere. So the weight at which foretelling, with
gradient `t`, is worth as much as doing, with gradient `d`, for what it costs is

    (t . d' / |t|^2)  /  (d . d' / |d|^2)

where `d'` is doing's gradient on other episodes, so that noise which two gradients have of the same episodes does not
count as going the same way. Each of the four is a mean over steps, of late above all; the first is taken two standard
errors low and the third two high, so that what is not known to help has no weight, and what helps is not overdone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from liveoak.errors import UserError

_NOTHING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSettings:
    """How quickly evidence counts, and how much it may come to."""

    most: float = 0.3
    """The weight at most, beside reward's of 1."""
    memory: float = 0.98
    """What a step still counts one step later."""
    margin: float = 2.0
    """Standard errors by which means are doubted."""
    steps: int = 8
    """Steps that must have been seen before the signal has any weight."""

    def __post_init__(self) -> None:
        if not (self.most > 0 and 0 < self.memory < 1 and self.margin >= 0 and self.steps >= 2):
            raise UserError(f"{self!r}: expected most > 0, 0 < memory < 1, margin >= 0 and steps >= 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """Of one step's gradients: of foretelling, `t`, and of doing, `d`; `d'` is doing's of other episodes."""

    told_other: float
    """t . d'"""
    done_other: float
    """d . d'"""
    told_told: float
    """|t|^2"""
    done_done: float
    """|d|^2"""

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.told_other, self.done_other, self.told_told, self.done_done))):
            raise UserError(f"{self!r}: expected finite numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A mean of numbers, of which each counts less the longer it is past, and its standard error."""

    weights: float = 0.0
    squares: float = 0.0
    """Of the weights."""
    total: float = 0.0
    total_of_squares: float = 0.0

    def after(self, value: float, memory: float) -> Recent:
        """One number later."""
        return Recent(
            weights=memory * self.weights + 1,
            squares=memory * memory * self.squares + 1,
            total=memory * self.total + value,
            total_of_squares=memory * self.total_of_squares + value * value,
        )

    @property
    def mean(self) -> float:
        return self.total / self.weights if self.weights else 0.0

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        if not self.weights:
            return 0.0
        variance = max(0.0, self.total_of_squares / self.weights - self.mean**2)
        return math.sqrt(variance * self.squares) / self.weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One world's balance. Pure: `after` gives the next one."""

    settings: BalanceSettings = field(default_factory=BalanceSettings)
    seen: int = 0
    told_other: Recent = field(default_factory=Recent)
    done_other: Recent = field(default_factory=Recent)
    told_told: Recent = field(default_factory=Recent)
    done_done: Recent = field(default_factory=Recent)

    @property
    def weight(self) -> float:
        """What to multiply the transition term by, from 0 to `most`."""
        known = self.settings
        gain = self.told_other.mean - known.margin * self.told_other.error
        if self.seen < known.steps or gain <= 0:
            return 0.0
        doing = self.done_other.mean + known.margin * self.done_other.error
        if doing <= 0:
            return 0.0
        worth = (gain / max(self.told_told.mean, _NOTHING)) * (self.done_done.mean / max(doing, _NOTHING))
        return min(known.most, worth)

    @property
    def weight_alone(self) -> float:
        """The same for a step in which nothing says what to do: there is nothing to lose, until more is known."""
        return self.settings.most if self.seen < self.settings.steps else self.weight

    def after(self, products: Products) -> Balance:
        """One step later."""
        memory = self.settings.memory
        return replace(
            self,
            seen=self.seen + 1,
            told_other=self.told_other.after(products.told_other, memory),
            done_other=self.done_other.after(products.done_other, memory),
            told_told=self.told_told.after(products.told_told, memory),
            done_done=self.done_done.after(products.done_done, memory),
        )
