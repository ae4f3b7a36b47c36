"""Drawing one token from its logits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from liveoak.errors import LiveoakError, UserError
from liveoak.records import Sampling

Floats = npt.NDArray[np.floating]


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
    # numpy finds the highest of 49,152 logits six times as fast as torch, which draws as slowly as it sorts.
    scores = logits.cpu().numpy()
    likeliest = int(scores.argmax())
    highest = float(scores[likeliest])
    if not math.isfinite(highest):
        raise LiveoakError(f"no token can be drawn, the highest logit is {highest!r}: the weights are damaged")
    if sampling.temperature == 0:
        return likeliest
    # The highest is moved to 0 first: however low the temperature, nothing overflows upwards.
    shares = ((logits - highest) / sampling.temperature).softmax(-1).cpu().numpy()
    ids = None
    if sampling.top_p < 1:
        ids, shares = _nucleus(shares, sampling.top_p)
    sums = shares.cumsum(dtype=np.float64)
    chance = float(torch.rand((), dtype=torch.float64, generator=generator))
    place = int(sums.searchsorted(min(chance * sums[-1], np.nextafter(sums[-1], 0)), side="right"))
    return place if ids is None else int(ids[place])


def _nucleus(shares: Floats, top_p: float) -> tuple[npt.NDArray[np.int64], Floats]:
    """The fewest tokens whose shares (V) reach `top_p`, likeliest first, and their shares."""
    # All tokens below this together have less than what the nucleus leaves out, so none of them is in it.
    ids = np.flatnonzero(shares >= (1 - top_p) / (2 * len(shares)))
    ids = ids[np.argsort(-shares[ids], kind="stable")]
    ranked = shares[ids]
    within = ranked.cumsum(dtype=np.float64) - ranked < top_p
    return ids[within], ranked[within]
