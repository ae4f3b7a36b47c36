"""The decoding kernels against sums in float64, and a row's figures whatever stands beside it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liveoak.adapters.products import Panels
from liveoak.config import load_settings
from liveoak.engine import kernels
from liveoak.errors import Unavailable

FORMATS = {torch.float32: 1e-5, torch.bfloat16: 8e-3}
"""Number formats, with the share of the largest figure that rounding may move one by."""
dtypes = st.sampled_from(list(FORMATS))


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    kernels.load(load_settings().cache)


def random(*shape: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool((found.double() - expected).abs().max() <= FORMATS[found.dtype] * expected.abs().max().clamp(min=1))


Pairs = list[tuple[torch.Tensor, torch.Tensor, float] | None]


def table_of(pairs: Pairs) -> torch.Tensor:
    rows = [
        (0, 0, 0, 0) if pair is None else (pair[0].data_ptr(), pair[1].data_ptr(), len(pair[0]), bits(pair[2]))
        for pair in pairs
    ]
    return torch.tensor(rows)


def bits(scale: float) -> int:
    return int(np.float64(scale).view(np.int64))


@settings(max_examples=60, deadline=None)
@given(dtypes, st.integers(1, 20), st.integers(1, 70), st.integers(1, 23), st.booleans(), st.integers(0, 9))
def test_products_are_those_of_float64(
    dtype: torch.dtype, rows: int, inputs: int, outputs: int, biased: bool, seed: int
) -> None:
    x, weight = random(1, rows, inputs, dtype=dtype, seed=seed), random(outputs, inputs, dtype=dtype, seed=seed + 1)
    bias = random(outputs, dtype=dtype, seed=seed + 2) if biased else None
    ranks = [(0, 1, 16, 21)[(seed + row) % 4] for row in range(rows)]
    pairs: Pairs = [
        (random(rank, inputs, dtype=dtype, seed=rank), random(outputs, rank, dtype=dtype, seed=rank + 1), 0.5)
        if rank
        else None
        for rank in ranks
    ]
    expected = x.double() @ weight.double().t() + (0 if bias is None else bias.double())
    for row, pair in enumerate(pairs):
        if pair is not None:
            expected[0, row] += 0.5 * (x[0, row].double() @ pair[0].double().t()) @ pair[1].double().t()
    found = kernels.linear(x, weight, outputs, bias, table_of(pairs))
    assert close(found, expected)
    for row, pair in enumerate(pairs):
        alone = kernels.linear(x[:, row : row + 1].contiguous(), weight, outputs, bias, table_of([pair]))
        assert torch.equal(alone[0, 0], found[0, row])


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.integers(1, 20), st.integers(90, 110)),
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from(
        [(torch.float32, torch.float32), (torch.float32, torch.bfloat16), (torch.bfloat16, torch.bfloat16)]
    ),
    st.booleans(),
    st.integers(0, 9),
)
def test_panels_give_the_products_of_float64(
    rows: int, inputs: int, outputs: int, formats: tuple[torch.dtype, torch.dtype], biased: bool, seed: int
) -> None:
    dtype, numbers = formats
    x = random(1, rows, inputs, dtype=dtype, seed=seed)
    weight = random(outputs, inputs, dtype=numbers, seed=seed + 1).to(dtype)
    bias = random(outputs, dtype=dtype, seed=seed + 2) if biased else None
    kept = Panels(weight, transposed=False)
    assert kept.kept.dtype is (torch.int32 if numbers is torch.bfloat16 else torch.float32)
    a, b = random(5, inputs, dtype=dtype, seed=3), random(outputs, 5, dtype=dtype, seed=4)
    slots = table_of([(a, b, 2.0) if row % 2 else None for row in range(rows)])
    expected = x.double() @ weight.double().t() + (0 if bias is None else bias.double())
    assert close(kept.times(x, bias), expected)
    expected[0, 1::2] += 2.0 * (x[0, 1::2].double() @ a.double().t()) @ b.double().t()
    found = kernels.linear(x, kept.kept, outputs, bias, slots)
    assert close(found, expected)
    for row in {0, rows // 2, rows - 1}:
        own = kernels.linear(x[:, row : row + 1].contiguous(), kept.kept, outputs, bias, slots[row : row + 1])
        assert torch.equal(own[0, 0], found[0, row])
    grad = random(rows, outputs, dtype=dtype, seed=seed + 3)
    assert close(Panels(weight, transposed=True).times(grad, None), grad.double() @ weight.double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_panels_keep_what_is_no_number(dtype: torch.dtype) -> None:
    weight = torch.full((3, 2), 1.0, dtype=dtype)
    weight[1, 0] = math.nan
    found = Panels(weight, transposed=False).times(torch.ones(1, 2, dtype=dtype), None)
    assert found[0].isnan().tolist() == [False, True, False] and found[0, 0] == 2


def test_a_row_with_an_odd_number_of_inputs_does_not_meet_the_next_one() -> None:
    x = torch.ones(2, 3, dtype=torch.bfloat16)
    x[1, 0] = math.inf
    found = Panels(torch.ones(4, 3, dtype=torch.bfloat16), transposed=False).times(x, None)
    assert found[0].tolist() == [3.0] * 4 and found[1].isinf().all()


def test_a_slot_of_zeros_adds_nothing_and_a_damaged_one_stays_in_its_row() -> None:
    x, weight = random(3, 40, dtype=torch.bfloat16, seed=1), random(12, 40, dtype=torch.bfloat16, seed=2)
    plain = kernels.linear(x, weight, 12, None, None)
    a = random(17, 40, dtype=torch.bfloat16, seed=3)
    zero, broken = torch.zeros(12, 17, dtype=torch.bfloat16), torch.full((12, 17), math.nan, dtype=torch.bfloat16)
    assert torch.equal(kernels.linear(x, weight, 12, None, table_of([(a, zero, 2.0), None, (a, zero, 2.0)])), plain)
    found = kernels.linear(x, weight, 12, None, table_of([None, (a, broken, 2.0), None]))
    assert torch.equal(found[[0, 2]], plain[[0, 2]])
    assert found[1].isnan().all()


@settings(max_examples=60, deadline=None)
@given(
    dtypes,
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.sampled_from([(1, 1), (3, 2), (5, 1)]),
    st.sampled_from([4, 16, 40]),
    st.sampled_from([None, 7]),
    st.sampled_from([None, 1.5]),
)
def test_attention_is_that_of_float64(
    dtype: torch.dtype,
    counts: list[int],
    heads: tuple[int, int],
    size: int,
    window: int | None,
    softcap: float | None,
) -> None:
    share, groups = heads
    rows, total = len(counts), sum(counts)
    keys, values = (random(total + 5, groups, size, dtype=dtype, seed=seed) for seed in (1, 2))
    order = torch.randperm(total, generator=torch.Generator().manual_seed(3))
    places = [part.contiguous() for part in order.split(counts)]
    # As transformers hand them over: heads before tokens, strided.
    query = random(1, rows, share * groups, size, dtype=dtype, seed=4).transpose(1, 2)
    key, value = (random(1, rows, groups, size, dtype=dtype, seed=seed).transpose(1, 2) for seed in (5, 6))
    before = keys.clone()
    table = torch.tensor([(part.data_ptr(), len(part)) for part in places])

    def attend(rows: slice) -> torch.Tensor:
        return kernels.attend(
            query[:, :, rows], key[:, :, rows], value[:, :, rows], keys, values, table[rows].contiguous(),
            scaling=0.3, window=window, softcap=softcap,
        )  # fmt: skip

    found = attend(slice(None))
    for row, part in enumerate(places):
        assert torch.equal(keys[part[-1]], key[0, :, row]) and torch.equal(values[part[-1]], value[0, :, row])
        seen = part if window is None else part[-window:]
        k, v = (store[seen].double().repeat_interleave(share, 1) for store in (keys, values))
        scores = torch.einsum("hd,khd->hk", query[0, :, row].double(), k) * 0.3
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        assert close(found[0, row], torch.einsum("hk,khd->hd", scores.softmax(-1), v))
        assert torch.equal(attend(slice(row, row + 1))[0, 0], found[0, row])
    others = [place for place in range(len(keys)) if place not in [int(part[-1]) for part in places]]
    assert torch.equal(keys[others], before[others])


def test_large_scores_neither_overflow_nor_hide_a_damaged_key() -> None:
    keys, values = torch.zeros(20, 1, 16), random(20, 1, 16, dtype=torch.float32, seed=1)
    keys[7] = 1e4
    query = torch.full((1, 1, 1, 16), 1e4)
    places = torch.arange(20)
    rows = torch.tensor([(places.data_ptr(), 20)])
    one = torch.zeros(1, 1, 1, 16)
    found = kernels.attend(query, one, one, keys, values, rows, scaling=1.0, window=None, softcap=None)
    assert torch.equal(found[0, 0, 0], values[7, 0])
    keys[3] = math.nan
    assert kernels.attend(query, one, one, keys, values, rows, scaling=1.0, window=None, softcap=None).isnan().all()


def test_without_a_compiler_there_are_no_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(Unavailable, match=r"install g\+\+"):
        kernels._build(tmp_path)  # pyright: ignore[reportPrivateUsage]
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho out of luck >&2; exit 3\n")
    broken.chmod(0o755)
    with pytest.raises(Unavailable, match="out of luck"):
        kernels._build(tmp_path)  # pyright: ignore[reportPrivateUsage]
