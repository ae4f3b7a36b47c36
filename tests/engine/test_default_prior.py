"""The engine over the priors that are fetched by name: transformers' own answers, with and without an adapter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from real_priors import on_each, real_prior
from tiny_priors import merged, scored, stirred

from liveoak.config import load_settings
from liveoak.engine import Decoder, Engine, Request, Sequence
from liveoak.records import Message, Sampling

QUESTIONS = ("What is the capital of France?", "Name a colour.", "Write one sentence about the sea.")


@pytest.mark.prior
@pytest.mark.parametrize("compiled", [False, True])
@on_each
def test_greedy_answers_equal_transformers_own(prior_name: str, compiled: bool) -> None:
    engine = Engine(real_prior(prior_name, dtype=torch.float32))
    if compiled:
        engine.compile(load_settings().cache)
    reference: Any = real_prior(prior_name, dtype=torch.float32).model
    slot = stirred(engine.bank, rank=4, size=0.01)
    render = engine.tokenizer.render
    prompts = [render([Message(role="user", content=text)], add_generation_prompt=True).ids for text in QUESTIONS]
    sampling = Sampling(temperature=0, max_tokens=16)
    decoder = Decoder(engine)
    requests = [Request(ids=ids, slot=each, sampling=sampling) for each in (None, slot) for ids in prompts]
    replies = decoder.generate(requests)
    assert "Paris" in replies[0].text or prior_name == "gemma3-270m", "Gemma's is a base model, which repeats questions"
    for place, request in enumerate(requests):
        if place == len(prompts):
            merged(reference, slot)
        reply = [drawn.id for drawn in replies[place].drawn]
        whole = request.ids + tuple(reply)
        with torch.inference_mode():
            logits = reference(input_ids=torch.tensor([whole])).logits[0, len(request.ids) - 1 : -1]
        assert reply == logits.argmax(-1).tolist()
        logprobs = logits.log_softmax(-1)[range(len(reply)), reply].tolist()
        assert [drawn.logprob for drawn in replies[place].drawn] == pytest.approx(logprobs, abs=2e-3)
        packed = scored(engine, [Sequence(ids=whole, slot=request.slot, wanted=(len(whole) - 2,))])
        assert torch.allclose(packed[0], logits[-1], atol=2e-3)
