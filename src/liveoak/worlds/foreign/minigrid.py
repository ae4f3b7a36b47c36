"""MiniGrid and BabyAI, what the agent sees told in words, nearest first.

BabyAI's own planner is the expert. It is good, not proven best, so no value is stated.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

from liveoak.errors import BadSettings
from liveoak.worlds.foreign.guest import Past, Replayed
from liveoak.worlds.foreign.library import library
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About, RuledWorld
from liveoak.worlds.seeds import drawn

_ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
_DOOR_STATES = ("open", "closed", "locked")
_SILENT = ("unseen", "empty", "floor", "wall", "agent")


class GridGuest:
    def __init__(self, level: str, most_seen: int) -> None:
        library("minigrid", world="minigrid")
        self._env: Any = library("gymnasium", world="minigrid").make(level).unwrapped
        self._names = library("minigrid.core.constants", world="minigrid")
        bots = library("minigrid.utils.baby_ai_bot", world="minigrid")
        self._planner: Any = bots.BabyAIBot if level.startswith("BabyAI-") else None
        self._most_seen = most_seen

    def reset(self, seed: int) -> str:
        self._number = drawn(seed, self._draw)
        seen, _ = self._env.reset(seed=self._number)
        self._taken: list[Any] = []
        self._bot: Any = None
        self._next: str | None = None
        self._lost = False
        return self._told(seen)

    def step(self, action: str) -> Step:
        code = self._env.actions(_ACTIONS.index(action))
        seen, reward, done, cut, _ = self._env.step(code)
        self._taken.append(code)
        if self._bot is not None and not done:
            self._replan(code)
        return Step(observation=self._told(seen), reward=float(reward), done=bool(done or cut))

    def actions(self) -> tuple[str, ...]:
        return _ACTIONS

    def expert(self) -> str | None:
        if self._planner is not None and self._bot is None:
            # The planner must have followed every action from the first, and is slow: it lives the past once asked.
            self._env.reset(seed=self._number)
            self._bot = self._planner(self._env)
            self._replan(None)
            for code in self._taken:
                self._env.step(code)
                self._replan(code)
        return self._next if self._bot is not None else None

    def value(self) -> float | None:
        return None

    def _replan(self, taken: Any) -> None:
        """What the planner says now. It may lose the thread of what an agent does; then no expert is left."""
        try:
            self._next = None if self._lost else _ACTIONS[int(self._bot.replan(taken))]
        except Exception:
            self._next, self._lost = None, True

    def _draw(self, number: int) -> tuple[Hashable, int]:
        seen, _ = self._env.reset(seed=number)
        place = tuple(int(part) for part in self._env.agent_pos), int(self._env.agent_dir)
        return (self._env.grid.encode().tobytes(), *place, str(seen["mission"])), number

    def _told(self, seen: Any) -> str:
        image, size = seen["image"], seen["image"].shape[0]
        kinds, colours = self._names.IDX_TO_OBJECT, self._names.IDX_TO_COLOR
        things: list[tuple[int, str]] = []
        for column in range(size):
            for row in range(size):
                kind, colour, state = (int(part) for part in image[column, row])
                ahead, right = size - 1 - row, column - size // 2
                # The agent's own cell shows what it carries, which is told apart.
                if kinds[kind] in _SILENT or (ahead, right) == (0, 0):
                    continue
                shut = f"{_DOOR_STATES[state]} " if kinds[kind] == "door" else ""
                thing = f"{shut}{colours[colour]} {kinds[kind]}{_place(ahead, right)}"
                things.append((ahead + abs(right), thing))
        told = [thing for _, thing in sorted(things)[: self._most_seen]]
        clear = next((step for step in range(1, size) if kinds[int(image[size // 2, size - 1 - step, 0])] == "wall"), 0)
        told += [f"wall {clear} ahead"] if clear else []
        carried = self._env.carrying
        told += [f"carrying {carried.color} {carried.type}"] if carried else []
        return f"{seen['mission']}. {', '.join(told) or 'nothing'}."


def _place(ahead: int, right: int) -> str:
    side = f" {abs(right)} {'right' if right > 0 else 'left'}" if right else ""
    return f" {ahead} ahead{side}" if ahead else side


def minigrid(*, level: str = "BabyAI-GoToObj-v0", turns: int = 100, most_seen: int = 6) -> RuledWorld[Past]:
    """`level`: a Gymnasium name of MiniGrid or BabyAI. `most_seen`: the things nearest to the agent that are told.

    Raises:
        Unavailable: MiniGrid is not installed.
        BadSettings: no such level.
    """
    library("minigrid", world="minigrid")
    registry = library("gymnasium", world="minigrid").registry
    if level not in registry or not level.startswith(("MiniGrid-", "BabyAI-")):
        known = ", ".join(sorted(name for name in registry if name.startswith("BabyAI-"))[:5])
        raise BadSettings(f"level = {level!r}: expected a name of MiniGrid or BabyAI, such as {known}")
    told = f"Do as the mission says. Answer {', '.join(_ACTIONS[:-1])} or {_ACTIONS[-1]}."
    return RuledWorld(
        Replayed(About(name="minigrid", instructions=told, turns=turns), partial(GridGuest, level, most_seen))
    )
