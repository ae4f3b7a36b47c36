"""Our worlds in Gymnasium's hands: its own checker passes them, and episodes are the same."""

from __future__ import annotations

import warnings

import pytest

gymnasium = pytest.importorskip("gymnasium", reason="the extra with gymnasium is not installed")
from gymnasium.utils.env_checker import check_env  # noqa: E402

from liveoak.worlds import expert, play, split_of, world, worlds  # noqa: E402
from liveoak.worlds.gymnasium_env import GymnasiumWorld, make  # noqa: E402

BUILT_IN = [
    entry.name
    for entry in worlds()
    if entry.extra is None and entry.needs is None and entry.factory.startswith("liveoak.")
]


@pytest.mark.parametrize("name", BUILT_IN)
def test_gymnasiums_own_checker_passes_every_built_in_world(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(f"liveoak/{name}-v0", render_mode="ansi").unwrapped)


def test_an_episode_is_the_same_through_gymnasium():
    episode = play(world("rooms", rule=4), 2, expert)
    env = gymnasium.make("liveoak/rooms-v0", rule=4)
    seen, info = env.reset(seed=2)
    assert (seen, info["actions"]) == (episode.opening, ("red", "blue"))
    for action, step in episode.deeds:
        seen, reward, done, cut, info = env.step(action)
        assert (seen, reward, done, cut) == (step.observation, step.reward, step.done, False)
        assert ("actions" in info) is not done


def test_without_a_seed_training_episodes_are_drawn():
    class Watched:
        def __init__(self) -> None:
            self.inner, self.seeds = world("switches"), list[int]()

        def reset(self, seed: int) -> str:
            self.seeds.append(seed)
            return self.inner.reset(seed)

    watched = Watched()
    env = GymnasiumWorld(watched)
    env.reset(seed=7)
    for _ in range(20):
        env.reset()
    assert watched.seeds[0] == 7
    assert len(set(watched.seeds)) == 21
    assert {split_of(seed) for seed in watched.seeds[1:]} == {"train"}


def test_letters_that_gymnasium_does_not_know_are_question_marks():
    env = make("handbook", facts=60, per_page=60)
    for seed in range(3):
        seen, _ = env.reset(seed=seed)
        assert env.observation_space.contains(seen)
        assert len(seen) <= 4096
