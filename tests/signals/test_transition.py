"""What is learned of the world's answers: after actions, not boilerplate, not noise, not what is known."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lived import episode

from liveoak.errors import UserError
from liveoak.records import Origin
from liveoak.signals import (
    Boilerplate,
    Measured,
    TransitionSettings,
    learnability,
    naive_transition,
    transition,
    wanted,
)

PLAIN = TransitionSettings(least=0.0, scale=1.0)


def test_observed_tokens_after_an_action_have_credit():
    #                          0123456789
    found = transition(episode("gosaasoogo"))
    assert found.signal == "transition"
    assert found.weights == (0, 0, 0, 0, 0, 0, 1, 1, 0, 0)
    assert wanted(episode("gosaasoogo").rendered) == (6, 7)


def test_the_naive_way_learns_all_that_is_observed():
    assert naive_transition(episode("gosaasoogo").rendered).weights == (0, 1, 0, 0, 0, 0, 1, 1, 0, 1)


def test_an_experts_actions_are_somebody_elses_unless_asked_for():
    assert not any(transition(episode("godo")).weights)
    settings = TransitionSettings(after=frozenset({Origin.DEMONSTRATED}))
    assert transition(episode("godo"), settings).weights == (0, 0, 0, 1)


def test_boilerplate_has_none_or_as_much_as_is_set():
    chats = [episode("aoo", ids=[action, 50, 60 + action]) for action in (1, 2, 3)]
    known = Boilerplate().after([chat.rendered for chat in chats])
    assert transition(chats[0], boilerplate=known).weights == (0, 0, 1)
    assert transition(chats[0], TransitionSettings(boilerplate=0.25), boilerplate=known).weights == (0, 0.25, 1)


def test_learnable_tokens_have_credit_by_what_is_left_to_learn():
    measured = Measured(current={1: 3.0, 2: 0.5, 3: 4.0, 4: 0.1}, reference={1: 0.2, 2: 0.1, 3: 4.1, 4: 0.1})
    found = transition(episode("aoooo"), PLAIN, measured=measured)
    assert found.weights == pytest.approx((0, 1, 0.4, 0, 0))
    dead = TransitionSettings(least=0.3, scale=0.5)
    assert transition(episode("aoooo"), dead, measured=measured).weights == pytest.approx((0, 1, 0.2, 0, 0))


def test_every_answer_needs_its_losses():
    for current, reference in (({}, {1: 0.0}), ({1: 0.0}, {}), ({1: math.nan}, {1: 0.0}), ({1: 1.0}, {1: -math.inf})):
        with pytest.raises(UserError, match=r"place 1 of episode 'session_1' .* expected finite numbers"):
            transition(episode("ao"), measured=Measured(current=current, reference=reference))


def test_an_action_taken_without_doubt_teaches_less():
    settings = TransitionSettings(entropy=2.0, sure=0.2)
    for logprob, weight in ((0.0, 0.2), (-1.0, 0.6), (-2.0, 1.0), (-9.0, 1.0)):
        assert transition(episode("aao", logprob=logprob), settings).weights == pytest.approx((0, 0, weight))
    shown = TransitionSettings(entropy=2.0, after=frozenset({Origin.DEMONSTRATED}))
    assert transition(episode("do"), shown).weights == (0, 1), "of an expert's doubts nothing is known"


def test_weights_multiply():
    chats = [episode("ao", ids=[action, 50]) for action in (1, 2, 3)]
    known = Boilerplate().after([chat.rendered for chat in chats])
    settings = TransitionSettings(boilerplate=0.5, entropy=2.0, sure=0.0, least=0.0, scale=1.0)
    measured = Measured(current={1: 0.6}, reference={1: 0.2})
    found = transition(chats[0], settings, boilerplate=known, measured=measured)
    assert found.weights == pytest.approx((0, 0.5 * 0.5 * 0.4))


def test_settings_that_cannot_be_meant_are_refused():
    for wrong in ({"boilerplate": 2.0}, {"sure": -1.0}, {"least": -0.1}, {"scale": 0.0}, {"entropy": 0.0}):
        with pytest.raises(UserError, match="TransitionSettings"):
            TransitionSettings(**wrong)


class Table:
    """A softmax for each context, and gradient descent on it."""

    def __init__(self, vocabulary: int, rate: float) -> None:
        self.rows: dict[object, list[float]] = {}
        self.vocabulary, self.rate = vocabulary, rate

    def probabilities(self, context: object) -> list[float]:
        row = [math.exp(value) for value in self.rows.setdefault(context, [0.0] * self.vocabulary)]
        return [value / sum(row) for value in row]

    def loss(self, context: object, token: int) -> float:
        return -math.log(self.probabilities(context)[token])

    def learn(self, context: object, token: int, weight: float) -> None:
        for other, p in enumerate(self.probabilities(context)):
            self.rows[context][other] -= self.rate * weight * (p - (other == token))


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_left_alone_in_the_limit_and_what_can_be_known_is_learned(seed: int):
    """A world answers an action with a token that it determines, and one drawn at random among eight.

    The reference learns slowly from everything; the agent from what it is given credit for. Raw surprise would spend
    all it has on the noise: that costs log 8 for ever.
    """
    rng = random.Random(seed)
    agent, reference = Table(8, 0.5), Table(8, 0.02)
    settings = TransitionSettings()
    credit = {"rule": [0.0], "noise": [0.0]}
    for _ in range(12_000):
        action = rng.randrange(4)
        tokens = {"rule": 2 * action + 1, "noise": rng.randrange(8)}
        lived = episode("aoo", ids=[action, *tokens.values()])
        contexts = {place: (name, action) for place, name in enumerate(tokens, start=1)}
        losses = [
            {place: table.loss(contexts[place], lived.rendered.ids[place]) for place in wanted(lived.rendered)}
            for table in (agent, reference)
        ]
        weights = transition(lived, settings, measured=Measured(current=losses[0], reference=losses[1])).weights
        for place, (name, _) in contexts.items():
            credit[name].append(weights[place])
            agent.learn(contexts[place], lived.rendered.ids[place], weights[place])
            reference.learn(contexts[place], lived.rendered.ids[place], 1.0)
    assert sum(credit["rule"]) > 1, "it did learn from the rule"
    assert max(agent.loss(("rule", action), 2 * action + 1) for action in range(4)) < 0.3
    late = credit["noise"][-4000:]
    assert sum(late) / len(late) < 0.02
    assert math.log(8) > 2, "while raw surprise would have weighed it fully"


@given(st.floats(0, 20), st.floats(0, 20), st.floats(0, 1), st.floats(0.1, 3))
def test_learnability_is_a_share_that_grows_with_the_excess(high: float, low: float, least: float, scale: float):
    settings = TransitionSettings(least=least, scale=scale)
    found = learnability(high, low, settings)
    assert 0 <= found <= 1
    assert (found > 0) == (high - low - least > 0) or found < 1e-9
    assert learnability(high + 1, low, settings) >= found
    assert learnability(high, high, settings) == 0


@given(st.text("sgoad", min_size=1, max_size=30))
def test_credit_lies_within_what_the_naive_way_takes(text: str):
    one = episode(text)
    found, naive = transition(one).weights, naive_transition(one.rendered).weights
    assert len(found) == len(text)
    assert all(0 <= mine <= theirs for mine, theirs in zip(found, naive, strict=True))
    if "a" in text:
        assert not any(found[: text.index("a")])
    else:
        assert not any(found)
