"""Measurements of a candidate against what is served and against the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from liveoak.adapters import Slot
from liveoak.config import GateSettings
from liveoak.engine import SLICE, Decoder, Engine, Known, Readings, Request, Said, portions
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
_REMEMBERED = 32
"""Figures of weights that are remembered: tempering asks before the probe does."""


class Gate:
    """Probes candidates. What the prior itself does is measured once."""

    def __init__(self, engine: Engine, decoder: Decoder, bounds: GateSettings, cache: Path | None = None) -> None:
        """`cache` keeps what the prior does for later processes."""
        self._engine, self._decoder, self._bounds = engine, decoder, bounds
        self._known = Known(engine, cache)
        self._measured: dict[tuple[str, int], float] = {}
        """Figures of weights, by their stamp."""
        self._read: dict[tuple[int, tuple[int, ...]], Readings] = {}
        """What the prior reads of the gate's texts, by what adapters leave of it."""

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
        size = len(self._prior_costs)
        found.append(_probe("retention", "nats/token", before, after, limit, after <= limit, size))
        before, after = self.divergence(served), self.divergence(candidate)
        limit = bounds.max_kl_prior
        size = sum(len(one.sequence.wanted) for some in self._replies for one in some)
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
        replies = self._decoder.generate(requests)
        right = [answered(reply.text, pair.answer) for reply, pair in zip(replies, questions, strict=True)]
        return sum(right) / len(right)

    def retention(self, slot: Slot | None) -> float:
        """Change against the prior, in nats per token, on general text; positive is damage."""
        # Token by token, so that what did not change at all is 0 and no rounding of two sums.
        return self._once("retention", slot, lambda slot: (self._prior_costs - self._costs(slot)).neg().mean())

    def divergence(self, slot: Slot | None) -> float:
        """KL(prior || slot), in nats per token, over the prior's replies to everyday prompts."""

        def measure(slot: Slot) -> Tensor:
            return torch.cat([self._divergences(said, slot) for said in self._replies]).mean()

        return self._once("divergence", slot, measure)

    def _once(self, figure: str, slot: Slot | None, measure: Callable[[Slot], Tensor]) -> float:
        """A figure of these weights, which is 0 for the prior itself."""
        if slot is None:
            return 0.0
        key = (figure, slot.stamp)
        if key not in self._measured:
            if len(self._measured) >= _REMEMBERED:
                del self._measured[next(iter(self._measured))]
            self._measured[key] = float(measure(slot))
        return self._measured[key]

    @cached_property
    def _general(self) -> list[Tokens]:
        """Each token but the first counts; the last one of each text is not run."""
        text = files("liveoak.gate").joinpath("general.txt").read_text(encoding="utf-8")
        encode = self._engine.tokenizer.encode
        parts = [encode(part)[:_PARAGRAPH_TOKENS] for part in text.split("\n\n") if part.strip()]
        return [Tokens(ids=ids, wanted=tuple(range(len(ids) - 1))) for ids in parts]

    @cached_property
    def _replies(self) -> list[list[Said]]:
        """In portions of what is run at once."""
        render = self._engine.tokenizer.render
        starts = [render([Message(role="user", content=prompt)], add_generation_prompt=True).ids for prompt in PROMPTS]
        requests = [Request(ids=ids, slot=None, sampling=_REPLY) for ids in starts]
        said = self._known.said("gate-replies", self._decoder, requests)
        some = list(portions([one.sequence for one in said], SLICE))
        left = iter(said)
        return [[next(left) for _ in each] for each in some]

    @cached_property
    def _prior_costs(self) -> Tensor:
        def make() -> dict[str, Tensor]:
            return {"costs": self._costs(None).cpu()}

        of = repr([tokens.ids for tokens in self._general])
        return self._known.get("gate-costs", of, make)["costs"].to(self._engine.device)

    def _costs(self, slot: Slot | None) -> Tensor:
        """(P): nats of each token of the general text, a slice at a time, so that a GPU is never held long."""
        engine, readings = self._engine, self._readings(slot)

        def measure(some: Sequence[Tokens]) -> Tensor:
            under = [replace(tokens, ids=tokens.ids[:-1], slot=slot) for tokens in some]
            logits = engine.logits(under, readings)
            following = torch.tensor([token for tokens in some for token in tokens.ids[1:]], device=logits.device)
            return cross_entropy(logits, following, reduction="none")

        return torch.cat([engine.infer(lambda some=some: measure(some)) for some in portions(self._general, SLICE)])

    def _divergences(self, said: Sequence[Said], slot: Slot) -> Tensor:
        """(P): KL(prior || slot) at each place of these replies."""
        engine, readings = self._engine, self._readings(slot)

        def measure() -> Tensor:
            prior = engine.head(torch.cat([one.states for one in said])).log_softmax(-1)
            under = [replace(one.sequence, slot=slot) for one in said]
            current = engine.logits(under, readings).log_softmax(-1)
            return (prior.exp() * (prior - current)).sum(-1)

        return engine.infer(measure)

    def _readings(self, slot: Slot | None) -> Readings | None:
        """Of all texts that figures are measured on; None where there is nothing that a slot would leave as it is."""
        if slot is None or not (slot.first or slot.invocation):
            return None
        key = (slot.first, slot.invocation)
        if key not in self._read:
            texts = [replace(tokens, ids=tokens.ids[:-1], slot=slot) for tokens in self._general]
            replies = [replace(one.sequence, slot=slot) for some in self._replies for one in some]
            self._read[key] = self._known.readings("gate-read", [*texts, *replies])
        return self._read[key]


def _probe(name: str, unit: str, before: float, after: float, limit: float, passed: bool, n: int) -> Probe:
    return Probe(name=name, unit=unit, before=before, after=after, limit=limit, passed=passed, n=n)
