"""What a sound answer of a world looks like, for the contract and the guard."""

from __future__ import annotations

import math
from typing import cast

from liveoak.worlds.protocol import Step

MOST_CHARACTERS = 100_000
"""Longest observation."""


def observation_fault(observation: object) -> str | None:
    """What is wrong with an observation, if anything."""
    if not isinstance(observation, str):
        return f"the observation {_short(observation)} is {type(observation).__name__}; expected text"
    if len(observation) > MOST_CHARACTERS:
        return f"the observation has {len(observation)} characters; expected at most {MOST_CHARACTERS}"
    try:
        observation.encode()
    except UnicodeEncodeError as error:
        return f"the observation cannot be stored as UTF-8 ({error.reason} at {error.start})"
    return None


def step_fault(step: object, rewards: tuple[float, float]) -> str | None:
    """What is wrong with a step, if anything."""
    if not isinstance(step, Step):
        return f"the answer {_short(step)} is {type(step).__name__}; expected a Step"
    if fault := observation_fault(step.observation):
        return fault
    reward = cast(object, step.reward)
    if isinstance(reward, bool) or not isinstance(reward, (int, float)):
        return f"the reward {_short(reward)} is {type(reward).__name__}; expected a number"
    if not math.isfinite(reward):
        return f"the reward is {reward}; expected a finite number"
    if not rewards[0] <= reward <= rewards[1]:
        return f"the reward {reward} is out of range; expected {rewards[0]} to {rewards[1]}"
    if not isinstance(step.done, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        return f"done is {_short(step.done)}; expected True or False"
    return None


def _short(value: object) -> str:
    told = repr(value)
    return told if len(told) <= 80 else f"{told[:77]}..."
