"""Every built-in world keeps the contract, and every way of breaking it is found."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from liveoak.errors import WorldError
from liveoak.worlds import RuledWorld, Step, World, check, violations, world, worlds
from liveoak.worlds.built_in import Bandit, Switches
from liveoak.worlds.built_in.bandit import Machine
from liveoak.worlds.built_in.switches import Lamps

BUILT_IN = [
    entry.name
    for entry in worlds()
    if entry.extra is None and entry.needs is None and entry.factory.startswith("liveoak.")
]
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in BUILT_IN),
    ("switches", {"switches": 6, "slack": 0, "rule": 719}),
    ("rooms", {"rooms": 3, "doors": 3, "rule": None}),
    ("journey", {"miles": 1, "rule": 23, "tells": True}),
    ("rooms", {"rooms": 4, "advice": True}),
    ("journey", {"miles": 2, "advice": True}),
    ("connect3", {"record": True}),
    ("ledger", {"pages": 1, "entries": 2, "questions": 2}),
    ("handbook", {"facts": 3, "prose": 700, "wording": "taught"}),
    ("handbook", {"facts": 3, "chosen": True, "wording": "taught"}),
    ("handbook", {"facts": 5, "choices": 3}),
    ("nim", {"heaps": 1, "stones": 5, "opponent": "perfect"}),
    ("tictactoe", {"opening": 0, "opponent": "perfect"}),
    ("tictactoe", {"opening": 3, "opponent": "random"}),
    ("bandit", {"levers": 2, "pulls": 1, "rule": None}),
    ("bandit", {"levers": 3, "pulls": 2, "advice": True}),
    ("drift", {"every": 2, "cycle": 2, "stream": 3}),
    ("noisy", {"snow": 0, "tv": 3, "watching": 1, "rule": None}),
]


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda value: str(value))
def test_every_built_in_world_keeps_the_contract(name: str, options: dict[str, Any]):
    check(partial(world, name, **options), seeds=(0, 1, 2, 3, 40, 41))


@pytest.mark.parametrize("name", BUILT_IN)
def test_texts_are_short_enough_for_a_small_prior(name: str):
    lived = world(name)
    assert lived.turns <= 13
    for seed in range(40):
        seen = [lived.reset(seed)]
        while True:
            actions = lived.actions()
            step = lived.step(random.Random(seed).choice(actions) if actions else "next")
            seen.append(step.observation)
            if step.done:
                break
        assert all(0 < len(text) <= (200 if name == "handbook" else 80) for text in seen), seen
        assert all(1 <= len(action) <= 12 for action in actions)


class Broken:
    """Sound switches, but for what `breaks` does to them."""

    def __init__(self, **broken: Any) -> None:
        self.inner: RuledWorld[Lamps] = RuledWorld(Switches(rule=0))
        self.broken = broken

    def __getattr__(self, name: str) -> Any:
        if name in ("inner", "broken") or name.startswith("__"):
            raise AttributeError(name)
        if name in self.broken:
            broken = self.broken[name]
            return partial(broken, self.inner) if callable(broken) else broken
        return getattr(self.inner, name)


def _stepped(**changed: Any) -> Callable[[World, str], Step]:
    return lambda inner, action: replace(inner.step(action), **changed)


def _global_chance(inner: World, action: str) -> Step:
    return replace(inner.step(action), observation=str(random.random()))


def _raising(inner: World, action: str) -> Step:
    if len(action) > 1:
        raise KeyError(action)
    return inner.step(action)


def _endless(inner: World, action: str) -> Step:
    step = inner.step(action)
    if step.done:
        inner.reset(0)
    return replace(step, done=False)


_COUNT = [0]


def _counting(inner: World, seed: int) -> str:
    _COUNT[0] += 1
    return f"{inner.reset(seed)} {_COUNT[0]}"


def _nosy(inner: World, action: str) -> str:
    return inner.step(action).observation


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("observation", {"step": _stepped(observation=b"lamps")}, "is bytes; expected text"),
    ("surrogate", {"step": _stepped(observation="\ud800")}, "cannot be stored as UTF-8"),
    ("endless text", {"step": _stepped(observation="x" * 100_001)}, "100001 characters"),
    ("nan", {"step": _stepped(reward=float("nan"))}, "the reward is nan"),
    ("infinite", {"step": _stepped(reward=float("inf"))}, "the reward is inf"),
    ("out of range", {"step": _stepped(reward=1.5)}, "1.5 is out of range; expected 0.0 to 1.0"),
    ("text for a reward", {"step": _stepped(reward="1")}, "is str; expected a number"),
    ("truthy done", {"step": _stepped(done=1)}, "done is 1"),
    ("not a step", {"step": lambda inner, action: ("lamps", 0.0, False)}, "is tuple; expected a Step"),
    ("raises", {"step": _raising}, "action 'no such action' raised KeyError"),
    ("endless", {"step": _endless}, "not done after"),
    ("global chance", {"step": _global_chance}, "Python's global random state"),
    ("shared state", {"reset": _counting}, "give equal episodes"),
    ("nosy would", {"would": _nosy}, "asking changes nothing"),
    ("wrong would", {"would": lambda inner, action: "lamps"}, "told 'lamps', and"),
    ("modest value", {"value": lambda inner: 0.5}, "the expert reached 1.0, and 0.5 was stated"),
    ("no expert", {"expert": lambda inner: None}, "has no expert to reach it"),
    ("strange expert", {"expert": lambda inner: "z"}, "the expert says 'z'"),
    ("no name", {"name": ""}, "name ''"),
    ("rewards", {"rewards": (1.0, 0.0)}, "greater or equal most"),
    ("contested by name", {"contested": "the opponent"}, "contested 'the opponent'"),
    ("negative seeds", {"reset": lambda inner, seed: inner.reset(abs(seed))}, r"reset\(-1\) began an episode"),
    ("not picklable", {"instructions": lambda inner: "x"}, "Pickled in mid-episode"),
]


@pytest.mark.parametrize(("broken", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_every_breach_is_found(broken: dict[str, Any], message: str):
    with pytest.raises(AssertionError, match=message):
        check(lambda: Broken(**broken), seeds=(0, 1, 2))


def test_the_wrapper_itself_is_sound():
    assert violations(Broken, seeds=(0, 1, 2)) == ()


class Forgetful:
    """Answers a step when no episode runs, and forgets its state when it is pickled."""

    name, instructions, rewards, turns = "forgetful", "", (0.0, 1.0), 4

    def __init__(self) -> None:
        self.count = 0

    def reset(self, seed: int) -> str:
        if seed < 0:
            raise ValueError(seed)
        self.count = 0
        return "0"

    def step(self, action: str) -> Step:
        self.count += 1
        return Step(observation=str(self.count), reward=0.0, done=self.count >= 4)

    def __getstate__(self) -> dict[str, int]:
        return {"count": 0}


def test_a_forgetful_world_is_told_all_its_faults():
    found = violations(Forgetful, seeds=(0,))
    assert len(found) == 2
    assert "a step before the first reset was answered" in found[0]
    assert "the copy" in found[1]


class Leaking(Forgetful):
    """Every instance counts on one counter."""

    shared = 0

    def reset(self, seed: int) -> str:
        super().reset(seed)
        Leaking.shared = 0
        return "0"

    def step(self, action: str) -> Step:
        if self.count >= 4:
            raise WorldError("over")
        Leaking.shared += 1
        self.count += 1
        return Step(observation=str(Leaking.shared), reward=0.0, done=self.count >= 4)

    def __getstate__(self) -> dict[str, int]:
        return {"count": self.count}


def test_state_that_leaks_between_worlds_is_found():
    assert any("lived in turns" in line for line in violations(Leaking, seeds=(0, 1)))


class Boastful(RuledWorld[Machine]):
    def value(self) -> float:
        return 1.0


def test_a_mean_that_is_overstated_is_found():
    sound = partial(world, "bandit")
    assert violations(sound, seeds=(0, 1, 2, 3, 4, 5)) == ()
    found = violations(lambda: Boastful(Bandit()), seeds=(0, 1, 2, 3, 4, 5))
    assert len(found) == 1
    assert "on average, and 1 was stated" in found[0]


def test_a_suite_without_seeds_is_refused():
    with pytest.raises(ValueError, match="at least one seed"):
        check(partial(world, "switches"), seeds=())
