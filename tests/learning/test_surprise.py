"""Our operator of cross-entropy against sums in float64, forward and back."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liveoak.config import load_settings
from liveoak.engine import kernels
from liveoak.learning.terms import surprise

FORMATS = {torch.float32: 2e-6, torch.bfloat16: 4e-3}
"""Number formats, with the share of its own size that rounding may move a number of the gradient by. Losses are float32
either way."""
formats = st.sampled_from(list(FORMATS))


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    kernels.load(load_settings().cache)


def drawn(rows: int, size: int, spread: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((rows, size), generator=generator) * spread + 5 * spread
    return logits, torch.randint(size, (rows,), generator=generator)


@settings(max_examples=80, deadline=None)
@given(formats, st.integers(1, 9), st.integers(1, 70), st.sampled_from([0.1, 3.0, 40.0]), st.integers(0, 9))
def test_losses_and_gradients_are_those_of_float64(
    dtype: torch.dtype, rows: int, size: int, spread: float, seed: int
) -> None:
    drawn_logits, targets = drawn(rows, size, spread, seed)
    logits = drawn_logits.to(dtype).requires_grad_()
    credit = torch.linspace(-1, 2, rows)
    found = surprise(logits, targets)
    (found * credit).sum().backward()
    exact = logits.detach().double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact, targets, reduction="none")
    (expected * credit).sum().backward()
    assert found.dtype is torch.float32
    assert torch.allclose(found.double(), expected, rtol=1e-6, atol=1e-5 * spread)
    assert logits.grad is not None and exact.grad is not None and logits.grad.dtype is dtype
    # The sum of exponentials is known to float32, as is a logit's distance from its logarithm.
    assert torch.allclose(logits.grad.double(), exact.grad, rtol=FORMATS[dtype], atol=1e-5)


@given(formats, st.integers(0, 5))
@settings(max_examples=10, deadline=None)
def test_a_row_is_the_same_to_the_bit_whatever_stands_beside_it(dtype: torch.dtype, row: int) -> None:
    drawn_logits, targets = drawn(6, 49, 3.0, 1)
    together = drawn_logits.to(dtype).requires_grad_()
    surprise(together, targets).sum().backward()
    alone = together.detach()[row : row + 1].clone().requires_grad_()
    loss = surprise(alone, targets[row : row + 1])
    loss.sum().backward()
    assert loss.equal(surprise(together, targets)[row : row + 1])
    assert together.grad is not None and alone.grad is not None
    assert alone.grad.equal(together.grad[row : row + 1])


@pytest.mark.parametrize("dtype", FORMATS)
def test_what_is_no_number_stays_none_in_its_row(dtype: torch.dtype) -> None:
    drawn_logits, targets = drawn(3, 40, 1.0, 2)
    drawn_logits[1, 7] = math.nan
    logits = drawn_logits.to(dtype).requires_grad_()
    found = surprise(logits, targets)
    found.sum().backward()
    assert logits.grad is not None
    assert found.isnan().tolist() == [False, True, False]
    assert logits.grad.isnan().any(1).tolist() == [False, True, False]


def test_the_operator_is_what_runs() -> None:
    logits, targets = drawn(2, 20, 1.0, 3)
    found = surprise(logits.requires_grad_(), targets)
    assert found.grad_fn is not None and "OurSurprise" in type(found.grad_fn).__name__
