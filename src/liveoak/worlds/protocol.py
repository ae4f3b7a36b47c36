"""What a world is: it is reset with a seed, and answers actions with an observation and a reward.

A world may know more of itself than it shows: which actions are possible now (`Choices`), what an expert would do
(`Known`), and what another action would bring (`Imagined`). Only labs, exams and demonstrations may ask it. That
somebody plays against the agent (`Contested`) is for learners to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an action brought."""

    observation: str
    reward: float
    """Within the world's `rewards`."""
    done: bool
    """The episode is over: the next call is `reset`."""
    info: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """For labs, never for the agent. `bad`: the action was not possible. `window`: a new number means that whatever was
    seen under another one is out of sight. `noise`: start and end of unlearnable characters. `phase`: which rules hold
    in a world that drifts. `regret`: expected reward given away."""


class World(Protocol):
    """A place to live in. Equal seeds and equal actions give equal episodes; it can be pickled at any moment."""

    @property
    def name(self) -> str: ...

    @property
    def instructions(self) -> str:
        """What the agent is told before an episode."""
        ...

    @property
    def rewards(self) -> tuple[float, float]:
        """Least and greatest reward of one step."""
        ...

    @property
    def turns(self) -> int:
        """An episode is over after at most so many steps, whatever is done."""
        ...

    def reset(self, seed: int) -> str:
        """Begin the episode of this seed; what is seen first. Even seeds are for training, odd ones are held out.

        Raises:
            ValueError: a negative seed.
        """
        ...

    def step(self, action: str) -> Step:
        """Act. An action that is not possible is answered, never raised.

        Raises:
            WorldError: no episode is running, which is the caller's fault, or the world failed.
        """
        ...


@runtime_checkable
class Choices(Protocol):
    """A world that can list what may be done."""

    def actions(self) -> tuple[str, ...]:
        """What is possible now; empty where any text is."""
        ...


@runtime_checkable
class Known(Protocol):
    """A world whose best play is known."""

    @property
    def chance(self) -> bool:
        """Whether outcomes are drawn, so that `value` is a mean; else it is exact."""
        ...

    def expert(self) -> str | None:
        """A best action now; None where it is not known here."""
        ...

    def value(self) -> float | None:
        """Rewards still to come under best play; None where not known here."""
        ...


@runtime_checkable
class Contested(Protocol):
    """A world in which somebody may play against the agent."""

    @property
    def contested(self) -> bool:
        """Whether somebody does, so that what one side wins the other loses."""
        ...


@runtime_checkable
class Imagined(Protocol):
    """A world that can tell what an action would bring, without going there."""

    def would(self, action: str) -> str | None:
        """The observation that `step(action)` would give now; None where it is not known here."""
        ...
