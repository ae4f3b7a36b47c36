"""Other libraries' worlds, with the real libraries. Those that are not installed here are skipped by name."""

from __future__ import annotations

import pickle
import shutil
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from liveoak.errors import BadSettings
from liveoak.worlds import Episode, check, expert, play, seeds, world
from liveoak.worlds.foreign.guest import Past, Replayed
from liveoak.worlds.foreign.tables import Plan
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About, RuledWorld


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(module) is None, reason=f"the extra with {module} is not installed")


class Counter:
    """A guest that counts; how often it began is seen from outside."""

    begun = 0

    def reset(self, seed: int) -> str:
        Counter.begun += 1
        self.count = seed
        return f"{self.count}"

    def step(self, action: str) -> Step:
        self.count += len(action)
        return Step(observation=f"{self.count}", reward=0.0, done=self.count > 100)

    def actions(self) -> tuple[str, ...]:
        return ()

    def expert(self) -> str | None:
        return "x" * 8

    def value(self) -> float | None:
        return None


def counting(turns: int = 5) -> RuledWorld[Past]:
    return RuledWorld(Replayed(About(name="counter", instructions="", turns=turns), Counter))


def test_a_guest_lives_its_past_again_only_when_it_is_elsewhere():
    lived = counting()
    Counter.begun = 0
    assert (lived.reset(4), lived.step("ab").observation, lived.step("c").observation) == ("4", "6", "7")
    assert Counter.begun == 1
    assert (lived.would("dddd"), lived.would("ee")) == ("11", "9")
    assert Counter.begun == 2
    assert lived.step("f").observation == "8"
    copy: RuledWorld[Past] = pickle.loads(pickle.dumps(lived))
    assert copy.step("gg") == lived.step("gg")
    assert (copy.value(), copy.expert()) == (None, "x" * 8)


def test_a_guest_that_goes_on_for_ever_is_cut_off():
    lived = counting(turns=3)
    lived.reset(0)
    assert [lived.step("a").done for _ in range(3)] == [False, False, True]
    check(counting, seeds=(0, 1, 6))


def test_a_plan_by_hand():
    # 0 -> 1 -> 2 costs nothing and pays 1 at the end; from 0, action 1 pays 0.4 at once with even chance of nothing.
    table = {
        0: {0: [(1.0, 1, 0.0, False)], 1: [(0.5, 2, 0.4, True), (0.5, 0, 0.0, False)]},
        1: {0: [(1.0, 2, 1.0, True)], 1: [(1.0, 0, 0.0, False)]},
        2: {0: [(1.0, 2, 0.0, True)], 1: [(1.0, 2, 0.0, True)]},
    }
    plan = Plan(table, 3)
    assert [plan.value(0, left) for left in range(3)] == [0.0, 0.2, 1.0]
    assert (plan.action(0, 1), plan.action(0, 2), plan.action(1, 1)) == (1, 0, 0)
    # With one turn more, hastening is as good as dawdling, and it hastens: 0.5 * 0.4 + 0.5 * 1 = 0.7 is less than 1.
    assert (plan.value(0, 3), plan.action(0, 3)) == (1.0, 0)


@needs("gymnasium")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("frozenlake", {}),
        ("frozenlake", {"size": 3, "slippery": True, "view": "whole", "turns": 6}),
        ("taxi", {}),
    ],
)
def test_toy_texts_keep_the_contract(name: str, options: dict[str, Any]):
    check(partial(world, name, **options), seeds=(0, 1, 2, 3))


@needs("gymnasium")
def test_the_lake_is_told_as_it_is():
    for seed in range(20):
        whole, around = world("frozenlake", view="whole"), world("frozenlake")
        *rows, _, place = whole.reset(seed).split()
        assert (len(rows), rows[0][0], rows[3][3], place) == (4, "S", "G", "1,1")
        kind = {"F": "ice", "H": "hole", "G": "goal"}
        told = f"start 1,1: left edge, down {kind[rows[1][0]]}, right {kind[rows[0][1]]}, up edge"
        assert around.reset(seed) == told
        assert play(around, seed, expert).score == 1.0
    train, held_out = (
        {world("frozenlake", view="whole").reset(seed) for seed in seeds(split, 60)} for split in ("train", "held_out")
    )
    assert not train & held_out
    with pytest.raises(BadSettings, match="size = 2"):
        world("frozenlake", size=2)


@needs("gymnasium")
def test_taxi_by_hand():
    lived: Any = world("taxi")
    opening = lived.reset(0)
    value = lived.value()
    wrong = lived.step("dropoff")
    assert (wrong.reward, wrong.observation) == (-0.5, opening)
    episode = play(lived, 0, expert)
    # 1 for the drop-off, and a twentieth for every other step.
    assert episode.score == pytest.approx(1.0 - 0.05 * (len(episode.deeds) - 1)) == pytest.approx(value)
    fetched = [step.observation for action, step in episode.deeds if action == "pickup"]
    assert len(fetched) == 1 and "passenger in the taxi" in fetched[0]


@needs("minigrid")
@pytest.mark.parametrize("level", ["BabyAI-GoToObj-v0", "MiniGrid-DoorKey-5x5-v0"])
def test_grids_keep_the_contract(level: str):
    check(partial(world, "minigrid", level=level, turns=8), seeds=(0, 1))


@needs("minigrid")
@pytest.mark.parametrize("level", ["BabyAI-GoToObj-v0", "BabyAI-OpenDoor-v0", "BabyAI-Pickup-v0"])
def test_the_planner_of_babyai_fulfils_its_missions(level: str):
    scores = [play(world("minigrid", level=level), seed, expert).score for seed in range(4)]
    assert min(scores) > 0.5


@needs("minigrid")
def test_levels_of_other_libraries_are_no_grids():
    with pytest.raises(BadSettings, match="level = 'CartPole-v1': expected a name of MiniGrid or BabyAI"):
        world("minigrid", level="CartPole-v1")


@needs("minigrid")
def test_directions_in_a_grid_by_hand():
    guest: Any = world("minigrid").rules._opens()
    guest.reset(0)
    env, objects = guest._env, __import__("minigrid.core.world_object", fromlist=["x"])
    grid = __import__("minigrid.core.grid", fromlist=["Grid"]).Grid(9, 9)
    grid.wall_rect(0, 0, 9, 9)
    env.grid, env.agent_pos, env.agent_dir, env.carrying, env.mission = grid, (4, 6), 3, objects.Key("grey"), "look"
    env.width = env.height = 9
    # The agent looks up from column 4, row 6.
    grid.set(4, 4, objects.Ball("red"))
    grid.set(2, 5, objects.Box("blue"))
    grid.set(7, 6, objects.Door("green", is_locked=True))
    told = [
        *("red ball 2 ahead", "blue box 1 ahead 2 left", "locked green door 3 right"),
        *("wall 6 ahead", "carrying grey key"),
    ]
    assert guest._told(env.gen_obs()) == f"look. {', '.join(told)}."


@needs("reasoning_gym")
def test_reasoning_gym_keeps_the_contract_and_marks_answers():
    check(partial(world, "reasoning-gym", dataset="leg_counting"), seeds=(0, 1))
    lived: Any = world("reasoning-gym", dataset="basic_arithmetic", options={"min_terms": 2, "max_terms": 2})
    asked = {seed: lived.reset(seed) for seed in range(12)}
    assert len(set(asked.values())) == 12
    for seed in asked:
        lived.reset(seed)
        right = lived.expert()
        assert lived.step(right).reward == 1.0
        lived.reset(seed)
        assert lived.step(f"{right}1").reward < 1.0
    with pytest.raises(BadSettings, match="dataset = 'no_such'"):
        world("reasoning-gym", dataset="no_such")


def express(**options: Any) -> Callable[[], Any]:
    return partial(world, "textworld-express", params="numLocations=2,includeDoors=0,numDistractorItems=0", **options)


java = pytest.mark.skipif(
    find_spec("textworld_express") is None or shutil.which("java") is None,
    reason="no TextWorld-Express, or no Java",
)


@java
def test_textworld_express_keeps_the_contract():
    check(express(turns=3), seeds=(0,))


@java
def test_textworld_express_is_solved_by_its_own_solution():
    lived = express()()

    def solved(seed: int) -> Episode:
        return play(lived, seed, expert)

    for seed in (0, 1):
        episode = solved(seed)
        assert (episode.score, episode.failure, episode.deeds[-1][1].done) == (1.0, None, True)
        assert "find the coin" in episode.opening and "can: " in episode.opening
    assert solved(0) == solved(0)
    # Off the path, no expert is left; nonsense is answered.
    lived.reset(0)
    assert lived.expert() is not None
    assert "Unknown action" in lived.step("sing a song").observation
    assert (lived.expert(), lived.value()) == (None, None)


TASKSET = """
import verifiers.v1 as vf

__all__ = ["SumTaskset"]


class SumData(vf.TaskData):
    answer: str


class SumTask(vf.Task[SumData]):
    @vf.reward(weight=1.0)
    async def right(self, trace) -> float:
        return float(trace.last_reply == self.data.answer)


class SumTaskset(vf.Taskset[SumTask, vf.TasksetConfig]):
    def load(self):
        for number in range(20):
            data = SumData(prompt=f"{number}+{number}?", answer=str(2 * number), system_prompt="Be brief.")
            yield SumTask(data, self.config.task)
"""


@needs("verifiers")
def test_verifiers_tasks_keep_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "oak_sums.py").write_text(TASKSET)
    boxed = TASKSET.replace("SumTask(vf.Task[SumData]):", "SumTask(vf.Task[SumData]):\n    NEEDS_CONTAINER = True")
    (tmp_path / "oak_boxed.py").write_text(boxed)
    run = TASKSET.replace("async def right(self, trace)", "async def right(self, trace, runtime)")
    (tmp_path / "oak_run.py").write_text(run)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    check(partial(world, "verifiers", taskset="oak_sums"), seeds=(0, 1))
    lived = world("verifiers", taskset="oak_sums")
    prompts = {split: {lived.reset(seed) for seed in seeds(split, 80)} for split in ("train", "held_out")}
    assert (len(prompts["train"]), len(prompts["held_out"])) == (15, 5)
    assert not prompts["train"] & prompts["held_out"]
    number = int(lived.reset(0).removeprefix("Be brief.\n\n").partition("+")[0])
    assert lived.step(str(2 * number)).reward == 1.0
    lived.reset(0)
    assert lived.step("1000").reward == 0.0
    with pytest.raises(BadSettings, match="needs a container"):
        world("verifiers", taskset="oak_boxed")
    with pytest.raises(BadSettings, match="is marked with a runtime"):
        world("verifiers", taskset="oak_run")
    with pytest.raises(BadSettings, match="cannot be loaded"):
        world("verifiers", taskset="oak_missing")
