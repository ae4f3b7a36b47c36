"""The operator that changes a frozen layer's outputs, against torch's own products in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from liveoak.adapters import Layout, Slot
from liveoak.adapters.lowrank import Part, adapted, add
from liveoak.adapters.products import Product
from liveoak.adapters.slots import Target
from liveoak.config import load_settings
from liveoak.engine import kernels

CPU = torch.device("cpu")
APART = {torch.float32: 2e-5, torch.bfloat16: 2e-2}
"""By how much of their largest figure two results may differ."""


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    kernels.load(load_settings().cache)


def random(*shape: int, seed: int) -> Tensor:
    """Numbers that bfloat16 holds."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16()


class Layer:
    """A frozen layer of one number format and slots over it."""

    def __init__(self, inputs: int, outputs: int, ranks: list[int], dtype: torch.dtype) -> None:
        layout = Layout((Target(name="layer", inputs=inputs, outputs=outputs),))
        self.product = Product(random(outputs, inputs, seed=50).to(dtype), None)
        self.slots = [Slot(layout, rank=rank, alpha=1.5 * rank, dtype=dtype, device=CPU) for rank in ranks]
        for number, slot in enumerate(self.slots):
            slot.master.copy_(random(*slot.master.shape, seed=number))
            slot.publish()
            if number != 1:  # one is closed for gradients
                slot.train()
        self.dtype = dtype

    def run(self, lengths: list[tuple[int, int]], x: Tensor, grad: Tensor, *, fused: bool) -> list[Tensor]:
        """Outputs, the gradient of the inputs, and those of the slots. `lengths`: a slot (or none), tokens."""
        parts: list[Part] = []
        for number, length in lengths:
            start = parts[-1].end if parts else 0
            parts.append(Part(start, start + length, self.slots[number] if number < len(self.slots) else None))
        leaf = x.to(self.dtype, copy=True).requires_grad_()
        y = adapted(leaf, self.product, parts, 0, fused=fused)
        y.backward(grad.to(self.dtype))
        assert leaf.grad is not None
        plain = torch.zeros_like(y, requires_grad=False)
        add(leaf.detach(), plain, parts, 0, fused=fused)
        return [y.detach(), plain, leaf.grad, *(slot.gradient for slot in self.slots if slot.gradient is not None)]


@settings(max_examples=80, deadline=None)
@given(
    dtype=st.sampled_from(list(APART)),
    inputs=st.integers(1, 70),
    outputs=st.integers(1, 70),
    ranks=st.lists(st.integers(1, 21), min_size=3, max_size=3),
    lengths=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), min_size=1, max_size=6),
)
def test_figures_are_those_of_torch(
    dtype: torch.dtype, inputs: int, outputs: int, ranks: list[int], lengths: list[tuple[int, int]]
) -> None:
    """Slots of any rank, in any order and more than once, with tokens of the prior among them."""
    tokens = sum(length for _, length in lengths)
    x, grad = random(tokens, inputs, seed=60), random(tokens, outputs, seed=61)
    found = Layer(inputs, outputs, ranks, dtype).run(lengths, x, grad, fused=True)
    expected = Layer(inputs, outputs, ranks, torch.float64).run(lengths, x, grad, fused=False)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one.double() - other).abs().max() <= APART[dtype] * other.abs().max().clamp(min=1)


@pytest.mark.parametrize("dtype", APART)
def test_a_slot_feels_nothing_of_others_by_a_bit(dtype: torch.dtype) -> None:
    lengths = [(0, 30), (2, 9), (0, 5), (1, 40)]
    x, grad = random(84, 20, seed=60), random(84, 33, seed=61)
    alone = Layer(20, 33, [16, 4, 8], dtype)
    disturbed = Layer(20, 33, [16, 4, 8], dtype)
    disturbed.slots[2].master.fill_(float("nan"))
    disturbed.slots[2].publish()
    found, other = (layer.run(lengths, x, grad, fused=True) for layer in (alone, disturbed))
    mine = torch.cat([torch.arange(30), torch.arange(39, 84)])
    for one, two in zip(found[:3], other[:3], strict=True):
        assert torch.equal(one[mine], two[mine])
    assert torch.equal(found[3], other[3])
    assert not torch.isfinite(other[4]).all()
