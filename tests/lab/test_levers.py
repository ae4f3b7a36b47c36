"""A bandit whose good levers change, held to the contract of worlds."""

from __future__ import annotations

import pytest

from liveoak.lab.lives.levers import Levers
from liveoak.worlds import RuledWorld, as_world, check, expert, play, seeds, world

EVERY = 40


def test_it_is_a_world_like_any_other():
    check(lambda: world("liveoak.lab.lives.levers:Levers", every="40"))


@pytest.mark.parametrize("stream", range(4))
def test_no_two_tables_share_a_good_lever(stream: int):
    made = RuledWorld(Levers(every=EVERY, stream=stream, course="abca"))
    best: list[dict[str, str]] = []
    for phase in range(4):
        good: dict[str, str] = {}
        for seed in seeds("train", EVERY, start=phase * EVERY):
            colour = made.reset(seed).split()[0]
            assert good.setdefault(colour, made.expert() or "") == made.expert()
        best.append(good)
    assert all(set(good) == {"red", "blue", "green"} for good in best)
    for colour in best[0]:
        assert len({table[colour] for table in best[:3]}) == 3
    assert best[3] == best[0], "a table comes back by its letter"


def test_who_keeps_to_the_old_rules_loses():
    made = as_world(Levers(every=EVERY))
    new = [play(made, seed, expert).score for seed in seeds("train", EVERY, start=EVERY)]
    assert sum(new) / EVERY > 0.6


def test_phases_without_episodes_are_refused():
    with pytest.raises(ValueError, match="every >= 1"):
        Levers(every=0)


@pytest.mark.parametrize("course", ["", "abd", "aB"])
def test_a_course_of_tables_that_there_are_not_is_refused(course: str):
    with pytest.raises(ValueError, match="course"):
        Levers(course=course)
