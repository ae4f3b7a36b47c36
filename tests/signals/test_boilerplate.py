"""Tokens that recur whatever was done are found from experience, and from nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lived import rendered

from liveoak.errors import UserError
from liveoak.records import Origin, Rendered
from liveoak.signals import Boilerplate, BoilerplateSettings, answers


def lived(action: int, *answer: int) -> Rendered:
    """A question, an action of one token, and the world's answer."""
    return rendered("gsas" + "o" * len(answer), ids=[1, 0, action, 0, *answer])


def test_answers_are_what_was_observed_after_an_action():
    chat = rendered("goosaasaoosogoao")
    #                0123456789012345
    assert [(found.action, found.places) for found in answers(chat)] == [
        ((4, 5, 7), (8, 9)),
        ((4, 5, 7), (11,)),
        ((14,), (15,)),
    ]
    assert answers(rendered("soogodo")) == ()
    expert = answers(rendered("soogodoao"), {Origin.ACTED, Origin.DEMONSTRATED})
    assert [(found.action, found.places) for found in expert] == [((5,), (6,)), ((7,), (8,))]


def test_what_came_in_every_episode_after_different_actions_is_boilerplate():
    known = Boilerplate().after([lived(7, 50, 60, 70), lived(8, 50, 60, 71), lived(7, 50, 60, 70)])
    assert known.places(lived(9, 50, 60, 70)) == {4, 5}
    assert known.places(lived(9, 50, 61, 70)) == {4}, "another token than always is news"


def test_what_an_action_always_brings_is_no_boilerplate():
    known = Boilerplate().after([lived(7, 50, 60)] * 9)
    assert known.places(lived(7, 50, 60)) == frozenset()


def test_a_place_that_ever_differed_is_watched_for_good():
    known = Boilerplate().after([*[lived(7, 50, 60), lived(8, 50, 60)] * 20, lived(9, 50, 61)])
    assert known.places(lived(7, 50, 60)) == {4}
    assert known.after([lived(7, 50, 60)] * 99).places(lived(7, 50, 60)) == {4}


def test_it_takes_several_episodes():
    twice = Boilerplate().after([lived(7, 50), lived(8, 50)])
    assert twice.places(lived(7, 50)) == frozenset()
    assert twice.after([lived(7, 50)]).places(lived(7, 50)) == {4}
    one = rendered("gsaosaosao", ids=[1, 0, 7, 50, 0, 8, 50, 0, 9, 50])
    assert Boilerplate().after([one]).places(one) == frozenset(), "one episode, however often it says so"


def test_only_so_many_tokens_before_are_looked_at_and_only_of_the_same_answer():
    settings = BoilerplateSettings(context=1, episodes=2)
    known = Boilerplate(settings=settings).after([lived(7, 50, 60, 70), lived(8, 51, 60, 70)])
    assert known.places(lived(7, 50, 60, 70)) == {6}
    longer = Boilerplate(settings=BoilerplateSettings(context=2, episodes=2))
    assert longer.after([lived(7, 50, 60, 70), lived(8, 51, 60, 70)]).places(lived(7, 50, 60, 70)) == frozenset()


def test_memory_is_bounded_and_the_oldest_goes_first():
    settings = BoilerplateSettings(context=1, episodes=2, most=2)
    known = Boilerplate(settings=settings).after([lived(7, 50, 60, 70), lived(8, 50, 60, 70)])
    assert len(known.seen) == 2
    assert known.places(lived(7, 50, 60, 70)) == {5, 6}


def test_settings_that_cannot_be_meant_are_refused():
    for wrong in ({"context": 0}, {"episodes": 1}, {"most": 0}):
        with pytest.raises(UserError, match="BoilerplateSettings"):
            BoilerplateSettings(**wrong)


episodes = st.lists(st.builds(lived, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), max_size=12)


@given(episodes, episodes)
def test_what_was_seen_in_parts_was_seen(first: list[Rendered], second: list[Rendered]):
    start = Boilerplate()
    assert start.after(first).after(second) == start.after([*first, *second])
    assert start == Boilerplate()


@given(episodes)
def test_a_places_whose_token_varied_is_never_boilerplate(seen: list[Rendered]):
    known = Boilerplate().after(seen)
    for chat in seen:
        firsts = {other.ids[4] for other in seen}
        if len(firsts) > 1:
            assert 4 not in known.places(chat)
