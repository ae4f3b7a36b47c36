"""Measurements of a candidate against what is served and against the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.resources import files

import torch
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.config import GateSettings
from liveoak.engine import SLICE, Decoder, Engine, Request, portions
from liveoak.engine import Sequence as Tokens
from liveoak.records import QA, Message, Probe, Sampling
from liveoak.worlds import answered

PROMPTS = (
    "What is a volcano?",
    "Tell me about elephants.",
    "Who painted the Mona Lisa? Answer in a few words.",
    "What colour is a ripe banana? Answer in a few words.",
    "Summarise why exercise is good for people.",
    "Name a river in Africa. Answer in a few words.",
    "How much does a new car cost? Answer in a few words.",
    "Write one sentence about the sea.",
    "When do leaves fall from the trees?",
    "What is the difference between a lake and a pond?",
    "Which person teaches pupils? Answer in a few words.",
    "How far is it from the earth to the moon?",
)
_REPLY = Sampling(temperature=0, max_tokens=24)
_PARAGRAPH_TOKENS = 160
_TOGETHER = 24
"""Questions asked at once. All at once would be a queue in front of everybody else's requests."""


class Gate:
    """Probes candidates. What the prior itself does is measured once."""

    def __init__(self, engine: Engine, decoder: Decoder, bounds: GateSettings) -> None:
        self._engine, self._decoder, self._bounds = engine, decoder, bounds

    def probe(
        self, served: Slot | None, candidate: Slot, held_out: Sequence[QA], earlier: Sequence[QA]
    ) -> tuple[Probe, ...]:
        """All probes. `held_out` are the lesson's questions that were not trained on, `earlier` those of lessons
        before it; an empty list leaves its probe out."""
        bounds = self._bounds
        found: list[Probe] = []
        if held_out:
            before, after = self.recall(served, held_out), self.recall(candidate, held_out)
            limit = before + bounds.min_recall_gain
            found.append(_probe("recall", "share", before, after, limit, after >= limit, len(held_out)))
        if earlier:
            before, after = self.recall(served, earlier), self.recall(candidate, earlier)
            limit = before - bounds.max_forgetting
            found.append(_probe("earlier_recall", "share", before, after, limit, after >= limit, len(earlier)))
        before, after = self.retention(served), self.retention(candidate)
        limit = bounds.max_retention_nats
        size = _wanted(self._general)
        found.append(_probe("retention", "nats/token", before, after, limit, after <= limit, size))
        before, after = self.divergence(served), self.divergence(candidate)
        limit = bounds.max_kl_prior
        size = _wanted(self._replies)
        found.append(_probe("kl_prior", "nats/token", before, after, limit, after <= limit, size))
        return tuple(found)

    def recall(self, slot: Slot | None, questions: Sequence[QA]) -> float:
        """Share of the questions that a greedy reply answers, exactly or with the answer in it."""
        render = self._engine.tokenizer.render
        requests = [
            Request(
                ids=render([Message(role="user", content=pair.question)], add_generation_prompt=True).ids,
                slot=slot,
                sampling=_REPLY,
            )
            for pair in questions
        ]
        replies = [
            reply
            for start in range(0, len(requests), _TOGETHER)
            for reply in self._decoder.generate(requests[start : start + _TOGETHER])
        ]
        right = [answered(reply.text, pair.answer) for reply, pair in zip(replies, questions, strict=True)]
        return sum(right) / len(right)

    def retention(self, slot: Slot | None) -> float:
        """Change against the prior, in nats per token, on general text; positive is damage."""
        if slot is None:
            return 0.0
        # Token by token, so that what did not change at all is 0 and no rounding of two sums.
        return float((self._prior_costs - self._costs(slot)).neg().mean())

    def divergence(self, slot: Slot | None) -> float:
        """KL(prior || slot), in nats per token, over the prior's replies to everyday prompts."""
        if slot is None:
            return 0.0
        prior, current = self._prior_logprobs, self._logprobs(self._replies, slot)
        return float((prior.exp() * (prior - current)).sum(-1).mean())

    @cached_property
    def _general(self) -> list[Tokens]:
        text = files("liveoak.gate").joinpath("general.txt").read_text(encoding="utf-8")
        encode = self._engine.tokenizer.encode
        return [_from(encode(part)[:_PARAGRAPH_TOKENS], 0) for part in text.split("\n\n") if part.strip()]

    @cached_property
    def _replies(self) -> list[Tokens]:
        render = self._engine.tokenizer.render
        starts = [render([Message(role="user", content=prompt)], add_generation_prompt=True).ids for prompt in PROMPTS]
        replies = self._decoder.generate([Request(ids=ids, slot=None, sampling=_REPLY) for ids in starts])
        return [
            _from(ids + tuple(token.id for token in reply.drawn), len(ids) - 1)
            for ids, reply in zip(starts, replies, strict=True)
        ]

    @cached_property
    def _prior_costs(self) -> Tensor:
        return self._costs(None)

    @cached_property
    def _prior_logprobs(self) -> Tensor:
        return self._logprobs(self._replies, None)

    def _costs(self, slot: Slot | None) -> Tensor:
        """(P): nats of each token of the general text."""
        return -self._each(self._general, slot, _of_next)

    def _logprobs(self, batch: Sequence[Tokens], slot: Slot | None) -> Tensor:
        """(P, V)"""
        return self._each(batch, slot, lambda _, logprobs: logprobs)

    def _each(
        self, batch: Sequence[Tokens], slot: Slot | None, take: Callable[[Sequence[Tokens], Tensor], Tensor]
    ) -> Tensor:
        """What `take` keeps of the log-probabilities, a slice at a time, so that a GPU is never held long."""
        parts: list[Tensor] = []
        for some in portions(batch, SLICE):
            routed = [replace(tokens, ids=tokens.ids[:-1], slot=slot) for tokens in some]
            parts.append(
                self._engine.infer(
                    lambda some=some, routed=routed: take(some, self._engine.logits(routed).log_softmax(-1))
                )
            )
        return torch.cat(parts)


def _from(ids: tuple[int, ...], first: int) -> Tokens:
    """A sequence whose tokens count from the one after place `first` on. Its last one is not run."""
    return Tokens(ids=ids, wanted=tuple(range(first, len(ids) - 1)))


def _wanted(batch: Sequence[Tokens]) -> int:
    return sum(len(tokens.wanted) for tokens in batch)


def _of_next(batch: Sequence[Tokens], logprobs: Tensor) -> Tensor:
    """(P, V) -> (P): of the token that comes next."""
    targets = [[tokens.ids[place + 1]] for tokens in batch for place in tokens.wanted]
    return logprobs.gather(1, torch.tensor(targets, device=logprobs.device)).squeeze(1)


def _probe(name: str, unit: str, before: float, after: float, limit: float, passed: bool, n: int) -> Probe:
    return Probe(name=name, unit=unit, before=before, after=after, limit=limit, passed=passed, n=n)
