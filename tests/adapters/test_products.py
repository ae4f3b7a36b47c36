"""A weight in the products' own order gives what torch's products give."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import tiny_engine

from liveoak.adapters import Bank, bank, frozen
from liveoak.adapters.products import Order, Panels, Product, Reordered, order_for
from liveoak.config import load_settings
from liveoak.engine import kernels

ORDERS: list[tuple[torch.dtype, type[Order]]] = [
    (torch.float32, Panels),
    (torch.bfloat16, Panels),
    *([(torch.bfloat16, Reordered)] if Reordered.is_known() else []),
]
FORMATS = [dtype for dtype in (torch.float32, torch.bfloat16) if order_for(dtype) is not None]


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    kernels.load(load_settings().cache)


def random(*shape: int, seed: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ORDERS),
    st.integers(1, 40),
    st.integers(1, 70),
    st.integers(1, 50),
    st.booleans(),
    st.integers(0, 9),
)
def test_products_are_the_same(
    kept: tuple[torch.dtype, type[Order]], rows: int, inputs: int, outputs: int, biased: bool, seed: int
) -> None:
    dtype, order = kept
    weight = random(outputs, inputs, seed=seed, dtype=dtype)
    bias = random(outputs, seed=seed + 1, dtype=dtype) if biased else None
    product = Product(weight, bias)
    x, grad = random(1, rows, inputs, seed=seed + 2, dtype=dtype), random(rows, outputs, seed=seed + 3, dtype=dtype)
    before = product.there(x), product.back(grad)
    assert torch.equal(before[0], F.linear(x, weight, bias)) and torch.equal(before[1], grad @ weight)
    with torch.no_grad():
        product.pack(order)
        after = product.there(x), product.back(grad)
        product.pack(None)
    assert torch.equal(product.there(x), before[0]) and torch.equal(product.back(grad), before[1])
    near = 2e-2 if dtype is torch.bfloat16 else 1e-5
    for found, expected in zip(after, before, strict=True):
        assert torch.allclose(found.float(), expected.float(), rtol=near, atol=near * float(expected.abs().max()))


def test_a_frozen_product_hands_its_gradient_back() -> None:
    product = Product(random(5, 3, seed=1, dtype=torch.float64), random(5, seed=2, dtype=torch.float64))
    x = random(4, 3, seed=3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda one: frozen(one, product), (x.requires_grad_(),))


def packed(own: Bank) -> bool:
    with torch.no_grad():
        own.pack()
    found = {product._order is not None for product in own.products}  # pyright: ignore[reportPrivateUsage]
    assert len(found) == 1, "all of them or none"
    return found.pop()


def test_only_small_priors_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(packed(tiny_engine(dtype=dtype).bank) for dtype in FORMATS)
    assert not packed(tiny_engine(dtype=torch.float64).bank)
    monkeypatch.setattr(bank, "MOST_PACKED", 1000)
    assert not packed(tiny_engine(dtype=FORMATS[0]).bank)
    with_half = tiny_engine(dtype=torch.float32)
    for parameter in with_half.model.parameters():
        parameter.copy_(parameter.bfloat16())
    assert packed(with_half.bank), "in half of the bytes it is no question of room"


def test_where_there_is_no_order_the_products_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "order_for", lambda _: None)
    assert not packed(tiny_engine(dtype=torch.bfloat16).bank)
