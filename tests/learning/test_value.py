"""The learned value: its fit by hand, and a task that is learned against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from liveoak.engine import Decoder, Engine, Request
from liveoak.engine import Sequence as Tokens
from liveoak.errors import BadSettings
from liveoak.learning.arms import LearnerSettings
from liveoak.learning.foreseeing import FEATURES, Foreseen, foresee, states
from liveoak.learning.learner import Learner
from liveoak.learning.lived import Lived
from liveoak.learning.value import Value, ValueSettings
from liveoak.priors import load_prior
from liveoak.records import Origin, Rendered, Sampling, Span
from liveoak.signals import Acted, Episode, RewardSettings, reward

PLAIN = ValueSettings(ridge=4, decay=1)
ASKED = ((104, 111, 63), (104, 111, 33))
"""Episodes that begin with the second are worth half a reward more, whatever is done."""


def seen(*numbers: float) -> Tensor:
    """(turns, 1)"""
    return torch.tensor([[number] for number in numbers], dtype=torch.float64)


def values(value: Value, *numbers: float) -> tuple[float, ...]:
    return value.foreseen([(seen(*numbers), ())])[0]


def test_the_fit_is_that_of_ridge_regression_with_a_free_mean():
    """Scatter 1 and variance 1/4, so that a ridge of 4 turns is a penalty of 1, and the slope 1 / (1 + 1)."""
    known = Value(settings=PLAIN).after(seen(0, 0, 1, 1), (0, 0, 1, 1))
    assert values(known, 0, 1, 3) == pytest.approx((0.25, 0.75, 1.75))
    # The scale of a feature plays no part.
    wide = Value(settings=PLAIN).after(seen(0, 0, 9, 9), (0, 0, 1, 1))
    assert values(wide, 0, 9) == pytest.approx((0.25, 0.75))


def test_older_turns_count_less():
    halved = Value(settings=ValueSettings(decay=0.5))
    known = halved.after(seen(1), (1,)).after(seen(1), (0,))
    assert values(known, 1) == pytest.approx((1 / 3,))


def test_of_states_that_are_all_alike_the_mean_of_the_others_is_left():
    alike = [(seen(2), (gain,)) for gain in (0.0, 0.0, 3.0)]
    assert Value(settings=PLAIN).foreseen([*alike, (seen(2), ())]) == [
        pytest.approx((1.5,)),
        pytest.approx((1.5,)),
        pytest.approx((0.0,)),
        pytest.approx((1.0,)),
    ]


def test_where_there_is_nothing_to_go_by_the_value_is_nothing():
    assert values(Value(), 1, 2) == (0, 0)
    assert Value().foreseen([(seen(1, 2), (1, 1))]) == [(0, 0)]
    assert Value().foreseen([]) == []


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=2), st.lists(st.floats(-1, 1), min_size=2, max_size=2))
def test_what_an_episode_was_worth_has_no_part_in_its_values(gains: list[float], others: list[float]):
    known = Value().after(seen(0, 1, 2), (0.5, 0, 1))
    one, two = (known.foreseen([(seen(1, 3), own), (seen(0, 2), (0, 1))])[0] for own in (gains, others))
    assert one == pytest.approx(two)


@pytest.mark.parametrize("bad", [{"ridge": 0.0}, {"decay": 0.0}, {"decay": 1.5}])
def test_settings_of_a_value_that_mean_nothing_are_refused(bad: dict[str, float]):
    with pytest.raises(BadSettings, match="ValueSettings"):
        ValueSettings(**bad)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


def live(decoder: Decoder, learner: Learner, count: int, round_: int) -> list[Lived]:
    """Episodes of one action; tokens below 128 are rewarded."""
    requests = [
        Request(ids=ASKED[number % 2], slot=learner.slot, sampling=Sampling(max_tokens=1, seed=count * round_ + number))
        for number in range(count)
    ]
    found: list[Lived] = []
    for number, done in enumerate(decoder.generate(requests)):
        (drawn,) = done.drawn
        worth = 0.5 * (drawn.id < 128) + 0.5 * (number % 2)
        spans = (Span(origin=Origin.GIVEN, start=0, end=3), Span(origin=Origin.ACTED, start=3, end=4))
        acted = Acted(turn=f"turn_{number}", places=(3,), logprobs=(drawn.logprob,), reward=worth)
        chat = Rendered(ids=(*ASKED[number % 2], drawn.id), spans=spans)
        found.append(
            Lived(episode=Episode(id=str(number), rendered=chat, acted=(acted,)), world="w", group=str(number))
        )
    return found


def spread(lived: list[Lived], settings: RewardSettings, foreseen: Foreseen | None = None) -> float:
    """The variance of the advantages."""
    told = reward([one.episode for one in lived], settings, None if foreseen is None else foreseen.values)
    return float(torch.tensor([credit.weights[3] for credit in told.credits]).var())


def mass(engine: Engine, learner: Learner) -> float:
    """The least probability, over both beginnings, of an action that is rewarded."""
    with torch.inference_mode():
        logits = engine.logits([Tokens(ids=ids, slot=learner.slot, wanted=(2,)) for ids in ASKED])
    return float(logits.softmax(-1)[:, :128].sum(-1).min())


def test_a_task_is_learned_against_a_value_that_knows_what_luck_is(engine: Engine):
    valued = RewardSettings(baseline="value")
    learner = Learner(
        engine,
        LearnerSettings(rank=4, rate=5e-3, transition="off", imitation=False, compare="world", rewarded=valued),
    )
    decoder, before = Decoder(engine), mass(engine, learner)
    for round_ in range(10):
        lived = live(decoder, learner, 48, round_)
        if round_ == 1:
            foreseen = foresee(engine, learner.memory.values, lived, learner.settings.value, 1)
            # Half of the variance is luck: what the episode began with says it, and no other baseline sees it.
            others = spread(lived, RewardSettings(baseline="leave_one_out"))
            assert spread(lived, valued, foreseen) < 0.7 * others
        report = learner.learn(lived)
        assert report.silent == ()
        assert report.explained is not None and (report.explained > 0.3 or round_ == 0)
    assert 0.3 < before < 0.7
    assert mass(engine, learner) > 0.75


def test_states_are_the_priors_own_whatever_was_learned_and_however_many_are_read(engine: Engine):
    """Of each turn, in each window; a turn before which nothing was read has no state."""
    origins = (Origin.GIVEN, Origin.ACTED, Origin.OBSERVED, Origin.ACTED, Origin.GIVEN, Origin.ACTED)
    spans = tuple(Span(origin=origin, start=place, end=place + 1) for place, origin in enumerate(origins))
    acted = tuple(Acted(turn=str(place), places=(place,), logprobs=(-1.0,)) for place in (1, 3, 5))
    two = Lived(
        episode=Episode(id="a", rendered=Rendered(ids=(10, 11, 12, 13, 10, 14), spans=spans), acted=acted),
        world="w",
        group="g",
        windows=(0, 4),
    )
    bare = replace(
        two, episode=Episode(id="b", rendered=replace(two.episode.rendered, spans=()), acted=_at_first()), windows=(0,)
    )
    found = states(engine, [two, bare])
    assert [tuple(one.shape) for one in found] == [(3, FEATURES), (1, FEATURES)]
    # The third turn follows the same token in a window of its own as the first one.
    assert torch.allclose(found[0][0], found[0][2], atol=1e-5)
    assert not torch.allclose(found[0][0], found[0][1], atol=1e-2)
    assert not found[1].any()
    assert torch.allclose(states(engine, [two])[0], found[0], atol=1e-5)


def _at_first() -> tuple[Acted, ...]:
    return (Acted(turn="0", places=(0,), logprobs=(-1.0,)),)
