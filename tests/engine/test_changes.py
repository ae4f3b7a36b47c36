"""What changes a frozen layer's outputs for all slots at once, our operator or grouped products, against torch's own
products, slot by slot, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from liveoak.adapters import Layout, Slot
from liveoak.adapters.grouped import WIDE, Grouping, groups
from liveoak.adapters.lowrank import How, Looped, Ours, Part, adapted, add
from liveoak.adapters.products import Product
from liveoak.adapters.slots import Target
from liveoak.config import load_settings
from liveoak.engine import kernels

CPU = torch.device("cpu")
APART = {torch.float32: 2e-5, torch.bfloat16: 2e-2}
"""By how much of their largest figure two results may differ."""
at_once = pytest.mark.parametrize(("how", "wide"), [(lambda: Ours, 1), (Grouping, WIDE)], ids=["ours", "grouped"])
"""With what widths must be a multiple of."""


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

    def run(self, lengths: list[tuple[int, int]], x: Tensor, grad: Tensor, how: How) -> list[Tensor]:
        """Outputs, the gradient of the inputs, and those of the slots. `lengths`: a slot (or none), tokens."""
        parts: list[Part] = []
        for number, length in lengths:
            start = parts[-1].end if parts else 0
            parts.append(Part(start, start + length, self.slots[number] if number < len(self.slots) else None))
        leaf = x.to(self.dtype, copy=True).requires_grad_()
        y = adapted(leaf, self.product, parts, 0, how)
        y.backward(grad.to(self.dtype))
        assert leaf.grad is not None
        plain = torch.zeros_like(y, requires_grad=False)
        add(leaf.detach(), plain, parts, 0, how)
        return [y.detach(), plain, leaf.grad, *(slot.gradient for slot in self.slots if slot.gradient is not None)]


@at_once
@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(list(APART)),
    inputs=st.integers(1, 70),
    outputs=st.integers(1, 70),
    ranks=st.lists(st.integers(1, 21), min_size=3, max_size=3),
    lengths=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), min_size=1, max_size=6),
)
def test_figures_are_those_of_torch(
    how: Callable[[], How],
    wide: int,
    dtype: torch.dtype,
    inputs: int,
    outputs: int,
    ranks: list[int],
    lengths: list[tuple[int, int]],
) -> None:
    """Slots of any rank, in any order and more than once, with tokens of the prior among them."""
    inputs, outputs = (wide * math.ceil(size / wide) for size in (inputs, outputs))
    tokens = sum(length for _, length in lengths)
    x, grad = random(tokens, inputs, seed=60), random(tokens, outputs, seed=61)
    found = Layer(inputs, outputs, ranks, dtype).run(lengths, x, grad, how())
    expected = Layer(inputs, outputs, ranks, torch.float64).run(lengths, x, grad, Looped)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one.double() - other).abs().max() <= APART[dtype] * other.abs().max().clamp(min=1)


@at_once
@pytest.mark.parametrize("dtype", APART)
def test_a_slot_feels_nothing_of_others_by_a_bit(how: Callable[[], How], wide: int, dtype: torch.dtype) -> None:
    lengths = [(0, 30), (2, 9), (0, 5), (1, 40)]
    x, grad = random(84, 24, seed=60), random(84, 32 + wide, seed=61)
    alone = Layer(24, 32 + wide, [16, 4, 8], dtype)
    disturbed = Layer(24, 32 + wide, [16, 4, 8], dtype)
    disturbed.slots[2].master.fill_(float("nan"))
    disturbed.slots[2].publish()
    found, other = (layer.run(lengths, x, grad, how()) for layer in (alone, disturbed))
    mine = torch.cat([torch.arange(30), torch.arange(39, 84)])
    for one, two in zip(found[:3], other[:3], strict=True):
        assert torch.equal(one[mine], two[mine])
    assert torch.equal(found[3], other[3])
    assert not torch.isfinite(other[4]).all()


@pytest.mark.parametrize(
    ("capability", "dtype", "width", "taken"),
    [
        ((9, 0), torch.bfloat16, 24, True),
        ((10, 0), torch.bfloat16, 24, True),
        ((8, 0), torch.bfloat16, 24, False),
        ((9, 0), torch.float32, 24, False),
        ((9, 0), torch.bfloat16, 20, False),
    ],
)
def test_changes_are_grouped_where_there_is_a_kernel_for_it(
    capability: tuple[int, int], dtype: torch.dtype, width: int, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: capability)
    layout = Layout((Target(name="layer", inputs=16, outputs=width),))
    assert groups(layout, dtype, torch.device("cuda", 0)) is taken
    assert not groups(layout, dtype, CPU)


def test_slots_that_come_again_stay_side_by_side_until_they_change() -> None:
    layer, grouping = Layer(8, 8, [3, 9], torch.bfloat16), Grouping()
    parts = [Part(0, 2, layer.slots[0]), Part(2, 3, layer.slots[1])]
    x = random(3, 8, seed=60)

    def changed() -> tuple[Tensor, Tensor]:
        y = torch.zeros(3, 8, dtype=torch.bfloat16)
        add(x, y, parts, 0, grouping)
        return y, grouping._together.weights(0)[0]  # type: ignore[union-attr] # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]

    first, second = changed(), changed()
    assert second[1] is first[1] and torch.equal(second[0], first[0])
    layer.slots[1].master.zero_()
    layer.slots[1].publish()
    third = changed()
    assert torch.equal(third[0][:2], first[0][:2]) and third[0][2].count_nonzero() == 0


def test_what_was_put_side_by_side_for_scores_serves_a_pass_with_gradients() -> None:
    layer, grouping = Layer(8, 8, [3], torch.bfloat16), Grouping()
    parts, x = [Part(0, 3, layer.slots[0])], random(3, 8, seed=60)
    with torch.inference_mode():
        add(x, torch.zeros(3, 8, dtype=torch.bfloat16), parts, 0, grouping)
    leaf = x.clone().requires_grad_()
    adapted(leaf, layer.product, parts, 0, grouping).sum().backward()
    assert leaf.grad is not None and leaf.grad.count_nonzero() > 0
    assert layer.slots[0].gradient is not None and layer.slots[0].gradient.count_nonzero() > 0
