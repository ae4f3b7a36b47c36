"""Living one episode: a policy acts, the world answers, and what came of it is kept, failures included."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from liveoak.errors import WorldError
from liveoak.worlds.protocol import Choices, Known, Step, World

Policy = Callable[[World, str], str]
"""What to do, given the world and what was seen last. Only experts look at the world."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What was seen first, then actions and what each brought."""

    world: str
    seed: int
    opening: str
    """Empty where the world failed at `reset`."""
    deeds: tuple[tuple[str, Step], ...]
    failure: str | None = None
    """Why the world failed, if it did; the deeds before still count."""

    @property
    def score(self) -> float:
        return sum(step.reward for _, step in self.deeds)


def scale_of(world: World) -> float:
    """What brings the world's rewards into [-1, 1]."""
    return 1 / max(1.0, *(abs(bound) for bound in world.rewards))


def play(world: World, seed: int, policy: Policy) -> Episode:
    """One episode. A world that fails ends it, with the cause; a policy that fails raises."""
    opening, deeds = "", list[tuple[str, Step]]()

    def episode(failure: str | None = None) -> Episode:
        return Episode(world=world.name, seed=seed, opening=opening, deeds=tuple(deeds), failure=failure)

    try:
        seen = opening = world.reset(seed)
    except WorldError as error:
        return episode(str(error))
    for _ in range(world.turns):
        action = policy(world, seen)
        try:
            step = world.step(action)
        except WorldError as error:
            return episode(str(error))
        deeds.append((action, step))
        if step.done:
            return episode()
        seen = step.observation
    return episode(f"world {world.name!r} went on for more than its {world.turns} turns")


def expert(world: World, seen: str) -> str:
    """The policy of whoever knows the truth.

    Raises:
        WorldError: the world does not know what is best here.
    """
    action = world.expert() if isinstance(world, Known) else None
    if action is None:
        raise WorldError(f"world {world.name!r} does not know a best action here; it has no expert to imitate")
    return action


def guessing(rng: random.Random) -> Policy:
    """Any possible action, evenly; `next` where any text is possible."""

    def policy(world: World, seen: str) -> str:
        possible = world.actions() if isinstance(world, Choices) else ()
        return rng.choice(possible) if possible else "next"

    return policy


def mediocre(skill: float, rng: random.Random) -> Policy:
    """The expert with probability `skill`, else a guess.

    Raises:
        ValueError: a skill outside [0, 1].
    """
    if not 0 <= skill <= 1:
        raise ValueError(f"skill = {skill!r}: expected a probability, 0 to 1")
    guess = guessing(rng)
    return lambda world, seen: expert(world, seen) if rng.random() < skill else guess(world, seen)
