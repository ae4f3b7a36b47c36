"""What our own operators compute between the products: against float64, against the model's own code, by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import FAMILIES, everywhere, refuse, some_ids, stirred, swift_engine, tiny_engine
from torch import Tensor, nn

from liveoak.config import load_settings
from liveoak.engine import Engine, fused, kernels, stepper
from liveoak.engine.batch import Plan, Row
from liveoak.errors import Unavailable
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import Example
from liveoak.learning.update import Stride, Update, gradients_together

FORMATS = {torch.float32: 2e-5, torch.bfloat16: 2e-2}
"""Number formats, with the share of the largest figure that rounding may move one by."""
dtypes = st.sampled_from(list(FORMATS))


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    kernels.load(load_settings().cache)


def random(*shape: int, dtype: torch.dtype, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def check(ours: Callable[..., Tensor], exact: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    """Values and gradients of `ours` are those of `exact` in float64."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    wide = [x.double().requires_grad_() for x in inputs]
    found, expected = ours(*leaves), exact(*wide)
    assert found.shape == expected.shape and found.dtype is inputs[0].dtype
    grad = random(*expected.shape, dtype=found.dtype, seed=99)
    found.backward(grad)
    expected.backward(grad.double())
    pairs = [(found, expected), *((a.grad, b.grad) for a, b in zip(leaves, wide, strict=True))]
    for one, other in pairs:
        assert one is not None and other is not None
        limit = FORMATS[found.dtype] * other.abs().max().clamp(min=1e-3)
        assert (one.double() - other).abs().max() <= limit


class Norm(nn.Module):
    """Written as transformers' own are."""

    def __init__(self, weight: Tensor, plus: float) -> None:
        super().__init__()
        self.weight, self.eps, self.plus = nn.Parameter(weight, requires_grad=False), 1e-6, plus

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps) * (self.plus + self.weight)).to(x)


@settings(max_examples=40, deadline=None)
@given(dtypes, st.integers(1, 5), st.integers(2, 70), st.sampled_from([0.0, 1.0]), st.integers(0, 9))
def test_norms(dtype: torch.dtype, rows: int, size: int, plus: float, seed: int) -> None:
    own = Norm(random(size, dtype=dtype, seed=seed) + 2, plus)
    exact = Norm(own.weight.double(), plus)
    before = own.forward
    fused.fuse(own)
    assert own.forward is not before, "it was not taken over"
    check(own, exact, [random(1, rows, size, dtype=dtype, seed=seed + 1)])


def activated(gate: Tensor, kind: int) -> Tensor:
    return nn.functional.silu(gate) if kind == fused.SILU else nn.functional.gelu(gate, approximate="tanh")


@settings(max_examples=40, deadline=None)
@given(dtypes, st.sampled_from([fused.SILU, fused.GELU_TANH]), st.integers(1, 5), st.integers(1, 40), st.integers(0, 9))
def test_gates(dtype: torch.dtype, kind: int, rows: int, width: int, seed: int) -> None:
    def ours(gate: Tensor, up: Tensor) -> Tensor:
        found = fused._Gated.apply(gate, up, kind)  # pyright: ignore[reportPrivateUsage]
        assert isinstance(found, Tensor)
        return found

    def exact(gate: Tensor, up: Tensor) -> Tensor:
        return activated(gate, kind) * up

    check(ours, exact, [random(1, rows, width, dtype=dtype, seed=seed + i) * 5 for i in range(2)])


class Gate(nn.Module):
    """Written as transformers' own are."""

    def __init__(self, kind: int | None) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(7, 5), nn.Linear(7, 5), nn.Linear(5, 7)
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gate_proj(x)
        act = nn.functional.relu(gate) if self.kind is None else activated(gate, self.kind)
        return self.down_proj(act * self.up_proj(x))


@pytest.mark.parametrize("kind", [fused.SILU, fused.GELU_TANH])
def test_gates_are_taken_over(kind: int) -> None:
    own, x = Gate(kind), random(1, 3, 7, dtype=torch.float32, seed=0)
    before = own(x)
    undo = fused.fuse(own)
    assert "forward" in vars(own) and torch.allclose(own(x), before, atol=1e-5)
    undo()
    assert "forward" not in vars(own) and torch.equal(own(x), before)


def turn(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cosines + torch.cat((-x[..., half:], x[..., :half]), -1) * sines


@settings(max_examples=40, deadline=None)
@given(dtypes, st.integers(1, 3), st.integers(1, 5), st.sampled_from([2, 6, 16, 64, 80]), st.integers(0, 9))
def test_rotations(dtype: torch.dtype, heads: int, tokens: int, size: int, seed: int) -> None:
    angles = [random(1, tokens, size, dtype=dtype, seed=seed + i) for i in range(2)]
    x = random(1, tokens, heads, size, dtype=dtype, seed=seed + 5).transpose(1, 2)

    def ours(x: Tensor) -> Tensor:
        q, k = fused._turned(None, x, x[:, :1], *angles)  # type: ignore[arg-type] # pyright: ignore[reportPrivateUsage, reportArgumentType]
        assert torch.equal(q[:, :1], k)
        return q

    def exact(x: Tensor) -> Tensor:
        return turn(x, *(angle.double().unsqueeze(1) for angle in angles))

    check(ours, exact, [x])


def rows_over(lengths: list[tuple[int, int]]) -> tuple[list[Row], int]:
    """Rows of own tokens after so many of a beginning that all share."""
    shared = max(before for before, _ in lengths)
    rows = [Row(queries=torch.arange(shared), keys=torch.arange(shared), first=0)] if shared else []
    start = shared
    for before, own in lengths:
        places = torch.arange(start, start + own)
        rows.append(Row(queries=places, keys=torch.cat([torch.arange(before), places]), first=before))
        start += own
    return rows, start


def softmaxes(
    rows: list[Row], q: Tensor, k: Tensor, v: Tensor, scaling: float, window: int | None, softcap: float | None
) -> Tensor:
    out = torch.zeros_like(q)
    share = q.shape[1] // k.shape[1]
    for row in rows:
        keys, values = (x[row.keys].repeat_interleave(share, 1) for x in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q[row.queries], keys) * scaling
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        apart = (row.first + torch.arange(len(row.queries))).unsqueeze(1) - torch.arange(len(row.keys))
        seen = (apart >= 0) & (apart < (window or 10**9))
        weights = scores.masked_fill(~seen, -math.inf).softmax(-1)
        out = out.index_copy(0, row.queries, torch.einsum("hqk,khd->qhd", weights, values))
    return out


@settings(max_examples=60, deadline=None)
@given(
    dtype=dtypes,
    lengths=st.lists(st.tuples(st.sampled_from([0, 0, 5, 40]), st.integers(1, 70)), min_size=1, max_size=4),
    heads=st.sampled_from([(1, 1), (4, 2), (3, 1)]),
    size=st.sampled_from([4, 16, 20, 64]),
    window=st.sampled_from([None, 1, 9, 40]),
    softcap=st.sampled_from([None, 0.7]),
    fixed=st.booleans(),
    seed=st.integers(0, 9),
)
def test_attention(
    dtype: torch.dtype,
    lengths: list[tuple[int, int]],
    heads: tuple[int, int],
    size: int,
    window: int | None,
    softcap: float | None,
    fixed: bool,
    seed: int,
) -> None:
    """With `fixed`, what all begin with was read in an earlier pass: it has no queries here, and no gradient."""
    rows, total = rows_over(lengths)
    read = max(before for before, _ in lengths) if fixed else 0
    rows = [replace(row, queries=row.queries - read) for row in rows[bool(read) :]]
    plan, scaling = Plan(rows, torch.device("cpu")), size**-0.5
    q, k, v = (random(total - (0, read)[i == 0], heads[i > 0], size, dtype=dtype, seed=seed + i) for i in range(3))

    def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return fused.attend_rows(q, k, v, plan, fixed=read, scaling=scaling, window=window, softcap=softcap)

    def exact(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k, v = (torch.cat([x[:read].detach(), x[read:]]) for x in (k, v))
        return softmaxes(rows, q, k, v, scaling, window, softcap)

    check(ours, exact, [q, k, v])


def lesson(seed: int) -> list[Example]:
    """Sequences that begin alike, among others."""
    start = some_ids(12, 50)
    found: list[Example] = []
    for number, length in enumerate((9, 30, 3, 17)):
        ids = (*start, *some_ids(length, seed + number)) if number % 2 else some_ids(length + 12, seed + number)
        wanted = tuple(range(12, len(ids) - 1))
        found.append(
            Example(
                signal="imitation",
                ids=ids,
                wanted=wanted,
                credit=(1.0,) * len(wanted),
                targets=tuple(ids[place + 1] for place in wanted),
            )
        )
    return found


def gradient(engine: Engine, examples: list[Example]) -> Tensor:
    slot = stirred(engine.bank, rank=4, seed=1)
    found = gradients_together([Stride(update=Update(engine, slot, {}, AdamSettings()), examples=examples, rate=0)])[0]
    assert not isinstance(found, Exception)
    return found.flat


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_computes_what_its_own_code_does(family: str) -> None:
    plain, ours = tiny_engine(family), swift_engine(family)
    assert ours._fused  # pyright: ignore[reportPrivateUsage]
    logits: list[Tensor] = []
    for engine in (plain, ours):
        slot = stirred(engine.bank, rank=4, seed=1)
        batch = [
            everywhere(some_ids(21, 1), slot),
            everywhere(some_ids(40, 2)),
            everywhere(some_ids(13, 3), slot, prefix=0),
        ]
        logits.append(engine.infer(lambda engine=engine, batch=batch: engine.logits(batch)))
    assert torch.allclose(logits[0], logits[1], atol=2e-4)
    grads = [gradient(engine, lesson(7)) for engine in (plain, ours)]
    assert (grads[0] - grads[1]).norm() <= 1e-4 * grads[0].norm() and grads[0].norm() > 0


def test_rotary_families_are_taken_over_whole() -> None:
    """Norms, gates and attention of the families that the default priors belong to."""
    for family in ("llama", "qwen3", "gemma3", "mistral"):
        kinds = [
            type(module).__name__
            for module in swift_engine(family)._decoder.modules()  # pyright: ignore[reportPrivateUsage]
            if "forward" in vars(module) and not type(module).__name__.endswith("Layer")
        ]
        assert len(kinds) == len(
            [
                module
                for module in swift_engine(family)._decoder.modules()  # pyright: ignore[reportPrivateUsage]
                if type(module).__name__.endswith(("RMSNorm", "MLP", "Attention"))
            ]
        )


def test_operators_that_compute_something_else_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine("llama")
    monkeypatch.setattr(stepper, "compile_layers", refuse)
    monkeypatch.setattr("liveoak.engine.attention.attend_rows", lambda query, *_, **__: query)  # pyright: ignore
    with pytest.raises(Unavailable, match=r"fused passes differ by .* expected at most"):
        engine.compile(load_settings().cache)
    plain = tiny_engine("llama")
    found, own = (one.infer(lambda one=one: one.logits([everywhere(some_ids(9))])) for one in (engine, plain))
    assert torch.equal(found, own), "it goes on with the model's own code"


def test_operators_that_break_leave_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Tensor:
        raise RuntimeError("not my shape")

    engine, plain = tiny_engine("llama"), tiny_engine("llama")
    monkeypatch.setattr(stepper, "compile_layers", refuse)
    monkeypatch.setattr("liveoak.engine.attention.attend_rows", broken)
    with pytest.raises(Unavailable, match=r"fused passes of LlamaForCausalLM cannot be run: not my shape"):
        engine.compile(load_settings().cache)
    found, own = (one.infer(lambda one=one: one.logits([everywhere(some_ids(9))])) for one in (engine, plain))
    assert torch.equal(found, own)


def test_modules_of_other_kinds_stay_as_they_are() -> None:
    class Centred(Norm):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x - x.mean(-1, keepdim=True))

    whole = nn.ModuleList([Centred(torch.ones(8), 0), Gate(None), nn.Linear(3, 3)])
    fused.fuse(whole)
    assert all("forward" not in vars(module) for module in whole.modules())
