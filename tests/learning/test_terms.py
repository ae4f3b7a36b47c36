"""Each term of the objective against numbers worked out by hand, and the theorem that ties imitation to reward."""

from __future__ import annotations

import itertools
import math
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import one_hot

from liveoak.errors import LearningError
from liveoak.learning.objective import Example, losses, normalisers, total
from liveoak.learning.terms import Clip, TopK, divergence, divergence_of_top, policy, surprise, top_of

HALVES = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64).log() + 3.0
"""One row of logits: probabilities 1/2, 1/4, 1/4."""
FIRST = torch.tensor([0])


def reward_of(ratio: float, credit: float, **bounds: float) -> tuple[float, Tensor]:
    """Value and gradient of the reward term of token 0, whose probability is now `ratio` times the recorded one."""
    logits = HALVES.clone().requires_grad_()
    weight = torch.tensor([credit], dtype=torch.float64)
    sampled = torch.tensor([math.log(0.5 / ratio)], dtype=torch.float64)
    value = (weight * policy(logits, FIRST, weight, sampled, None, Clip(**bounds))).sum()
    value.backward()
    assert logits.grad is not None
    return value.item(), logits.grad


TOWARDS = torch.tensor([[0.5, -0.25, -0.25]], dtype=torch.float64)
"""d p(0) / d logits over p(0): 1 - 1/2, -1/4, -1/4."""


@pytest.mark.parametrize(
    ("ratio", "credit", "value", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),  # fresh: the gradient of -log p times the credit
        (1.1, 2.0, -2.2, -2.2),  # within the bounds: -ratio * credit
        (1.5, 2.0, -2.4, 0.0),  # good and already far more likely: held at 1.2
        (0.5, 2.0, -1.0, -1.0),  # good and less likely: pulled back, however far
        (1.0, -2.0, 2.0, 2.0),
        (0.9, -2.0, 1.8, 1.8),
        (0.5, -2.0, 1.6, 0.0),  # bad and already far less likely: held at 0.8
        (1.5, -2.0, 3.0, 3.0),  # bad and more likely: pushed down
        (5.0, -2.0, 6.0, 0.0),  # bad and out of all proportion: held at 3
        (1.5, 0.0, 0.0, 0.0),
    ],
)
def test_the_clip_by_sign_and_side(ratio: float, credit: float, value: float, slope: float):
    found, gradient = reward_of(ratio, credit)
    assert found == pytest.approx(value)
    assert torch.allclose(gradient, slope * TOWARDS, atol=1e-12)


def test_the_bounds_are_settings():
    assert reward_of(1.5, 1.0, high=0.6)[0] == pytest.approx(-1.5)
    assert reward_of(0.5, -1.0, low=0.6)[0] == pytest.approx(0.5)
    assert reward_of(5.0, -1.0, worst=10.0)[0] == pytest.approx(5.0)
    for wrong in ({"low": 0.0}, {"low": 1.0}, {"high": 0.0}, {"worst": 1.0}, {"stale": 0.5}):
        with pytest.raises(LearningError, match="is no clip"):
            Clip(**wrong)


@pytest.mark.parametrize("ratio", [math.exp(-80), math.exp(80)])
@pytest.mark.parametrize("credit", [-1.0, 1.0])
def test_no_ratio_is_too_far_for_a_finite_gradient(ratio: float, credit: float):
    value, gradient = reward_of(ratio, credit)
    assert math.isfinite(value)
    assert gradient.isfinite().all()


def stale(behaviour: float, proximal: float, credit: float = 1.0) -> tuple[float, Tensor]:
    """Token 0 has probability 1/2 now, had `proximal` when the update began and `behaviour` when it was sampled."""
    logits = HALVES.clone().requires_grad_()
    weight, sampled, start = (
        torch.tensor([number], dtype=torch.float64) for number in (credit, math.log(behaviour), math.log(proximal))
    )
    value = (weight * policy(logits, FIRST, weight, sampled, start, Clip())).sum()
    value.backward()
    assert logits.grad is not None
    return value.item(), logits.grad


def test_tokens_of_an_older_version_are_weighted_by_who_sampled_them():
    # 0.5/0.4 = 1.25 of the weight that the sampler gave it; the clip looks at 0.5/0.5 = 1 alone.
    value, gradient = stale(0.4, 0.5)
    assert value == pytest.approx(-1.25)
    assert torch.allclose(gradient, -1.25 * TOWARDS)
    assert stale(0.5, 0.4)[0] == pytest.approx(-0.8 * 1.2), "5/4 is clipped at 1.2, times 0.4/0.5"


def test_the_weight_of_an_older_version_is_truncated():
    value, gradient = stale(0.01, 0.5)
    assert value == pytest.approx(-2.0), "50 times as likely as then, and counted twice"
    assert torch.allclose(gradient, -2 * TOWARDS)


def test_a_version_that_did_not_change_is_not_stale():
    (value, gradient), (expected, slope) = stale(0.45, 0.45), reward_of(0.5 / 0.45, 1.0)
    assert value == pytest.approx(expected)
    assert torch.allclose(gradient, slope)


def test_the_objective_takes_what_was_recorded():
    recorded = Example(
        signal="reward",
        ids=(0, 0),
        wanted=(0, 1),
        credit=(2.0, -2.0),
        targets=(0, 0),
        sampled=(math.log(0.5 / 1.1), math.log(0.5 / 0.9)),
    )
    found = total(losses([recorded], HALVES.expand(2, 3)), normalisers([recorded]), {})
    assert found.item() == pytest.approx((-2.2 + 1.8) / 2)
    older = Example(
        signal="reward",
        ids=(0,),
        wanted=(0,),
        credit=(1.0,),
        targets=(0,),
        sampled=(math.log(0.4),),
        proximal=(math.log(0.5),),
    )
    assert total(losses([older], HALVES), normalisers([older]), {}).item() == pytest.approx(-1.25)
    tight = losses([older], HALVES, Clip(stale=1.0))["reward"]
    assert tight.item() == pytest.approx(-1.0)


def test_the_likeliest_tokens_and_the_rest_are_compared():
    # Teacher 1/2 and a tail of 1/2; student 1/4 and a tail of 3/4.
    student = torch.tensor([[0.25, 0.25, 0.5]], dtype=torch.float64).log()
    top = TopK(ids=torch.tensor([[0]]), logprobs=torch.tensor([[0.5]]).log())
    assert divergence_of_top(student, top).item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3), abs=1e-6)
    # A teacher who is sure of one token: the tail weighs nothing.
    sure = TopK(ids=torch.tensor([[2]]), logprobs=torch.tensor([[0.0]]))
    assert divergence_of_top(student, sure).item() == pytest.approx(math.log(2))


def test_a_student_cannot_gain_by_what_the_teacher_left_unsaid():
    """Both name token 0 with 1/2. How the student shares out the other half costs nothing; its size does."""
    top = TopK(ids=torch.tensor([[0]]), logprobs=torch.tensor([[0.5]]).log())
    for rest in ((0.4, 0.1), (0.1, 0.4)):
        student = torch.tensor([[0.5, *rest]]).log()
        assert divergence_of_top(student, top).item() == pytest.approx(0, abs=1e-6)
    overdone = torch.tensor([[0.9, 0.05, 0.05]]).log()
    assert divergence_of_top(overdone, top).item() > 0.2


rows = st.lists(st.floats(-6, 6), min_size=2, max_size=9)


@given(rows, st.randoms(use_true_random=False))
def test_naming_more_tokens_brings_the_whole_divergence_nearer(teacher: list[float], random: Random):
    there = torch.tensor([teacher], dtype=torch.float64)
    here = torch.tensor([random.sample(teacher, len(teacher))], dtype=torch.float64)
    whole = divergence(here, there.log_softmax(-1)).item()
    found = [divergence_of_top(here, top_of(there, k)).item() for k in range(1, len(teacher) + 1)]
    assert all(value > -1e-5 for value in found)
    assert all(low <= high + 1e-5 for low, high in itertools.pairwise(found))
    assert found[-1] == pytest.approx(whole, abs=1e-5)


def test_the_gradient_of_the_likeliest_tokens_is_that_of_the_merged_outcomes():
    """d/dz_i = p_i - q_i on named tokens; on the tail, p_i times (1 - q_tail / p_tail)."""
    logits = HALVES.clone().requires_grad_()
    top = TopK(ids=torch.tensor([[1]]), logprobs=torch.tensor([[0.5]], dtype=torch.float64).log())
    divergence_of_top(logits, top).sum().backward()
    assert logits.grad is not None
    expected = torch.tensor([[0.5 * (1 - 0.5 / 0.75), 0.25 - 0.5, 0.25 * (1 - 0.5 / 0.75)]], dtype=torch.float64)
    assert torch.allclose(logits.grad, expected, atol=1e-6)


def test_every_named_token_leaves_no_tail_and_a_finite_gradient():
    logits = HALVES.clone().requires_grad_()
    divergence_of_top(logits, top_of(HALVES.flip(-1), 3)).sum().backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad, HALVES.softmax(-1) - HALVES.flip(-1).softmax(-1), atol=1e-6)


@pytest.mark.parametrize("vocabulary", [2, 3, 7])
def test_imitation_is_the_reward_term_of_one_token_episodes(vocabulary: int):
    """For a ~ p with reward 1[a = y] / p(y), the expected reward term has the gradient of cross-entropy on y.

    Exactly: every action is an episode, sampled under the current weights, whose credit is p(a) times its reward.
    """
    generator = torch.Generator().manual_seed(vocabulary)
    actions = torch.arange(vocabulary)
    for y in range(vocabulary):
        logits = torch.randn(1, vocabulary, generator=generator, dtype=torch.float64).requires_grad_()
        logs = logits.detach().log_softmax(-1)[0]
        p = logs.exp()
        credit = p * (actions == y) / p[y]
        acted = policy(logits.expand(vocabulary, -1), actions, credit, logs, None, Clip())
        (by_reward,) = torch.autograd.grad((credit * acted).sum(), logits)
        (imitated,) = torch.autograd.grad(surprise(logits, torch.tensor([y])).sum(), logits)
        assert torch.allclose(by_reward, imitated, rtol=1e-12, atol=1e-14)
        assert torch.allclose(imitated, p - one_hot(torch.tensor(y), vocabulary), atol=1e-12)


def test_imitation_is_the_reward_term_in_monte_carlo():
    """The same with sampled actions: the mean over 20,000 one-token episodes lies within five standard errors."""
    episodes, y = 20_000, 2
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 5, generator=generator, dtype=torch.float64)
    logs = logits.log_softmax(-1)[0]
    actions = torch.multinomial(logs.exp(), episodes, replacement=True, generator=generator)
    credit = (actions == y) / logs[y].exp()
    leaf = logits.expand(episodes, -1).clone().requires_grad_()
    acted = policy(leaf, actions, credit, logs[actions], None, Clip())
    (each,) = torch.autograd.grad((credit * acted).sum(), leaf)
    error = each.std(0) / math.sqrt(episodes)
    expected = logs.exp() - one_hot(torch.tensor(y), 5)
    assert ((each.mean(0) - expected).abs() < 5 * error).all()
    assert expected.abs().max() > 10 * error.max(), "the test can tell the gradient from none"


def test_the_gradient_is_the_weighted_sum_of_each_signals_own():
    """Through shared weights: all four signals and the anchor at once, and each alone."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    inputs = torch.randn(10, 6, generator=generator, dtype=torch.float64)
    teacher = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    pair = {"ids": (0, 0), "wanted": (0, 1)}
    examples = [
        Example(**pair, signal="imitation", credit=(1.0, 0.5), targets=(0, 1)),
        Example(**pair, signal="transition", credit=(0.2, 0.0), targets=(2, 1)),
        Example(**pair, signal="reward", credit=(1.5, -0.5), targets=(3, 1), sampled=(0.0, -1.0)),
        Example(**pair, signal="distillation", credit=(1.0, 1.0), top=top_of(teacher, 2)),
        Example(**pair, signal="anchor", credit=(1.0, 1.0), teacher=teacher.log_softmax(-1)),
    ]
    alphas = {"imitation": 1.0, "transition": 0.3, "reward": 2.0, "distillation": 0.7, "anchor": 0.1}
    counts = normalisers(examples)
    assert counts == {"imitation": 2, "transition": 1, "reward": 2, "distillation": 2, "anchor": 2}

    def gradient(chosen: dict[str, float]) -> Tensor:
        leaf = weights.clone().requires_grad_()
        total(losses(examples, inputs @ leaf), counts, chosen).backward()
        assert leaf.grad is not None
        return leaf.grad

    off = dict.fromkeys(alphas, 0.0)
    alone = {signal: gradient({**off, signal: 1.0}) for signal in alphas}
    assert all(part.abs().max() > 1e-3 for part in alone.values()), "every signal pulls"
    assert torch.allclose(gradient(alphas), sum(alphas[signal] * part for signal, part in alone.items()))
    assert torch.equal(gradient(off), torch.zeros_like(weights))
