"""Priors whose rotary embedding transformers turns by the longest sequence of a pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import TOKENIZER, everywhere, own_logits, prior_over, scored, shaped_model, some_ids

from liveoak.engine import Decoder, Engine, Request
from liveoak.priors.load import load_prior
from liveoak.records import Sampling

SHORT = 32
"""Tokens up to which the positions are those of short sequences."""
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "dynamic": ("Llama", {"rope_type": "dynamic", "factor": 2.0}, {"max_position_embeddings": SHORT}),
    "longrope": (
        "Phi3",
        {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [4.0] * 4, "factor": 4.0},
        {"original_max_position_embeddings": SHORT, "max_position_embeddings": 4 * SHORT},
    ),
}


def model_of(kind: str) -> Any:
    family, rope, shape = KINDS[kind]
    return shaped_model(family, {**shape, "rope_parameters": {**rope, "rope_theta": 10000.0}})


ENGINES: dict[str, Engine] = {kind: Engine(prior_over(model_of(kind))) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_itself_turns_all_by_the_longest(kind: str) -> None:
    """Else the tests below show nothing."""
    ids = some_ids(SHORT + 8)
    model = model_of(kind)
    short = own_logits(model, ids[:SHORT])
    assert (own_logits(model, ids)[:SHORT] - short).abs().max() > 0.01


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    mine=st.integers(1, SHORT),
    others=st.lists(st.integers(1, 3 * SHORT), max_size=3),
)
def test_a_long_neighbour_does_not_turn_a_short_sequence(kind: str, mine: int, others: list[int]) -> None:
    ids = some_ids(mine)
    batch = [*(everywhere(some_ids(length, 9 + length)) for length in others), everywhere(ids)]
    found = scored(ENGINES[kind], batch)[-mine:]
    assert torch.allclose(found, own_logits(model_of(kind), ids), atol=5e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reply_that_grows_long_keeps_to_its_cache(kind: str) -> None:
    engine, ids = ENGINES[kind], some_ids(SHORT - 4)
    request = Request(ids=ids, slot=None, sampling=Sampling(temperature=0, max_tokens=16, pattern="[ab]{16}"))
    reply = Decoder(engine).generate([request])[0].drawn
    whole = ids + tuple(drawn.id for drawn in reply)
    logprobs = scored(engine, [everywhere(whole)]).log_softmax(-1)
    expected = [float(logprobs[len(ids) - 1 + place, drawn.id]) for place, drawn in enumerate(reply)]
    assert len(whole) > SHORT
    assert [drawn.logprob for drawn in reply] == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_context_ends_where_positions_would_turn(kind: str, tmp_path: Path) -> None:
    model_of(kind).save_pretrained(tmp_path / "prior")
    TOKENIZER.hf.save_pretrained(tmp_path / "prior")
    assert load_prior(str(tmp_path / "prior"), cache=tmp_path / "cache").context_length == SHORT
