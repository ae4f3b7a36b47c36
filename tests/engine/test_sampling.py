"""One token from its logits, with shares worked out by hand."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liveoak.engine import Drawn
from liveoak.engine.sampling import draw, generator_for
from liveoak.errors import LiveoakError
from liveoak.records import Sampling

SHARES = torch.tensor([0.1, 0.5, 0.15, 0.25])
LOGITS = SHARES.log() + 3.0
"""A constant on all logits changes nothing."""


def many(count: int, logits: torch.Tensor = LOGITS, **sampling: Any) -> Counter[int]:
    options = Sampling(seed=5, **sampling)
    generator = generator_for(options)
    return Counter(draw(logits, logits, options, generator).id for _ in range(count))


def one(logits: torch.Tensor, allowed: torch.Tensor | None = None, **sampling: Any) -> Drawn:
    options = Sampling(seed=5, **sampling)
    return draw(logits, logits if allowed is None else allowed, options, generator_for(options))


def near(found: Counter[int], shares: dict[int, float], count: int) -> bool:
    """Within four standard deviations of what these shares give."""
    return set(found) <= set(shares) and all(
        abs(found[token] - share * count) <= 4 * math.sqrt(count * share * (1 - share))
        for token, share in shares.items()
    )


def test_tokens_come_as_often_as_their_shares() -> None:
    assert near(many(4000), dict(enumerate(SHARES.tolist())), 4000)
    # At temperature 0.5 shares are squared: 0.01, 0.25, 0.0225, 0.0625 of 0.345.
    squares = (SHARES**2 / 0.345).tolist()
    assert near(many(4000, temperature=0.5), dict(enumerate(squares)), 4000)


def test_the_nucleus_is_the_fewest_tokens_that_reach_top_p() -> None:
    assert set(many(300, top_p=0.5)) == {1}
    assert near(many(3000, top_p=0.51), {1: 2 / 3, 3: 1 / 3}, 3000)
    assert set(many(300, top_p=0.74)) == {1, 3}
    assert set(many(600, top_p=0.76)) == {1, 3, 2}
    assert set(many(600, top_p=1.0)) == {0, 1, 2, 3}
    assert set(many(100, top_p=1e-12)) == {1}


@pytest.mark.parametrize("temperature", [1e-45, 1e-30, 1e-9, 1e-3])
def test_very_low_temperatures_are_greedy(temperature: float) -> None:
    assert set(many(50, temperature=temperature)) == {1}
    assert set(many(50, temperature=temperature, logits=LOGITS * 1000)) == {1}


def test_the_highest_temperature_is_flatter_but_not_flat() -> None:
    roots = SHARES.sqrt()
    assert near(many(4000, temperature=2.0), dict(enumerate((roots / roots.sum()).tolist())), 4000)


def test_figures_are_those_of_the_model_before_all_shaping() -> None:
    allowed = torch.tensor([3.0, float("-inf"), float("-inf"), float("-inf")])
    drawn = one(LOGITS, allowed, temperature=0.1, top_p=0.3, top_logprobs=2)
    assert drawn.id == 0
    assert drawn.logprob == pytest.approx(math.log(0.1), abs=1e-6)
    assert [id for id, _ in drawn.top] == [1, 3]
    assert [math.exp(value) for _, value in drawn.top] == pytest.approx([0.5, 0.25], abs=1e-6)
    assert one(LOGITS, temperature=0).top == ()


def test_forbidden_tokens_never_come() -> None:
    allowed = LOGITS.clone()
    allowed[1] = float("-inf")
    for temperature in (0.0, 1e-9, 1.0, 2.0):
        found = [one_of.id for one_of in (one(LOGITS, allowed, temperature=temperature),)]
        assert 1 not in found
    options = Sampling(seed=2)
    generator = generator_for(options)
    found = Counter(draw(LOGITS, allowed, options, generator).id for _ in range(3000))
    assert near(found, {0: 0.2, 2: 0.3, 3: 0.5}, 3000)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_damaged_logit_is_told(bad: float, temperature: float) -> None:
    logits = LOGITS.clone()
    logits[2] = bad
    with pytest.raises(LiveoakError, match="damaged"):
        one(logits, temperature=temperature)
    with pytest.raises(LiveoakError, match="no token"):
        one(LOGITS, torch.full((4,), float("-inf")), temperature=temperature)


@settings(max_examples=50, deadline=None)
@given(st.integers(-(2**70), 2**70))
def test_any_seed_gives_its_own_stream_again(seed: int) -> None:
    streams = [torch.rand(4, generator=generator_for(Sampling(seed=seed))) for _ in range(2)]
    assert torch.equal(streams[0], streams[1])


def test_without_a_seed_every_stream_is_new() -> None:
    streams = {tuple(torch.rand(4, generator=generator_for(Sampling())).tolist()) for _ in range(5)}
    assert len(streams) == 5


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 400), st.floats(0.01, 0.999), st.integers(0, 99))
def test_the_nucleus_of_many_tokens_is_that_of_a_full_sort(count: int, top_p: float, seed: int) -> None:
    logits = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 4
    ranked, ids = logits.softmax(-1).sort(descending=True)
    expected = set(ids[ranked.cumsum(0) - ranked < top_p].tolist())
    found = many(400, logits, top_p=top_p)
    assert set(found) <= expected
    # Every token of the nucleus that has a share of at least 5 % there comes at least once in 400 draws.
    inside = ranked[: len(expected)] / ranked[: len(expected)].sum()
    assert set(ids[: len(expected)][inside >= 0.05].tolist()) <= set(found)
