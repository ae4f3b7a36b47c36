"""Worlds made of pure rules: the rules say what follows from a state, and the world remembers where it is.

Since rules change nothing, a state can be asked what any action would bring, what is best and what it is worth; and a
world in the middle of an episode is pickled with its state. Chance comes from `dice`, keyed by seed and turn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from liveoak.errors import WorldError
from liveoak.worlds.protocol import Step
from liveoak.worlds.seeds import checked

S = TypeVar("S")
SLIPS = 3
"""Impossible actions that an episode forgives. The next one ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What holds in every episode of a world."""

    name: str
    instructions: str
    turns: int
    """Most possible actions of an episode."""
    rewards: tuple[float, float] = (0.0, 1.0)
    """Least and greatest reward of a step; the sum over an episode stays within as well."""
    forfeit: float = 0.0
    """The reward for ending an episode by impossible actions."""
    chance: bool = False
    """Whether outcomes are drawn, so that values are means."""
    contested: bool = False
    """Whether somebody plays against the agent."""


class Rules(Protocol[S]):
    """What follows from what. Every method is pure; `S` is frozen and picklable."""

    @property
    def about(self) -> About: ...

    def begin(self, seed: int) -> tuple[S, str]: ...

    def play(self, state: S, action: str) -> tuple[S, Step]:
        """What a possible action brings."""
        ...

    def actions(self, state: S) -> tuple[str, ...]:
        """What is possible; empty where any text is."""
        ...

    def expert(self, state: S) -> str | None:
        """A best action; None where it is not known."""
        ...

    def value(self, state: S) -> float | None:
        """Expected rewards to come under best play; None where not known."""
        ...


class RuledWorld(Generic[S]):
    """A world that follows rules, known to the last."""

    def __init__(self, rules: Rules[S]) -> None:
        self.rules = rules
        self._state: tuple[S] | None = None
        self._slips = 0

    @property
    def name(self) -> str:
        return self.rules.about.name

    @property
    def instructions(self) -> str:
        return self.rules.about.instructions

    @property
    def rewards(self) -> tuple[float, float]:
        return self.rules.about.rewards

    @property
    def turns(self) -> int:
        return self.rules.about.turns + SLIPS

    @property
    def chance(self) -> bool:
        return self.rules.about.chance

    @property
    def contested(self) -> bool:
        return self.rules.about.contested

    def reset(self, seed: int) -> str:
        state, observation = self.rules.begin(checked(seed))
        self._state, self._slips = (state,), 0
        return observation

    def step(self, action: str) -> Step:
        state, slips, outcome = self._outcome(action)
        self._state, self._slips = (None if outcome.done else (state,)), slips
        return outcome

    def would(self, action: str) -> str:
        return self._outcome(action)[2].observation

    def actions(self) -> tuple[str, ...]:
        return self.rules.actions(self._now())

    def expert(self) -> str | None:
        return self.rules.expert(self._now())

    def value(self) -> float | None:
        return self.rules.value(self._now())

    def _outcome(self, action: str) -> tuple[S, int, Step]:
        state = self._now()
        possible = self.rules.actions(state)
        word = action.strip()
        if possible:
            word = word.lower()
        if not possible or word in possible:
            state, outcome = self.rules.play(state, word)
            return state, self._slips, outcome
        # The agent's own words are not repeated: whoever learns to predict observations should not learn to parrot.
        told = Step(observation=f"cannot. can: {' '.join(possible)}", reward=0.0, done=False, info={"bad": True})
        if self._slips == SLIPS:
            told = replace(told, observation="cannot. over.", reward=self.rules.about.forfeit, done=True)
        return state, self._slips + 1, told

    def _now(self) -> S:
        if self._state is None:
            raise WorldError(f"world {self.name!r}: no episode is running; call reset(seed) first")
        return self._state[0]
