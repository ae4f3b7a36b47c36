"""Another library's environment as rules: its state is the seed and the actions since.

Such environments keep their state to themselves, and many cannot be copied. Since they are deterministic by seed, a
state is reached again by living it again: so a world can be pickled in mid-episode, and asked what another action would
bring, whatever library it comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About


class Guest(Protocol):
    """An environment of another library that was taught to speak. Need not be picklable."""

    def reset(self, seed: int) -> str: ...

    def step(self, action: str) -> Step: ...

    def actions(self) -> tuple[str, ...]:
        """What is possible; empty where any text is."""
        ...

    def expert(self) -> str | None: ...

    def value(self) -> float | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    seed: int
    actions: tuple[str, ...]


class Replayed:
    """Rules that ask a guest, and have it live the past again where it is somewhere else."""

    def __init__(self, about: About, opens: Callable[[], Guest]) -> None:
        """`opens` makes the guest, when first needed; it must be picklable."""
        self._about, self._opens = about, opens
        self._guest: Guest | None = None
        self._past: Past | None = None

    @property
    def about(self) -> About:
        return self._about

    def begin(self, seed: int) -> tuple[Past, str]:
        past = Past(seed=seed, actions=())
        return past, self._begun(past)

    def play(self, state: Past, action: str) -> tuple[Past, Step]:
        step = self._at(state).step(action)
        self._past = replace(state, actions=(*state.actions, action))
        done = step.done or len(self._past.actions) >= self._about.turns
        return self._past, replace(step, done=done)

    def actions(self, state: Past) -> tuple[str, ...]:
        return self._at(state).actions()

    def expert(self, state: Past) -> str | None:
        return self._at(state).expert()

    def value(self, state: Past) -> float | None:
        return self._at(state).value()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_guest": None, "_past": None}

    def _at(self, state: Past) -> Guest:
        if self._guest is None or self._past != state:
            self._begun(replace(state, actions=()))
            for action in state.actions:
                self._guest.step(action)  # pyright: ignore[reportOptionalMemberAccess]
            self._past = state
        return self._guest  # pyright: ignore[reportReturnType]

    def _begun(self, past: Past) -> str:
        self._guest = self._guest or self._opens()
        # Set only when through: a guest that fails half-way is nowhere.
        self._past = None
        seen = self._guest.reset(past.seed)
        self._past = past
        return seen
