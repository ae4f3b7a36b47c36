"""Hidden dynamics at a distance: a house whose doors lead where only going through them tells.

Every room has the same few doors, each to a hidden room. The goal is named, and the reward comes only there. By default
one house holds in every episode (`rule`), so that the map can be learned; with `rule=None`, each seed has its own.
With `advice`, what is seen after a door begins with the one that would have been right.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice, of_split, split_of

ROOMS = ("attic", "bath", "cellar", "hall", "kitchen", "library", "office", "porch", "stable", "tower")
DOORS = ("red", "blue", "green")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walking:
    room: int
    goal: int
    doors: tuple[tuple[int, ...], ...]
    """Where each door of each room leads."""
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    rooms: int = 8
    """3 to 10."""
    doors: int = 2
    """Doors of a room, 2 or 3."""
    slack: int = 0
    """Actions beyond the shortest way."""
    rule: int | None = 0
    """The house of all episodes; None: drawn by seed."""
    advice: bool = False
    """Whether somebody says, after each door, which one led the shortest way."""

    def __post_init__(self) -> None:
        if not 3 <= self.rooms <= len(ROOMS):
            raise ValueError(f"rooms = {self.rooms!r}: expected 3 to {len(ROOMS)}")
        if not 2 <= self.doors <= len(DOORS):
            raise ValueError(f"doors = {self.doors!r}: expected 2 to {len(DOORS)}")
        if self.slack < 0:
            raise ValueError(f"slack = {self.slack!r}: expected 0 or more")

    @property
    def about(self) -> About:
        told = f"Find the room. Every room has the doors {', '.join(DOORS[: self.doors])}. Answer with one door."
        return About(name="rooms", instructions=told, turns=self.rooms - 1 + self.slack)

    def begin(self, seed: int) -> tuple[Walking, str]:
        doors = self.house(seed)
        rng = dice("rooms", seed)
        trips = [(room, goal) for room in range(self.rooms) for goal in range(self.rooms) if room != goal]
        # In one house for all, it is the trips that are held out.
        room, goal = rng.choice(trips if self.rule is None else of_split(trips, split_of(seed)))
        way = _distances(doors, goal)[room]
        state = Walking(room=room, goal=goal, doors=doors, left=way + self.slack)
        return state, _told(state)

    def house(self, seed: int) -> tuple[tuple[int, ...], ...]:
        """Where each door leads. One door of every room leads on along a ring of all, so each can be reached."""
        rng = dice("house", self.rooms, self.doors, *(("seed", seed) if self.rule is None else ("rule", self.rule)))
        ring = rng.sample(range(self.rooms), self.rooms)
        following = {room: ring[(place + 1) % self.rooms] for place, room in enumerate(ring)}
        house: list[tuple[int, ...]] = []
        for room in range(self.rooms):
            others = [other for other in range(self.rooms) if other not in (room, following[room])]
            leads = [following[room], *rng.sample(others, min(self.doors - 1, len(others)))]
            leads += [following[room]] * (self.doors - len(leads))
            house.append(tuple(rng.sample(leads, self.doors)))
        return tuple(house)

    def play(self, state: Walking, action: str) -> tuple[Walking, Step]:
        said = f"{self.expert(state)} was right. " if self.advice else ""
        state = replace(state, room=state.doors[state.room][DOORS.index(action)], left=state.left - 1)
        found = state.room == state.goal
        return state, Step(observation=f"{said}{_told(state)}", reward=float(found), done=found or state.left == 0)

    def actions(self, state: Walking) -> tuple[str, ...]:
        return DOORS[: self.doors]

    def expert(self, state: Walking) -> str:
        """The first door on a shortest way."""
        away = _distances(state.doors, state.goal)
        leads = state.doors[state.room]
        return DOORS[min(range(self.doors), key=lambda door: away[leads[door]])]

    def value(self, state: Walking) -> float:
        return float(_distances(state.doors, state.goal)[state.room] <= state.left)


def _distances(doors: tuple[tuple[int, ...], ...], goal: int) -> tuple[int, ...]:
    """Doors to pass from each room to the goal."""
    away = {goal: 0}
    waiting = deque([goal])
    while waiting:
        reached = waiting.popleft()
        for room, leads in enumerate(doors):
            if reached in leads and room not in away:
                away[room] = away[reached] + 1
                waiting.append(room)
    return tuple(away[room] for room in range(len(doors)))


def _told(state: Walking) -> str:
    return f"in the {ROOMS[state.room]}. find the {ROOMS[state.goal]}."
