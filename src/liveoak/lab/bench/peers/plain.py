"""transformers by itself: `generate`, and its continuous batching."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from liveoak.errors import Unavailable
from liveoak.lab.bench import jobs
from liveoak.lab.bench.peers.found import load_model, need

_PAGE = 64
_STATIC = 1024
"""Tokens that a static cache has room for."""


class Generate:
    """`generate` on one left-padded batch, with its key-value cache and fused attention."""

    def __init__(self, setup: jobs.Setup) -> None:
        self._model, self._device = load_model(setup), setup.device

    def decode(self, job: jobs.DecodeJob) -> jobs.Decoded:
        return generated(self._model, job, self._device)


class Compiled:
    """`generate` with its static cache, each step compiled by torch. The first call takes minutes."""

    def __init__(self, setup: jobs.Setup) -> None:
        self._model, self._device = load_model(setup), setup.device

    def decode(self, job: jobs.DecodeJob) -> jobs.Decoded:
        config = need("transformers.generation.configuration_utils").CompileConfig(mode="default", dynamic=False)
        # Without it transformers compiles on accelerators alone.
        config._compile_all_devices = True
        # Of one size for all prompts, so that nothing is compiled twice.
        cache = need("transformers").StaticCache(config=self._model.config, max_cache_len=_STATIC)
        return generated(self._model, job, self._device, compile_config=config, past_key_values=cache)


class Continuous:
    """`generate_batch`, which lets replies join and leave as they come."""

    def __init__(self, setup: jobs.Setup) -> None:
        self._model = load_model(setup)

    def decode(self, job: jobs.DecodeJob) -> jobs.Decoded:
        generation = need("transformers.generation")
        if job.adapters:
            raise Unavailable("continuous batching takes no adapters")
        need_tokens = sum(len(prompt) + job.tokens for prompt in job.prompts)
        config = generation.ContinuousBatchingConfig(
            page_size=_PAGE,
            num_blocks=need_tokens // _PAGE + 2 * len(job.prompts),
            max_batch_tokens=max(512, max(map(len, job.prompts))),
        )
        began = time.perf_counter()
        out = self._model.generate_batch(
            inputs=[list(prompt) for prompt in job.prompts],
            generation_config=_greedy(job.tokens),
            continuous_batching_config=config,
            record_timestamps=True,
            progress_bar=False,
        )
        broken = [reply.error for reply in out.values() if reply.error]
        if broken or len(out) != len(job.prompts):
            raise Unavailable(f"continuous batching broke off: {broken[:1]!r}")
        return jobs.Decoded(times=tuple(tuple(at - began for at in reply.timestamps) for reply in out.values()))


def generated(model: Any, job: jobs.DecodeJob, device: str, **more: Any) -> jobs.Decoded:
    """One batch through `generate`; a stopping criterion that never stops notes when each token came."""
    width = max(map(len, job.prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in job.prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in job.prompts], device=device)
    times: list[float] = []
    began = time.perf_counter()
    with torch.inference_mode():
        model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=_greedy(job.tokens),
            stopping_criteria=need("transformers").StoppingCriteriaList([_noting(times, began, len(job.prompts))]),
            **more,
        )
    return jobs.Decoded(times=(tuple(times),) * len(job.prompts))


def _greedy(tokens: int) -> Any:
    config = need("transformers").GenerationConfig(max_new_tokens=tokens, do_sample=False, pad_token_id=0)
    config.eos_token_id = None
    return config


def _noting(times: list[float], began: float, count: int) -> Callable[..., torch.Tensor]:
    def note(ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        times.append(time.perf_counter() - began)
        return torch.zeros(count, dtype=torch.bool, device=ids.device)

    return note
