"""Gymnasium's FrozenLake and Taxi in words. Both tables of transitions are known, so the expert is exact."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal

from liveoak.worlds.foreign.guest import Past, Replayed
from liveoak.worlds.foreign.library import library
from liveoak.worlds.foreign.tables import Plan
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About, RuledWorld
from liveoak.worlds.seeds import drawn

_LAKE_MOVES = ("left", "down", "right", "up")
_TAXI_MOVES = ("south", "north", "east", "west", "pickup", "dropoff")
_STOPS = ("red", "green", "yellow", "blue")
_GROUND = {b"S": "start", b"F": "ice", b"H": "hole", b"G": "goal"}
_FARE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lake:
    """A frozen lake drawn by seed, or one of Gymnasium's own for all."""

    size: int
    slippery: bool
    whole: bool
    turns: int

    def open(self) -> LakeGuest:
        return LakeGuest(self)


class LakeGuest:
    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._gymnasium = library("gymnasium", world="frozenlake")
        self._maps = library("gymnasium.envs.toy_text.frozen_lake", world="frozenlake")

    def reset(self, seed: int) -> str:
        rows = drawn(seed, self._draw)
        made = self._gymnasium.make("FrozenLake-v1", desc=rows, is_slippery=self._lake.slippery)
        self._env: Any = made.unwrapped
        self._state, self._left = int(self._env.reset(seed=seed)[0]), self._lake.turns
        self._plan = Plan(self._env.P, self._lake.turns)
        return self._told()

    def step(self, action: str) -> Step:
        state, reward, done, _, _ = self._env.step(_LAKE_MOVES.index(action))
        self._state, self._left = int(state), self._left - 1
        return Step(observation=self._told(), reward=float(reward), done=bool(done))

    def actions(self) -> tuple[str, ...]:
        return _LAKE_MOVES

    def expert(self) -> str:
        return _LAKE_MOVES[self._plan.action(self._state, self._left)]

    def value(self) -> float:
        return self._plan.value(self._state, self._left)

    def _draw(self, number: int) -> tuple[Hashable, list[str]]:
        rows: list[str] = self._maps.generate_random_map(size=self._lake.size, seed=number)
        return tuple(rows), rows

    def _told(self) -> str:
        size, lake = self._lake.size, self._env.desc
        row, column = divmod(self._state, size)
        if self._lake.whole:
            rows = " ".join(b"".join(cells).decode() for cells in lake)
            return f"{rows} you {row + 1},{column + 1}"

        def ground(down: int, right: int) -> str:
            there = row + down, column + right
            inside = all(0 <= place < size for place in there)
            return _GROUND[bytes(lake[there])] if inside else "edge"

        around = f"left {ground(0, -1)}, down {ground(1, 0)}, right {ground(0, 1)}, up {ground(-1, 0)}"
        return f"{_GROUND[bytes(lake[row, column])]} {row + 1},{column + 1}: {around}"


class TaxiGuest:
    def __init__(self, turns: int) -> None:
        gymnasium = library("gymnasium", world="taxi")
        names = sorted(name for name in gymnasium.registry if name.startswith("Taxi-v"))
        self._env: Any = gymnasium.make(names[-1]).unwrapped
        self._turns = turns
        self._state, self._left = 0, turns

    def reset(self, seed: int) -> str:
        self._env.reset(seed=drawn(seed, self._draw))
        self._state, self._left = int(self._env.s), self._turns
        return self._told()

    def step(self, action: str) -> Step:
        state, reward, done, _, _ = self._env.step(_TAXI_MOVES.index(action))
        self._state, self._left = int(state), self._left - 1
        return Step(observation=self._told(), reward=reward / _FARE, done=bool(done))

    def actions(self) -> tuple[str, ...]:
        return _TAXI_MOVES

    def expert(self) -> str:
        return _TAXI_MOVES[_taxi_plan(self._turns).action(self._state, self._left)]

    def value(self) -> float:
        return _taxi_plan(self._turns).value(self._state, self._left) / _FARE

    def _draw(self, number: int) -> tuple[Hashable, int]:
        return int(self._env.reset(seed=number)[0]), number

    def _told(self) -> str:
        row, column, passenger, goal = (int(part) for part in self._env.decode(self._state))
        where = "in the taxi" if passenger == len(_STOPS) else f"at {_STOPS[passenger]}"
        # A move that changes nothing runs into a wall.
        table = self._env.P[self._state]
        ways = [name for move, name in enumerate(_TAXI_MOVES[:4]) if table[move][0][1] != self._state]
        return f"taxi {row},{column}. passenger {where}, to {_STOPS[goal]}. open: {' '.join(ways)}"


@cache
def _taxi_plan(turns: int) -> Plan:
    gymnasium = library("gymnasium", world="taxi")
    names = sorted(name for name in gymnasium.registry if name.startswith("Taxi-v"))
    return Plan(gymnasium.make(names[-1]).unwrapped.P, turns)


def frozenlake(
    *, size: int = 4, slippery: bool = False, view: Literal["around", "whole"] = "around", turns: int = 20
) -> RuledWorld[Past]:
    """`size`: of the square lake, 3 to 8. `view`: the four cells around, or the whole lake.

    Raises:
        Unavailable: Gymnasium is not installed.
    """
    if not 3 <= size <= 8:
        raise ValueError(f"size = {size!r}: expected 3 to 8")
    library("gymnasium", world="frozenlake")
    told = "Cross the ice from the start to the goal without a hole. Answer left, down, right or up."
    about = About(name="frozenlake", instructions=told, turns=turns, chance=slippery)
    return RuledWorld(Replayed(about, Lake(size=size, slippery=slippery, whole=view == "whole", turns=turns).open))


def taxi(*, turns: int = 25) -> RuledWorld[Past]:
    """Rewards are Gymnasium's over 20: 1 for the right drop-off, -0.05 a move, -0.5 for a wrong pick-up or drop-off.

    Raises:
        Unavailable: Gymnasium is not installed.
    """
    library("gymnasium", world="taxi")
    told = (
        "Fetch the passenger and drive to the goal. Red is 0,0, green 0,4, yellow 4,0, blue 4,3."
        f" Answer {', '.join(_TAXI_MOVES[:-1])} or {_TAXI_MOVES[-1]}."
    )
    about = About(name="taxi", instructions=told, turns=turns, rewards=(-0.5, 1.0))
    return RuledWorld(Replayed(about, partial(TaxiGuest, turns)))
