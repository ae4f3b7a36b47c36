"""Drawing one token from its logits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from liveoak.errors import LiveoakError, UserError
from liveoak.records import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A token with its log-probability, and the likeliest tokens at its place, likeliest first.

    Log-probabilities are the model's own: before temperature, nucleus and grammar.
    """

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...]
    forced: bool = False
    """Nothing else could have come: the grammar left this token alone, or nobody drew it."""


def check_sampling(sampling: Sampling) -> None:
    """Raises UserError on values that mean nothing."""
    if not 0 <= sampling.temperature <= 2:
        raise UserError(f"temperature {sampling.temperature!r}: expected 0 (greedy) to 2")
    if not 0 < sampling.top_p <= 1:
        raise UserError(f"top_p {sampling.top_p!r}: expected a share above 0, at most 1")
    if sampling.max_tokens < 1:
        raise UserError(f"max_tokens {sampling.max_tokens!r}: expected at least 1")
    if not 0 <= sampling.top_logprobs <= 20:
        raise UserError(f"top_logprobs {sampling.top_logprobs!r}: expected 0 to 20")
    if any(not stop for stop in sampling.stop):
        raise UserError("stop '': a stop string must not be empty")


def generator_for(sampling: Sampling) -> torch.Generator:
    """The reply's own stream of chance, so that its batch has no part in it."""
    generator = torch.Generator()
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed % 2**63)
    return generator


def draw(raw: Tensor, allowed: Tensor, sampling: Sampling, generator: torch.Generator) -> Drawn:
    """One token. `raw` (V) are the model's logits, `allowed` (V) the same with forbidden tokens at -inf.

    Source: nucleus sampling, Holtzman et al. 2020.
    """
    token = _choose(allowed, sampling, generator)
    logprobs = raw.log_softmax(-1)
    top: tuple[tuple[int, float], ...] = ()
    if sampling.top_logprobs:
        values, ids = logprobs.topk(sampling.top_logprobs)
        top = tuple(zip(ids.tolist(), values.tolist(), strict=True))
    forced = allowed is not raw and int(torch.isfinite(allowed).sum()) == 1
    return Drawn(id=token, logprob=float(logprobs[token]), top=top, forced=forced)


def _choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    highest = logits.max()
    if not torch.isfinite(highest):
        raise LiveoakError(f"no token can be drawn, the highest logit is {float(highest)!r}: the weights are damaged")
    if sampling.temperature == 0:
        return int(logits.argmax())
    # The highest is moved to 0 first: however low the temperature, nothing overflows upwards.
    probabilities = ((logits - highest) / sampling.temperature).softmax(-1).cpu()
    if sampling.top_p < 1:
        ranked, ids = probabilities.sort(descending=True)
        ranked[ranked.cumsum(0) - ranked >= sampling.top_p] = 0
        return int(ids[torch.multinomial(ranked, 1, generator=generator)])
    return int(torch.multinomial(probabilities, 1, generator=generator))
