"""From credit to steps: examples by hand, and signals that teach known answers to a table of bigrams."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from liveoak.errors import LearningError
from liveoak.learning.crediting import credited
from liveoak.learning.objective import Example, losses, normalisers, total
from liveoak.records import Credit, Origin, Rendered, Span
from liveoak.signals import Acted, Episode, RewardSettings, reward, transition


def lived(ids: tuple[int, int, int], reward: float | None, logprob: float = -1.0) -> Episode:
    """A given token, an action, and what was observed."""
    origins = (Origin.GIVEN, Origin.ACTED, Origin.OBSERVED)
    return Episode(
        id="session_1",
        rendered=Rendered(
            ids=ids, spans=tuple(Span(origin=o, start=place, end=place + 1) for place, o in enumerate(origins))
        ),
        acted=(Acted(turn="turn_1", places=(1,), logprobs=(logprob,), reward=reward),),
    )


CHAT = Rendered(ids=(7, 8, 9, 5), spans=(Span(origin=Origin.ACTED, start=0, end=4),))
TURN = Acted(turn="turn_1", places=(1, 2), logprobs=(-0.5, -1.5))


def test_credit_becomes_predictions_of_the_tokens_from_those_before_them():
    found = credited(CHAT, Credit(signal="imitation", weights=(0.0, 1.0, 0.5, 0.0)))
    assert found == Example(signal="imitation", ids=(7, 8), wanted=(0, 1), credit=(1.0, 0.5), targets=(8, 9))


def test_reward_brings_what_was_recorded_and_what_older_weights_would_say_now():
    credit = Credit(signal="reward", weights=(0.0, 0.0, -2.0, 0.0))
    found = credited(CHAT, credit, [TURN])
    assert found == Example(
        signal="reward", ids=(7, 8), wanted=(1,), credit=(-2.0,), targets=(9,), sampled=(-1.5,), proximal=()
    )
    both = Credit(signal="reward", weights=(0.0, 1.0, -2.0, 0.0))
    stale = credited(CHAT, both, [TURN], {2: -1.0})
    assert stale is not None
    assert (stale.sampled, stale.proximal) == ((-0.5, -1.5), (-0.5, -1.0))


def test_nothing_credited_is_no_example_and_the_first_token_follows_nothing():
    assert credited(CHAT, Credit(signal="imitation", weights=(0.0,) * 4)) is None
    assert credited(CHAT, Credit(signal="imitation", weights=(1.0, 0.0, 0.0, 0.0))) is None


def test_credit_that_fits_no_token_is_refused():
    with pytest.raises(LearningError, match="has 3 weights; expected one for each of 4"):
        credited(CHAT, Credit(signal="imitation", weights=(1.0,) * 3))
    with pytest.raises(LearningError, match=r"tokens at \[3\], which the agent did not sample"):
        credited(CHAT, Credit(signal="reward", weights=(0.0, 1.0, 0.0, 1.0)), [TURN])


def examples_of(group: list[Episode], *, with_transition: bool) -> list[Example]:
    made = [credited(one.rendered, credit, one.acted) for one, credit in zip(group, reward(group).credits, strict=True)]
    if with_transition:
        made += [credited(one.rendered, transition(one)) for one in group]
    return [example for example in made if example is not None]


def gradient(table: Tensor, examples: list[Example], **alphas: float) -> Tensor:
    leaf = table.clone().requires_grad_()
    rows = [example.ids[place] for example in examples for place in example.wanted]
    total(losses(examples, leaf[rows]), normalisers(examples), alphas).backward()
    assert leaf.grad is not None
    return leaf.grad


def test_a_group_without_variance_still_teaches_by_what_was_observed():
    group = [lived((0, 1, 4), 0.5), lived((0, 2, 5), 0.5)]
    table = torch.zeros(6, 6)
    assert reward(group).silent is not None
    examples = examples_of(group, with_transition=True)
    assert [example.signal for example in examples] == ["transition"] * 2
    found = gradient(table, examples)
    assert found[0].abs().max() == 0, "what to do after the given token was not judged"
    assert found[1, 4].item() == pytest.approx((1 / 6 - 1) / 2)
    assert found[2, 5].item() == pytest.approx((1 / 6 - 1) / 2)


def test_without_transition_the_same_group_is_an_error_and_no_silent_step():
    group = [lived((0, 1, 4), 0.5), lived((0, 2, 5), 0.5)]
    with pytest.raises(LearningError, match="no token has credit"):
        normalisers(examples_of(group, with_transition=False))


def test_reward_and_transition_pull_on_their_own_tokens():
    group = [lived((0, 1, 4), 1.0, math.log(1 / 6)), lived((0, 2, 5), 0.0, math.log(1 / 6))]
    table = torch.zeros(6, 6)
    both = gradient(table, examples_of(group, with_transition=True))
    alone = gradient(table, examples_of(group, with_transition=False))
    assert torch.equal(both[0], alone[0])
    assert alone[1:].abs().max() == 0
    # Advantages 1 and -1 on two tokens: -(1 - p)/2 - p/2 on the good action, the other way on the bad one.
    assert both[0].tolist() == pytest.approx([0, -0.5, 0.5, 0, 0, 0], abs=1e-6)
    doubled = gradient(table, examples_of(group, with_transition=True), transition=2.0)
    assert torch.allclose(doubled[1:], 2 * both[1:])
    assert torch.equal(doubled[0], both[0])


STATES, ACTIONS = 3, 4
BEST = (2, 0, 3)
"""The action that each state rewards."""
LEADS = (2, 3, 0, 1)
"""What is observed after each action."""
FIRST_ACTION, FIRST_SEEN = STATES, STATES + ACTIONS
SIZE = FIRST_SEEN + ACTIONS
BORN = torch.zeros(SIZE, SIZE)
"""Knows what an action is, and nothing else."""
BORN[:STATES] = -30
BORN[:STATES, FIRST_ACTION:FIRST_SEEN] = 0


def live(seed: int, *, frozen: bool, signals: tuple[str, ...]) -> Tensor:
    """60 updates of 8 episodes from one state each, every batch used twice; gives the table."""
    generator = torch.Generator().manual_seed(seed)
    table = BORN.clone()
    for _ in range(60):
        examples: list[Example] = []
        for state in range(STATES):
            logs = table[state].log_softmax(-1)
            drawn = torch.multinomial(logs.exp(), 8, replacement=True, generator=generator).tolist()
            group = [
                lived(
                    (state, token, FIRST_SEEN + LEADS[token - FIRST_ACTION]),
                    float(token == FIRST_ACTION + BEST[state]),
                    float(logs[token]),
                )
                for token in drawn
            ]
            acted = reward(group, RewardSettings()).credits
            for one, credit in zip(group, acted, strict=True):
                made = [credited(one.rendered, credit, one.acted), credited(one.rendered, transition(one))]
                examples += [example for example in made if example is not None and example.signal in signals]
        for _ in range(0 if frozen or not examples else 2):
            table -= 8.0 * gradient(table, examples)
    return table


@pytest.mark.parametrize("seed", range(3))
def test_reward_and_transition_learn_a_world_whose_answers_are_known(seed: int):
    table = live(seed, frozen=False, signals=("reward", "transition"))
    chosen = table.softmax(-1)
    assert min(chosen[state, FIRST_ACTION + BEST[state]].item() for state in range(STATES)) > 0.9
    # What would happen if: every action, also those that no state is to take.
    assert set(range(ACTIONS)) - set(BEST)
    for action, seen in enumerate(LEADS):
        assert chosen[FIRST_ACTION + action, FIRST_SEEN + seen].item() > 0.8


def test_each_signal_learns_its_own_and_a_frozen_agent_nothing():
    rewarded = live(0, frozen=False, signals=("reward",))
    assert rewarded[:STATES].softmax(-1)[0, FIRST_ACTION + BEST[0]].item() > 0.9
    assert torch.equal(rewarded[FIRST_ACTION:], BORN[FIRST_ACTION:]), "reward says nothing of what was observed"
    observed = live(0, frozen=False, signals=("transition",))
    assert torch.equal(observed[:STATES], BORN[:STATES]), "what was observed says nothing of what is rewarded"
    frozen = live(0, frozen=True, signals=("reward", "transition"))
    assert frozen.softmax(-1)[0, FIRST_ACTION + BEST[0]].item() == pytest.approx(1 / ACTIONS)
