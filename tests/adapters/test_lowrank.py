"""The slotted layer's own backward pass, against what autograd makes of the formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from liveoak.adapters import Layout, Slot
from liveoak.adapters.lowrank import Looped, Part, adapted
from liveoak.adapters.products import Product
from liveoak.adapters.slots import Target

INPUTS, OUTPUTS = 5, 7


def slot(rank: int, alpha: float, seed: int, dtype: torch.dtype = torch.float64) -> Slot:
    layout = Layout((Target(name="layer", inputs=INPUTS, outputs=OUTPUTS),))
    made = Slot(layout, rank=rank, alpha=alpha, dtype=dtype, device=torch.device("cpu"))
    made.master.copy_(torch.randn(made.master.shape, generator=torch.Generator().manual_seed(seed)))
    made.publish()
    return made


def by_formula(x: Tensor, weight: Tensor, bias: Tensor | None, parts: list[Part], leaves: list[Tensor]) -> Tensor:
    """y = x W' + bias + scale (x a') b', row by row, left to autograd."""
    pieces: list[Tensor] = []
    pairs = iter(leaves)
    for part in parts:
        own = x[part.start : part.end]
        y = own @ weight.t() + (0 if bias is None else bias)
        if part.slot is not None:
            a, b = next(pairs), next(pairs)
            y = y + part.slot.scale * (own @ a.t()) @ b.t()
        pieces.append(y)
    return torch.cat(pieces)


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_gradients_are_those_of_the_formula(biased: bool, first: bool) -> None:
    """Two slots of other ranks, a frozen one and the prior; in the first layer the input has no gradient."""
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.randn(11, n, generator=generator, dtype=torch.float64) for n in (INPUTS, OUTPUTS))
    weight = torch.randn(OUTPUTS, INPUTS, generator=generator, dtype=torch.float64)
    bias = torch.randn(OUTPUTS, generator=generator, dtype=torch.float64) if biased else None
    one, two, frozen = slot(3, 5.0, 1), slot(2, 4.0, 2), slot(4, 1.0, 3)
    parts = [Part(0, 4, one), Part(4, 5, None), Part(5, 8, frozen), Part(8, 11, two)]
    leaves = [w.clone().requires_grad_() for part in parts if part.slot is not None for w in part.slot.pairs[0]]
    theirs = x.clone().requires_grad_(not first)
    expected = by_formula(theirs, weight, bias, parts, leaves)
    expected.backward(g)
    one.train()
    two.train()
    ours = x.clone().requires_grad_(not first)
    for times in (1, 2):
        found = adapted(ours, Product(weight, bias), parts, 0, Looped)
        found.backward(g)
        assert torch.allclose(found, expected)
        for trained, (a, b) in ((one, leaves[:2]), (two, leaves[4:])):
            grad_a, grad_b = trained.gradient_pairs[0]
            assert a.grad is not None and b.grad is not None
            assert torch.allclose(grad_a, times * a.grad)
            assert torch.allclose(grad_b, times * b.grad)
    assert frozen.gradient is None
    if first:
        assert ours.grad is None
    else:
        assert ours.grad is not None and theirs.grad is not None
        assert torch.allclose(ours.grad, 2 * theirs.grad)


def test_slices_add_up_beyond_the_priors_number_format() -> None:
    """257 gradients of 1 are 256 in bfloat16, which has eight binary digits."""
    trained = slot(1, 1.0, 0, torch.bfloat16)
    trained.master.fill_(1)
    trained.publish()
    trained.train()
    x = torch.ones(1, INPUTS, dtype=torch.bfloat16)
    weight = torch.zeros(OUTPUTS, INPUTS, dtype=torch.bfloat16)
    g = torch.zeros(1, OUTPUTS, dtype=torch.bfloat16)
    g[0, 0] = 1
    for _ in range(257):
        adapted(x, Product(weight, None), [Part(0, 1, trained)], 0, Looped).backward(g)
    grad_a, _ = trained.gradient_pairs[0]
    assert grad_a.tolist() == [[257.0] * INPUTS]


def test_a_second_derivative_is_refused() -> None:
    trained = slot(2, 2.0, 1)
    trained.train()
    x = torch.ones(2, INPUTS, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(OUTPUTS, INPUTS, dtype=torch.float64)
    (grad,) = torch.autograd.grad(
        adapted(x, Product(weight, None), [Part(0, 2, trained)], 0, Looped).square().sum(), x, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()
