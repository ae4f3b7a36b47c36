"""A world whose rules change: switches that are wired anew every so many episodes.

Time is the seed: the episode counted `i` of either split has the rules of phase `i // every`, so a life that meets
`seeds("train", n)` in order lives through the changes, and held-out seeds of the same count examine the same phase.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from liveoak.worlds.built_in.switches import Lamps, Switches
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifting:
    lamps: Lamps
    phase: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    every: int = 50
    """Episodes of a split that one set of rules holds."""
    cycle: int | None = None
    """Different rules before the first ones come back, 2 or more; None: as many as there are."""
    stream: int = 0
    """Which order of rules; another number is another life."""
    switches: int = 4
    slack: int = 3

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every = {self.every!r}: expected 1 or more episodes")
        most = math.factorial(self._rules(0).switches)
        if self.cycle is not None and not 2 <= self.cycle <= most:
            raise ValueError(f"cycle = {self.cycle!r}: expected 2 to {most} different rules")

    @property
    def about(self) -> About:
        return replace(self._rules(0).about, name="drift")

    def phase(self, seed: int) -> int:
        return seed // 2 // self.every

    def rule(self, phase: int) -> int:
        """Number of the wiring in a phase. Neighbouring phases never share one."""
        order = list(range(math.factorial(self.switches)))
        dice("drift", self.switches, self.stream).shuffle(order)
        return order[phase % (self.cycle or len(order))]

    def begin(self, seed: int) -> tuple[Drifting, str]:
        phase = self.phase(seed)
        lamps, observation = self._rules(self.rule(phase)).begin(seed)
        return Drifting(lamps=lamps, phase=phase), observation

    def play(self, state: Drifting, action: str) -> tuple[Drifting, Step]:
        lamps, step = self._rules(0).play(state.lamps, action)
        return replace(state, lamps=lamps), replace(step, info={"phase": state.phase})

    def actions(self, state: Drifting) -> tuple[str, ...]:
        return self._rules(0).actions(state.lamps)

    def expert(self, state: Drifting) -> str:
        return self._rules(0).expert(state.lamps)

    def value(self, state: Drifting) -> float:
        return self._rules(0).value(state.lamps)

    def _rules(self, rule: int) -> Switches:
        return Switches(switches=self.switches, slack=self.slack, rule=rule)
