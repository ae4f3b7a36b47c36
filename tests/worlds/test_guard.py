"""Hostile worlds: each fails with its cause, and the rest goes on."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import time
from functools import partial
from typing import Any

import pytest

from liveoak.errors import WorldError
from liveoak.worlds import Contested, Guarded, Step, check, expert, play, world


class Hostile:
    """A world whose step does what `evil` names, from the second on."""

    name, instructions, rewards, turns, chance = "hostile", "beware", (0.0, 1.0), 3, False

    def __init__(self, evil: str) -> None:
        self.evil, self.count = evil, 0
        if evil == "making":
            raise OSError("no ground to stand on")

    def reset(self, seed: int) -> Any:
        self.count = 0
        if self.evil == "reset":
            raise KeyError("seed")
        return 5 if self.evil == "opening" else "dusk"

    def step(self, action: str) -> Any:
        self.count += 1
        good = Step(observation="night", reward=0.5, done=False)
        if self.count < 2:
            return good
        match self.evil:
            case "raise":
                raise ZeroDivisionError("by night")
            case "exit":
                raise SystemExit(3)
            case "die":
                os._exit(7)
            case "hang":
                time.sleep(3600)
            case "nan":
                return Step(observation="night", reward=float("nan"), done=False)
            case "greedy":
                return Step(observation="night", reward=1e9, done=False)
            case "dumb":
                return Step(observation=None, reward=0.0, done=False)
            case "flood":
                return Step(observation="x" * 10**6, reward=0.0, done=False)
            case "bare":
                return "night"
            case "endless":
                return good
            case "lambda":
                return Step(observation="night", reward=0.0, done=False, info={"f": lambda: 0})
            case _:
                pass
        return Step(observation="dawn", reward=0.5, done=True)

    def actions(self) -> Any:
        return ["wait"] if self.evil == "list" else ("wait",)

    def expert(self) -> Any:
        return 7 if self.evil == "number" else "wait"

    def value(self) -> Any:
        return float("inf") if self.evil == "priceless" else 1.0

    def would(self, action: str) -> Any:
        return b"" if self.evil == "bytes" else "night"


CAUSES = [
    ("raise", "step raised ZeroDivisionError: by night"),
    ("exit", "step raised SystemExit: 3"),
    ("nan", "the reward is nan"),
    ("greedy", "the reward 1000000000.0 is out of range; expected 0.0 to 1.0"),
    ("dumb", "the observation None is NoneType; expected text"),
    ("flood", "1000000 characters"),
    ("bare", "the answer 'night' is str; expected a Step"),
]


def wait(world: Any, seen: str) -> str:
    return "wait"


@pytest.mark.parametrize(("evil", "cause"), CAUSES)
def test_a_life_in_a_hostile_world_fails_with_its_cause(evil: str, cause: str):
    with Guarded(partial(Hostile, evil)) as guarded:
        episode = play(guarded, 0, wait)
        assert episode.failure is not None
        assert episode.failure.startswith("world 'hostile': ")
        assert cause in episode.failure
        # What was lived before counts, and a fresh world takes the place of the one that failed.
        assert (len(episode.deeds), episode.score) == (1, 0.5)
        with pytest.raises(WorldError, match="no episode is running"):
            guarded.step("wait")
        assert guarded.reset(1) == "dusk"
        assert guarded.step("wait").observation == "night"


def test_an_endless_world_has_failed():
    with Guarded(partial(Hostile, "endless")) as guarded:
        episode = play(guarded, 0, wait)
    assert episode.failure == "world 'hostile': it goes on after its 3 turns"
    assert len(episode.deeds) == 2


@pytest.mark.parametrize("apart", [False, True])
def test_a_world_that_hangs_is_left_in_time(apart: bool):
    with Guarded(partial(Hostile, "hang"), seconds=0.5, apart=apart) as guarded:
        begun = time.monotonic()
        episode = play(guarded, 0, wait)
        assert time.monotonic() - begun < 60
        assert episode.failure == "world 'hostile': step did not answer within 0.5 s"
        assert (len(episode.deeds), guarded.reset(0)) == (1, "dusk")


def test_a_world_that_kills_its_process_leaves_ours_alone():
    with Guarded(partial(Hostile, "die"), apart=True) as guarded:
        episode = play(guarded, 0, wait)
        assert episode.failure == "world 'hostile': its process died during step with exit code 7"
        assert guarded.reset(0) == "dusk"


def test_an_answer_that_cannot_leave_its_process_is_a_failure():
    with Guarded(partial(Hostile, "lambda"), apart=True) as guarded:
        assert "what cannot be sent" in str(play(guarded, 0, wait).failure)
    with Guarded(partial(Hostile, "lambda")) as guarded:
        assert "goes on after" in str(play(guarded, 0, wait).failure)


def test_failures_at_the_beginning():
    with pytest.raises(WorldError, match="about raised OSError: no ground to stand on"):
        Guarded(partial(Hostile, "making"))
    for evil, cause in (("reset", "reset raised KeyError"), ("opening", "the observation 5 is int")):
        with Guarded(partial(Hostile, evil)) as guarded:
            episode = play(guarded, 0, wait)
            assert episode.deeds == () and cause in str(episode.failure)
    with pytest.raises(ValueError, match="seconds = 0"):
        Guarded(partial(Hostile, ""), seconds=0)


@pytest.mark.parametrize(
    ("evil", "ask", "cause"),
    [
        ("list", lambda guarded: guarded.actions(), r"actions are \['wait'\]; expected a tuple"),
        ("number", lambda guarded: guarded.expert(), "the expert says 7"),
        ("priceless", lambda guarded: guarded.value(), "the value is inf"),
        ("bytes", lambda guarded: guarded.would("wait"), "is bytes; expected text"),
    ],
)
def test_what_a_world_knows_is_guarded_too(evil: str, ask: Any, cause: str):
    with Guarded(partial(Hostile, evil)) as guarded:
        guarded.reset(0)
        with pytest.raises(WorldError, match=cause):
            ask(guarded)


class Mute:
    name, instructions, rewards, turns = "mute", "", (0.0, 1.0), 1

    def reset(self, seed: int) -> str:
        return "?"

    def step(self, action: str) -> Step:
        return Step(observation="!", reward=1.0, done=True)


def test_a_world_that_knows_little_is_not_asked_for_more():
    with Guarded(Mute) as guarded:
        guarded.reset(0)
        assert (guarded.actions(), guarded.expert(), guarded.value(), guarded.would("x")) == ((), None, None, None)


def test_a_sound_world_behind_a_guard_keeps_the_contract():
    check(partial(Guarded, partial(world, "switches")), seeds=(0, 1, 2))


def test_a_world_apart_lives_the_same_episode_and_is_pickled_in_the_middle():
    plain = play(world("rooms"), 3, expert)
    with Guarded(partial(world, "rooms"), apart=True) as guarded:
        assert play(guarded, 3, expert) == plain
        guarded.reset(3)
        copy: Guarded = pickle.loads(pickle.dumps(guarded))
        with copy:
            for action, step in plain.deeds:
                assert copy.step(action) == step
        assert guarded.step(plain.deeds[0][0]) == plain.deeds[0][1]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("name", "contested"), [("nim", True), ("rooms", False)])
def test_whether_somebody_plays_against_the_agent_is_known_behind_a_guard(name: str, contested: bool, apart: bool):
    plain = world(name)
    assert isinstance(plain, Contested) and plain.contested is contested
    with Guarded(partial(world, name), apart=apart) as guarded:
        assert isinstance(guarded, Contested) and guarded.contested is contested


def test_a_guard_that_is_dropped_leaves_no_thread():
    before = threading.active_count()
    guarded = Guarded(partial(world, "switches"))
    guarded.reset(0)
    assert threading.active_count() == before + 1
    del guarded
    gc.collect()
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_a_closed_guard_opens_a_fresh_world_at_reset():
    guarded = Guarded(partial(world, "switches"))
    guarded.reset(0)
    guarded.close()
    with pytest.raises(WorldError, match="no episode is running"):
        guarded.step("a")
    assert guarded.reset(0) == world("switches").reset(0)
    guarded.close()
