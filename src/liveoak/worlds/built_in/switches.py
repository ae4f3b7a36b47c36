"""Hidden dynamics to discover: which switch works which lamp.

By default the wiring is drawn by seed, and must be found out within the episode; with `rule`, one wiring holds in every
episode, and can be learned over many. Every observation shows what the last switch did.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice, of_split, split_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamps:
    lamps: str
    """One character a lamp, `1` for lit."""
    wanted: str
    wiring: tuple[int, ...]
    """Which lamp each switch works."""
    left: int
    """Actions left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    switches: int = 4
    """Switches and lamps, 2 to 6."""
    slack: int = 3
    """Actions beyond the fewest that are needed."""
    rule: int | None = None
    """The wiring of all episodes, counted from 0; None: drawn by seed."""

    def __post_init__(self) -> None:
        if not 2 <= self.switches <= 6:
            raise ValueError(f"switches = {self.switches!r}: expected 2 to 6")
        if self.slack < 0:
            raise ValueError(f"slack = {self.slack!r}: expected 0 or more")
        if self.rule is not None and not 0 <= self.rule < math.factorial(self.switches):
            raise ValueError(f"rule = {self.rule!r}: expected 0 to {math.factorial(self.switches) - 1}")

    @property
    def about(self) -> About:
        last = "abcdef"[self.switches - 1]
        told = f"Each switch, a to {last}, turns one lamp on or off. Make the lamps as wanted. Answer with one switch."
        return About(name="switches", instructions=told, turns=self.switches + self.slack)

    def begin(self, seed: int) -> tuple[Lamps, str]:
        rng = dice("switches", self.switches, seed)
        wirings = tuple(itertools.permutations(range(self.switches)))
        wiring = rng.choice(of_split(wirings, split_of(seed))) if self.rule is None else wirings[self.rule]
        patterns = ["".join(bits) for bits in itertools.product("01", repeat=self.switches)]
        tasks = [(lamps, wanted) for lamps in patterns for wanted in patterns if lamps != wanted]
        # With one wiring for all, it is the tasks that are held out.
        lamps, wanted = rng.choice(tasks if self.rule is None else of_split(tasks, split_of(seed)))
        state = Lamps(lamps=lamps, wanted=wanted, wiring=wiring, left=_differing(lamps, wanted) + self.slack)
        return state, _told(state)

    def play(self, state: Lamps, action: str) -> tuple[Lamps, Step]:
        lamp = state.wiring["abcdef".index(action)]
        turned = "10"[int(state.lamps[lamp])]
        state = replace(state, lamps=state.lamps[:lamp] + turned + state.lamps[lamp + 1 :], left=state.left - 1)
        solved = state.lamps == state.wanted
        step = Step(observation=_told(state), reward=float(solved), done=solved or state.left == 0)
        return state, step

    def actions(self, state: Lamps) -> tuple[str, ...]:
        return tuple("abcdef"[: self.switches])

    def expert(self, state: Lamps) -> str:
        """The first switch whose lamp is not as wanted."""
        wrong = (place for place, lamp in enumerate(state.wiring) if state.lamps[lamp] != state.wanted[lamp])
        return "abcdef"[next(wrong)]

    def value(self, state: Lamps) -> float:
        return float(_differing(state.lamps, state.wanted) <= state.left)


def _differing(one: str, other: str) -> int:
    return sum(left != right for left, right in zip(one, other, strict=True))


def _told(state: Lamps) -> str:
    return f"lamps {state.lamps} wanted {state.wanted}"
