"""What a life is told before it begins: the world, the signals, the sizes and the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from liveoak.learning.arms import WINNERS, LearnerSettings, Transition
from liveoak.runtime.kept import OrderFile
from liveoak.runtime.living import LivingSettings
from liveoak.runtime.scenes import Acting
from liveoak.signals import BalanceSettings, RewardSettings
from liveoak.signals.reward import Baseline

Signal = Literal["reward", "transition", "imitation", "advice", "winners", "distillation"]


class LifeOrder(BaseModel):
    """What is lived, and how it is learned from. It does not change over a life."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    world: str
    options: dict[str, str] = {}
    prior: str = "scratch"
    fingerprint: str = ""
    """Of the prior's weights, filled in when the life begins."""
    signals: tuple[Signal, ...] = ("reward", "transition", "advice", "winners")
    """None of them: a frozen agent."""
    transition: Literal["answers", "selected", "naive"] = "selected"
    balance: bool = True
    renewed: int | None = Field(default=None, ge=2)
    """Rounds between two teachers of distillation; None: it stays what the agent was at first."""
    baseline: Baseline = RewardSettings().baseline
    rate: float = Field(default=LearnerSettings().rate, gt=0)
    parts: int = Field(default=LearnerSettings().parts, ge=1)
    passes: int = Field(default=LearnerSettings().passes, ge=1)
    replay: float = Field(default=0.0, ge=0)
    anchor: float = Field(default=0.0, ge=0)
    together: int = Field(default=LivingSettings().together, ge=1)
    group: int = Field(default=LivingSettings().group, ge=1)
    window: int = Field(default=LivingSettings().window, ge=1)
    longest: int = Field(default=LivingSettings().longest, ge=1)
    acting: Acting = "choices"
    shown: int = Field(default=0, ge=0)
    skill: float = Field(default=1.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0)
    every: int = Field(default=4, ge=1)
    """Rounds between two checkpoints."""
    metered: int = Field(default=0, ge=0)
    """Rounds between two readings of the bit meter; 0: it is never read."""

    def learning(self) -> LearnerSettings | None:
        """
        Raises:
            BadSettings: settings that contradict each other.
        """
        if not self.signals:
            return None
        mode: Transition = self.transition if "transition" in self.signals else "off"
        balanced = self.balance and mode in ("answers", "selected")
        return LearnerSettings(
            reward="reward" in self.signals,
            transition=mode,
            imitation="imitation" in self.signals,
            advice="advice" in self.signals,
            winners=WINNERS if "winners" in self.signals else 0.0,
            distillation="distillation" in self.signals,
            renewed=self.renewed,
            balance=BalanceSettings() if balanced else None,
            compare="group" if self.group > 1 else "world",
            rewarded=RewardSettings(baseline=self.baseline),
            rate=self.rate,
            parts=self.parts,
            passes=self.passes,
            replay=self.replay,
            anchor=self.anchor,
        )

    def living(self) -> LivingSettings:
        """
        Raises:
            BadSettings: settings that contradict each other.
        """
        return LivingSettings(
            together=self.together,
            group=self.group,
            window=self.window,
            longest=self.longest,
            acting=self.acting,
            shown=self.shown,
            skill=self.skill,
        )


_ORDERS = OrderFile(name="life.json", what="life", kind=LifeOrder)


def read_order(folder: Path) -> LifeOrder:
    """The orders of the life in a folder. Raises what `OrderFile.read` does."""
    return _ORDERS.read(folder)


def agree(folder: Path, order: LifeOrder) -> None:
    """Write the orders into a folder, or find the same ones there. Raises what `OrderFile.agree` does."""
    _ORDERS.agree(folder, order)
