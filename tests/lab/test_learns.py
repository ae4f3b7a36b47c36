"""Every way to learn solves a task whose answer is known; a frozen control does not. Real lives, in CPU seconds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from liveoak.lab.lives.learns import CONTROLS, LEFT, TASKS, learned, life_of, verdict, work
from liveoak.lab.lives.life import live
from liveoak.learning.arms import ARMS


def test_every_arm_of_the_learner_has_a_task():
    assert set(TASKS) == set(ARMS)


@pytest.mark.parametrize("arm", TASKS)
def test_it_learns(arm: str):
    figures = work((arm, life_of(arm, 0)))
    assert verdict(arm, figures), {key: value for key, value in figures.items() if not key.startswith("score")}


@pytest.mark.parametrize("control", CONTROLS)
def test_who_is_frozen_does_not(control: str):
    figures = work((control, life_of(control, 0)))
    assert verdict(control, figures)
    same = [arm for arm, task in TASKS.items() if task.world == CONTROLS[control].world]
    assert same and not any(verdict(arm, figures) for arm in same)


def test_who_only_learned_to_go_by_hints_does_not_know():
    """The beginning of distillation: nothing of what it comes to know was in the demonstrations."""
    life = life_of("distillation", 0)
    figures = live(replace(life, stages=(replace(life.stages[0], episodes=0),)))
    assert figures["choices@0"] > LEFT * math.log(2)


def test_half_of_the_first_loss_may_be_left():
    assert learned({"choices@0": 0.6, "choices@64": 0.3}, "chooses")
    assert not learned({"choices@0": 0.6, "choices@64": 0.31}, "chooses")
    assert not learned({"choices@0": 2.0, "choices@64": 0.69}, "chooses"), "to become unsure is not to learn"
    assert learned({"score@16": -1.0, "score@32": 1.0, "score@48": 0.75, "score@64": 1.0}, "wins")
    assert not learned({"score@16": 1.0, "score@32": 1.0, "score@48": 0.25, "score@64": 1.0}, "wins")
    assert not learned({"answers@0": 2.0, "answers@32": 0.1, "answers@64": 1.5}, "foretells"), (
        "it is the end that counts"
    )
