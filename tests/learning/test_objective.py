"""One objective: each term by hand, the imitation theorem, and normalisers that keep signals apart."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from liveoak.errors import LearningError
from liveoak.learning.objective import ANCHOR, Example, cut, losses, normalisers, total


def example(signal: str, targets: tuple[int, ...], credit: tuple[float, ...] | None = None) -> Example:
    places = tuple(range(len(targets)))
    return Example(
        signal=signal, ids=(0,) * len(targets), wanted=places, credit=credit or (1.0,) * len(targets), targets=targets
    )


def toward(signal: str, teacher: list[list[float]], credit: tuple[float, ...]) -> Example:
    rows = torch.tensor(teacher).log()
    places = tuple(range(len(teacher)))
    return Example(signal=signal, ids=(0,) * len(teacher), wanted=places, credit=credit, teacher=rows)


def objective(examples: list[Example], logits: Tensor, **alphas: float) -> Tensor:
    return total(losses(examples, logits), normalisers(examples), alphas)


# Probabilities (1/2, 1/4, 1/4) and (1/8, 1/8, 3/4), up to a constant that softmax drops.
LOGITS = torch.tensor([[1.0, 0.5, 0.5], [0.25, 0.25, 1.5]]).log() + 7.0


def test_imitation_is_the_mean_surprise_of_its_targets():
    found = objective([example("imitation", (0, 2))], LOGITS)
    assert found.item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_credit_weighs_and_the_number_of_tokens_normalises():
    found = objective([example("imitation", (0, 2), (3.0, 1.0))], LOGITS)
    assert found.item() == pytest.approx((3 * math.log(2) + math.log(4 / 3)) / 2)


def test_what_is_likely_enough_costs_what_enough_does_and_pulls_nowhere():
    # The targets' probabilities are 1/2 and 3/4: with 0.6 enough, the second is.
    logits = LOGITS.clone().requires_grad_()
    held = replace(example("winners", (0, 2)), enough=-math.log(0.6))
    found = objective([held], logits)
    found.backward()
    assert found.item() == pytest.approx((math.log(2) - math.log(0.6)) / 2)
    plain = LOGITS.clone().requires_grad_()
    objective([example("winners", (0, 2))], plain).backward()
    assert logits.grad is not None and plain.grad is not None
    assert torch.equal(logits.grad[0], plain.grad[0]) and not logits.grad[1].any()
    # The same example where it comes in two slices.
    pieces = [cut(held, 0, 1), cut(held, 1, 2)]
    assert objective(pieces, LOGITS).item() == pytest.approx(found.item())


def test_small_credit_stays_small():
    whole = objective([example("transition", (0, 2))], LOGITS)
    assert objective([example("transition", (0, 2), (0.01, 0.01))], LOGITS).item() == pytest.approx(0.01 * whole.item())


def test_negative_credit_pushes_away_and_counts_as_a_token():
    found = objective([example("reward", (0, 2), (1.0, -1.0))], LOGITS)
    assert found.item() == pytest.approx((math.log(2) - math.log(4 / 3)) / 2)


@pytest.mark.parametrize("signal", ["imitation", "transition", "distillation", ANCHOR])
def test_only_a_reward_may_push_away(signal: str):
    with pytest.raises(LearningError, match=rf"the credit of signal '{signal}' is -0.5; only that of 'reward'"):
        normalisers([example("imitation", (0,)), example(signal, (0, 1), (1.0, -0.5))])


@pytest.mark.parametrize("credit", [math.nan, math.inf, -math.inf])
def test_credit_is_a_number(credit: float):
    with pytest.raises(LearningError, match="expected a finite number"):
        normalisers([example("reward", (0, 1), (1.0, credit))])


def test_distillation_is_the_divergence_from_the_teacher():
    # KL((1/2, 1/2, 0) || (1/2, 1/4, 1/4)) = 1/2 log 1 + 1/2 log 2; a teacher may rule tokens out.
    found = objective([toward("distillation", [[0.5, 0.5, 0.0]], (1.0,))], LOGITS[:1])
    assert found.item() == pytest.approx(math.log(2) / 2)


def test_a_teacher_that_agrees_costs_nothing_and_pulls_nowhere():
    logits = LOGITS.clone().requires_grad_()
    agreed = Example(
        signal="distillation", ids=(0, 0), wanted=(0, 1), credit=(1.0, 1.0), teacher=LOGITS.log_softmax(-1)
    )
    found = objective([agreed], logits)
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert logits.grad.abs().max().item() < 1e-6


def test_the_same_example_twice_counts_twice():
    taught = toward("distillation", [[0.5, 0.5, 0.0], [0.1, 0.1, 0.8]], (1.0, 1.0))
    once = losses([taught], LOGITS[:2])["distillation"]
    assert losses([taught, taught], LOGITS[[0, 1, 0, 1]])["distillation"] == pytest.approx(float(2 * once))


def test_a_teacher_in_half_precision_serves():
    teacher = LOGITS.log_softmax(-1).half()
    anchor = Example(signal=ANCHOR, ids=(0, 0), wanted=(0, 1), credit=(1.0, 1.0), teacher=teacher)
    sums = losses([anchor], LOGITS)
    assert sums[ANCHOR].item() == pytest.approx(0, abs=2e-3)


def test_signals_have_weights_and_normalisers_of_their_own():
    examples = [example("imitation", (0,)), example("transition", (2,)), toward(ANCHOR, [[0.5, 0.25, 0.25]], (1.0,))]
    logits = torch.cat([LOGITS[:1], LOGITS[1:], LOGITS[1:]])
    kl = 0.5 * math.log(4) + 0.25 * math.log(2) + 0.25 * math.log(1 / 3)
    found = objective(examples, logits, transition=0.5, anchor=2.0)
    assert found.item() == pytest.approx(math.log(2) + 0.5 * math.log(4 / 3) + 2 * kl)


def test_a_thousand_tokens_of_one_signal_leave_the_gradient_of_ten_of_another():
    generator = torch.Generator().manual_seed(0)
    ten = torch.randn(10, 5, generator=generator)
    thousand = torch.randn(1000, 5, generator=generator)

    def gradient(many: int) -> Tensor:
        leaf = ten.clone().requires_grad_()
        examples = [example("reward", (1,) * 10), *([example("transition", (2,) * many)] if many else [])]
        objective(examples, torch.cat([leaf, thousand[:many]])).backward()
        assert leaf.grad is not None
        return leaf.grad

    assert torch.equal(gradient(0), gradient(1000))
    assert gradient(1000).abs().max() > 1e-3


@pytest.mark.parametrize("vocabulary", [2, 3, 7])
def test_imitation_is_the_policy_gradient_of_one_token_episodes(vocabulary: int):
    """For an action a ~ p with reward 1[a = y] / p(y), the expected policy gradient is that of cross-entropy.

    Exactly, by summing over all actions: E[r * d log p(a)] = p(y) * 1/p(y) * d log p(y).
    """
    generator = torch.Generator().manual_seed(vocabulary)
    for y in range(vocabulary):
        logits = torch.randn(vocabulary, generator=generator, dtype=torch.float64).requires_grad_()
        p = logits.detach().softmax(-1)
        reward = torch.zeros(vocabulary, dtype=torch.float64)
        reward[y] = 1 / p[y]
        # The score-function estimator of the loss, averaged over its own actions: sampling is not differentiated.
        expected = -(p * reward * logits.log_softmax(-1)).sum()
        (policy,) = torch.autograd.grad(expected, logits)
        (imitated,) = torch.autograd.grad(objective([example("imitation", (y,))], logits.unsqueeze(0)), logits)
        assert torch.allclose(policy, imitated, rtol=1e-12, atol=1e-14)
        assert torch.allclose(imitated, p - torch.nn.functional.one_hot(torch.tensor(y), vocabulary), atol=1e-12)


def test_the_reward_form_of_imitation_is_the_same_objective():
    """The same through the reward term: credit p(a) r(a) on every action of a one-token episode."""
    logits = LOGITS[1:].double().requires_grad_()
    p = logits.detach().softmax(-1)[0]
    y = 0
    actions = [
        Example(signal="reward", ids=(0,), wanted=(0,), credit=(float(p[a] * (a == y) / p[y]),), targets=(a,))
        for a in range(3)
    ]
    sums = losses(actions, logits.expand(3, 3))
    (by_reward,) = torch.autograd.grad(total(sums, normalisers(actions), {}), logits)
    (imitated,) = torch.autograd.grad(objective([example("imitation", (y,))], logits), logits)
    assert torch.allclose(by_reward, imitated)


def test_a_step_without_credit_is_refused():
    for nothing in (
        [],
        [example("imitation", (0, 1), (0.0, 0.0))],
        [toward(ANCHOR, [[0.5, 0.25, 0.25]], (1.0,))],
    ):
        with pytest.raises(LearningError, match="no token has credit"):
            normalisers(nothing)


def test_a_signal_without_credit_is_left_out_and_divides_by_nothing():
    examples = [example("imitation", (0,)), example("transition", (2,), (0.0,))]
    assert normalisers(examples) == {"imitation": 1.0}
    assert objective(examples, LOGITS).item() == pytest.approx(math.log(2))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["imitation", "transition", "reward"]),
            st.lists(st.tuples(st.integers(0, 3), st.floats(0.1, 2)), min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 5),
)
def test_pieces_add_up_to_the_whole(drafts: list[tuple[str, list[tuple[int, float]]]], cut: int):
    examples = [
        example(signal, tuple(target for target, _ in tokens), tuple(weight for _, weight in tokens))
        for signal, tokens in drafts
    ]
    rows = sum(len(one.wanted) for one in examples)
    logits = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = normalisers(examples)
    whole = total(losses(examples, logits), counts, {"reward": 0.3})
    parts = 0.0
    start = 0
    for first in range(0, len(examples), cut):
        piece = examples[first : first + cut]
        size = sum(len(one.wanted) for one in piece)
        parts += float(total(losses(piece, logits[start : start + size]), counts, {"reward": 0.3}))
        start += size
    assert parts == pytest.approx(float(whole))
