"""Living an episode: what is kept, policies, and failures that become data."""

from __future__ import annotations

import random
import statistics

import pytest

from liveoak.errors import WorldError
from liveoak.worlds import Step, expert, guessing, mediocre, play, seeds, world


def test_an_episode_keeps_what_was_seen_and_done():
    episode = play(world("journey", rule=0), 0, expert)
    assert (episode.world, episode.seed, episode.opening) == ("journey", 0, "to the swamp. pack what?")
    assert [action for action, _ in episode.deeds] == ["rope", "walk", "walk", "walk", "walk"]
    assert (episode.score, episode.failure) == (1.0, None)
    assert [step.done for _, step in episode.deeds] == [False] * 4 + [True]


def test_skill_decides_between_expert_and_guess():
    lived = world("switches", rule=3, slack=0)
    train = seeds("train", 200)

    def mean(skill: float) -> float:
        return statistics.mean(play(lived, seed, mediocre(skill, random.Random(seed))).score for seed in train)

    assert mean(1.0) == 1.0
    assert mean(0.0) == pytest.approx(
        statistics.mean(play(lived, seed, guessing(random.Random(seed))).score for seed in train), abs=0.12
    )
    assert mean(0.0) + 0.2 < mean(0.7) < mean(1.0)
    with pytest.raises(ValueError, match=r"skill = 1\.5"):
        mediocre(1.5, random.Random(0))


class Plain:
    name, instructions, rewards, turns = "plain", "", (0.0, 1.0), 3

    def reset(self, seed: int) -> str:
        return "on"

    def step(self, action: str) -> Step:
        if action == "fall":
            raise WorldError("it fell")
        return Step(observation="on", reward=0.25, done=False)


def test_a_world_that_fails_keeps_what_was_lived_before():
    actions = iter(["walk", "fall"])
    episode = play(Plain(), 5, lambda world, seen: next(actions))
    assert (episode.score, episode.failure, len(episode.deeds)) == (0.25, "it fell", 1)


def test_a_world_that_never_ends_has_failed():
    episode = play(Plain(), 0, guessing(random.Random(0)))
    assert episode.failure == "world 'plain' went on for more than its 3 turns"
    assert len(episode.deeds) == 3


def test_a_world_without_an_expert_has_nobody_to_imitate():
    with pytest.raises(WorldError, match="no expert to imitate"):
        play(Plain(), 0, expert)


def test_steps_without_an_episode_are_refused():
    lived = world("switches")
    with pytest.raises(WorldError, match=r"no episode is running; call reset\(seed\) first"):
        lived.step("a")
    play(lived, 0, expert)
    with pytest.raises(WorldError, match="no episode is running"):
        lived.step("a")
