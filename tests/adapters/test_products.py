"""A weight in the products' own order gives what torch's products give."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import tiny_engine

from liveoak.adapters import Bank, bank
from liveoak.adapters.products import Product, has_order

packs = pytest.mark.skipif(
    not has_order(), reason="this processor, or this torch, has no order of its own for bfloat16"
)


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(torch.bfloat16)


@packs
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 70), st.integers(1, 50), st.booleans(), st.integers(0, 9))
def test_products_are_the_same(rows: int, inputs: int, outputs: int, biased: bool, seed: int) -> None:
    weight, bias = random(outputs, inputs, seed=seed), random(outputs, seed=seed + 1) if biased else None
    product = Product(weight, bias)
    x, grad = random(1, rows, inputs, seed=seed + 2), random(rows, outputs, seed=seed + 3)
    before = product.there(x), product.back(grad)
    assert torch.equal(before[0], F.linear(x, weight, bias)) and torch.equal(before[1], grad @ weight)
    with torch.no_grad():
        product.pack()
        after = product.there(x), product.back(grad)
    for found, expected in zip(after, before, strict=True):
        assert torch.allclose(found.float(), expected.float(), rtol=2e-2, atol=1e-2 * float(expected.abs().max()))


@packs
def test_only_small_priors_in_bfloat16_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    def packed(own: Bank) -> bool:
        with torch.no_grad():
            own.pack()
        return all(layer.product._packed is not None for layer in own._layers)  # pyright: ignore[reportPrivateUsage]

    assert packed(tiny_engine(dtype=torch.bfloat16).bank)
    assert not packed(tiny_engine(dtype=torch.float32).bank)
    monkeypatch.setattr(bank, "MOST_PACKED", 1000)
    assert not packed(tiny_engine(dtype=torch.bfloat16).bank)


def test_where_there_is_no_order_the_products_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "has_order", lambda: False)
    own = tiny_engine(dtype=torch.bfloat16).bank
    own.pack()
    assert all(layer.product._packed is None for layer in own._layers)  # pyright: ignore[reportPrivateUsage]
