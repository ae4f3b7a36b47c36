"""TRL's trainer on our lives, where it is installed: that it lives what it is given and is scored as we are."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest

from liveoak.errors import Unavailable, UserError
from liveoak.lab.lives.grpo import live_by_trl
from liveoak.lab.lives.life import Life, Stage
from liveoak.lab.lives.tables import curve_of
from liveoak.lab.lives.ways import way

PEERS = ("trl", "peft", "datasets")
missing = [name for name in PEERS if find_spec(name) is None]
installed = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
SHORT = Life(
    world="bandit",
    options={"pulls": 1, "rule": 1},
    stages=(Stage(settings=way("reward"), episodes=48),),
    seed=1,
    together=16,
)


@installed
def test_the_trainer_lives_all_episodes_by_possible_actions():
    lived = live_by_trl(SHORT)
    scores = curve_of(lived, "score")
    assert list(scores) == [16, 32, 48]
    # A win is worth one: scores are sixteenths. An action that is none would have been refused by the world.
    assert all(0 <= score <= 1 and (16 * score).is_integer() for score in scores.values())
    assert lived["cell_seconds"] > 0


@installed
@pytest.mark.parametrize(
    ("life", "told"),
    [
        (replace(SHORT, stages=SHORT.stages * 2), "one stage"),
        (replace(SHORT, stages=(Stage(settings=None, episodes=48),)), "one stage"),
        (replace(SHORT, shown=8), "one stage"),
        (replace(SHORT, world="rooms", options={"rooms": 4}), "actions of one token|those of one token"),
    ],
)
def test_lives_that_the_trainer_cannot_do_are_refused(life: Life, told: str):
    with pytest.raises(UserError, match=told):
        live_by_trl(life)


@pytest.mark.skipif(not missing, reason="all peers are installed")
def test_a_trainer_that_is_not_installed_is_said_to_be_so():
    with pytest.raises(Unavailable, match="is not installed"):
        live_by_trl(SHORT)
