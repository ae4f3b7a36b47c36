"""Delayed outcome: what is packed on the first turn decides the reward of the last.

Which tool helps in which place is hidden and holds in every episode. The days between are weather. By default nothing
but the reward says whether the tool was right; with `tells`, the last observation says so too, and with `advice` it
names the tool that helps there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice

PLACES = ("swamp", "desert", "forest", "island")
TOOLS = ("rope", "lamp", "boat", "tent", "axe", "map", "net", "skis")
_HELPS = tuple(itertools.permutations(TOOLS[: len(PLACES)]))
_WEATHER = ("sun", "rain", "fog", "wind")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTheWay:
    seed: int
    place: str
    tool: str
    """Empty before it is packed."""
    day: int
    miles: int
    """Still to walk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    miles: int = 4
    """Walks between the decision and its outcome, 1 to 9."""
    rule: int = 0
    """Which tool helps where, 0 to 23."""
    tools: int = 4
    """Tools to choose from, 4 to 8; those beyond the fourth help nowhere."""
    tells: bool = False
    """Whether the last observation says if the tool helped."""
    advice: bool = False
    """Whether the last observation says which tool helps there."""

    def __post_init__(self) -> None:
        if not 1 <= self.miles <= 9:
            raise ValueError(f"miles = {self.miles!r}: expected 1 to 9")
        if not len(PLACES) <= self.tools <= len(TOOLS):
            raise ValueError(f"tools = {self.tools!r}: expected {len(PLACES)} to {len(TOOLS)}")
        if not 0 <= self.rule < len(_HELPS):
            raise ValueError(f"rule = {self.rule!r}: expected 0 to {len(_HELPS) - 1}")

    @property
    def about(self) -> About:
        *most, last = TOOLS[: self.tools]
        told = f"Pack {', '.join(most)} or {last}, then walk. One word a turn. The right tool counts."
        return About(name="journey", instructions=told, turns=1 + self._days)

    @property
    def _days(self) -> int:
        """As many as the walks, and one of rest."""
        return self.miles + 1

    def begin(self, seed: int) -> tuple[OnTheWay, str]:
        place = dice("journey", seed).choice(PLACES)
        return OnTheWay(seed=seed, place=place, tool="", day=0, miles=self.miles), f"to the {place}. pack what?"

    def play(self, state: OnTheWay, action: str) -> tuple[OnTheWay, Step]:
        if not state.tool:
            state = replace(state, tool=action)
        else:
            state = replace(state, day=state.day + 1, miles=state.miles - (action == "walk"))
        if state.miles == 0:
            return state, self._arrived(state)
        if state.day == self._days:
            return state, Step(observation="too late.", reward=0.0, done=True)
        weather = dice("weather", state.seed, state.day).choice(_WEATHER)
        return state, Step(observation=f"{weather}. {state.miles} to go.", reward=0.0, done=False)

    def actions(self, state: OnTheWay) -> tuple[str, ...]:
        return ("walk", "rest") if state.tool else TOOLS[: self.tools]

    def expert(self, state: OnTheWay) -> str:
        return "walk" if state.tool else self._right(state)

    def value(self, state: OnTheWay) -> float:
        in_time = state.miles <= self._days - state.day
        return float(in_time and state.tool in ("", self._right(state)))

    def _arrived(self, state: OnTheWay) -> Step:
        right = state.tool == self._right(state)
        verdict = f" the {state.tool} {'helped' if right else 'was no use'}." if self.tells else ""
        told = f"{self._right(state)} helps here. " if self.advice else ""
        return Step(observation=f"{told}at the {state.place}.{verdict}", reward=float(right), done=True)

    def _right(self, state: OnTheWay) -> str:
        return _HELPS[self.rule][PLACES.index(state.place)]
