"""A contextual bandit: levers that pay by chance, as often as the colour of the machine says.

The colour is drawn by seed and shown. How often each lever pays on each colour is hidden: by default it is the same in
all episodes (`rule`); with `rule=None`, it is drawn by seed, and only trying tells. With `advice`, what is seen after a
pull begins with the lever that pays best on that machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice

COLOURS = ("red", "blue", "green")
_BEST = 0.8
_OTHERS = (0.1, 0.2, 0.3, 0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    seed: int
    colour: str
    pays: tuple[float, ...]
    """Chance of each lever to pay."""
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandit:
    levers: int = 4
    """2 to 8."""
    pulls: int = 5
    """Pulls of an episode, 1 or more. Each win is worth 1 / pulls."""
    rule: int | None = 0
    """The table of all episodes; None: drawn by seed."""
    advice: bool = False
    """Whether what is seen after a pull says which lever pays best."""

    def __post_init__(self) -> None:
        if not 2 <= self.levers <= 8:
            raise ValueError(f"levers = {self.levers!r}: expected 2 to 8")
        if self.pulls < 1:
            raise ValueError(f"pulls = {self.pulls!r}: expected 1 or more")

    @property
    def about(self) -> About:
        last = "abcdefgh"[self.levers - 1]
        told = f"Levers a to {last} pay more or less often, by the machine's colour. Answer with one lever."
        return About(name="bandit", instructions=told, turns=self.pulls, chance=True)

    def begin(self, seed: int) -> tuple[Machine, str]:
        colour = dice("colour", seed).choice(COLOURS)
        pays = self.pays(colour, seed)
        return Machine(seed=seed, colour=colour, pays=pays, left=self.pulls), f"{colour} machine. pull?"

    def pays(self, colour: str, seed: int) -> tuple[float, ...]:
        """How often each lever pays on a machine of this colour."""
        rng = dice("pays", self.levers, colour, *(("seed", seed) if self.rule is None else ("rule", self.rule)))
        best = rng.randrange(self.levers)
        return tuple(_BEST if lever == best else rng.choice(_OTHERS) for lever in range(self.levers))

    def play(self, state: Machine, action: str) -> tuple[Machine, Step]:
        pays = state.pays["abcdefgh".index(action)]
        won = dice("pull", state.seed, state.left, action).random() < pays
        state = replace(state, left=state.left - 1)
        said = f"{self.expert(state)} pays best. " if self.advice else ""
        return state, Step(
            observation=f"{said}{state.colour} machine. {action} {'paid' if won else 'kept it'}.",
            reward=won / self.pulls,
            done=state.left == 0,
            info={"regret": (max(state.pays) - pays) / self.pulls},
        )

    def actions(self, state: Machine) -> tuple[str, ...]:
        return tuple("abcdefgh"[: self.levers])

    def expert(self, state: Machine) -> str:
        return "abcdefgh"[state.pays.index(max(state.pays))]

    def value(self, state: Machine) -> float:
        return state.left * max(state.pays) / self.pulls
