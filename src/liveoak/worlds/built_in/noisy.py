"""Noise that nobody can learn to predict: switches beside a screen full of snow.

Every observation ends with random characters, and one more action, `tv`, shows nothing but. A learner that chases
whatever surprises it spends itself here (the "noisy TV" of Burda et al. 2018). `info["noise"]` says which characters
are noise, so that a selection can be marked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from liveoak.worlds.built_in.switches import Lamps, Switches
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice

_SNOW = "bcdfghjklmnpqrstvwxz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snowy:
    lamps: Lamps
    seed: int
    turn: int
    watched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noisy:
    switches: int = 4
    slack: int = 3
    rule: int | None = 0
    """The wiring, as in `switches`."""
    snow: int = 8
    """Random characters on every observation but the first."""
    tv: int = 24
    """Random characters that the action `tv` shows instead."""
    watching: int = 3
    """How often an episode allows `tv`. It costs nothing and brings nothing."""

    def __post_init__(self) -> None:
        self._rules()
        for name in ("snow", "tv", "watching"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)!r}: expected 0 or more")

    @property
    def about(self) -> About:
        lamps = self._rules().about
        told = f"{lamps.instructions} Or watch tv."
        return replace(lamps, name="noisy", instructions=told, turns=lamps.turns + self.watching)

    def begin(self, seed: int) -> tuple[Snowy, str]:
        lamps, observation = self._rules().begin(seed)
        return Snowy(lamps=lamps, seed=seed, turn=0, watched=0), observation

    def play(self, state: Snowy, action: str) -> tuple[Snowy, Step]:
        state = replace(state, turn=state.turn + 1)
        rng = dice("snow", state.seed, state.turn, action)
        if action == "tv":
            state = replace(state, watched=state.watched + 1)
            return state, _snowed(Step(observation="tv:", reward=0.0, done=False), rng.choices(_SNOW, k=self.tv))
        lamps, step = self._rules().play(state.lamps, action)
        return replace(state, lamps=lamps), _snowed(step, rng.choices(_SNOW, k=self.snow))

    def actions(self, state: Snowy) -> tuple[str, ...]:
        watch = ("tv",) if state.watched < self.watching else ()
        return (*self._rules().actions(state.lamps), *watch)

    def expert(self, state: Snowy) -> str:
        return self._rules().expert(state.lamps)

    def value(self, state: Snowy) -> float:
        return self._rules().value(state.lamps)

    def _rules(self) -> Switches:
        return Switches(switches=self.switches, slack=self.slack, rule=self.rule)


def _snowed(step: Step, snow: list[str]) -> Step:
    start = len(step.observation) + 1
    return replace(step, observation=f"{step.observation} {''.join(snow)}", info={"noise": (start, start + len(snow))})
