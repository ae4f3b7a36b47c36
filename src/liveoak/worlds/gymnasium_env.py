"""Worlds the other way round: any world of liveoak as a Gymnasium environment of texts.

Importing this module registers every built-in world as `liveoak/NAME-v0`. It is imported only when asked for.
"""

from __future__ import annotations

import string
from typing import Any, SupportsFloat

import gymnasium
from gymnasium.spaces import Text

from liveoak.worlds.protocol import Choices, World
from liveoak.worlds.registry import world, worlds

MOST_SEEN = 4096
MOST_ACTED = 256
CHARACTERS = string.printable
"""What observations are made of; any other character is seen as a question mark."""


class GymnasiumWorld(gymnasium.Env[str, str]):
    """A world as Gymnasium knows environments. `info["actions"]` lists what is possible, where the world can tell."""

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - Gymnasium's own name and form

    def __init__(self, world: World, *, render_mode: str | None = None) -> None:
        self.world, self.render_mode = world, render_mode
        self.observation_space = Text(min_length=0, max_length=MOST_SEEN, charset=CHARACTERS)
        self.action_space = Text(min_length=0, max_length=MOST_ACTED, charset=CHARACTERS)
        self._seen = ""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Without a seed, a training one is drawn from the environment's own chance."""
        super().reset(seed=seed)
        chosen = seed if seed is not None else 2 * int(self.np_random.integers(2**30))
        self._seen = _fitted(self.world.reset(chosen))
        return self._seen, self._info()

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        step = self.world.step(action)
        self._seen = _fitted(step.observation)
        return self._seen, step.reward, step.done, False, {**step.info, **({} if step.done else self._info())}

    def render(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._seen

    def _info(self) -> dict[str, Any]:
        return {"actions": self.world.actions()} if isinstance(self.world, Choices) else {}


def make(name: str, *, render_mode: str | None = None, **options: Any) -> GymnasiumWorld:
    """A world by name, as `liveoak.worlds.world` makes it, for Gymnasium."""
    return GymnasiumWorld(world(name, **options), render_mode=render_mode)


def _fitted(text: str) -> str:
    return "".join(letter if letter in CHARACTERS else "?" for letter in text[:MOST_SEEN])


for _entry in worlds():
    if _entry.extra is None:
        gymnasium.register(f"liveoak/{_entry.name}-v0", entry_point=f"{__name__}:make", kwargs={"name": _entry.name})
