"""The exam of a life: each question answered greedily with an empty context, and the true answer scored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine, Request
from liveoak.engine import Sequence as Tokens
from liveoak.learning.objective import Example
from liveoak.records import Message, Origin, Sampling
from liveoak.worlds import Question, answered

EXAM = "exam"
"""The signal of true answers."""
_TOGETHER = 1024
"""Tokens that are scored at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question as it is put: under which weights, and with what in sight."""

    slot: Slot | None
    text: str
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What came of it."""

    answer: str
    right: bool
    gold: float
    """Mean log-probability of the true answer's tokens, in nats."""


def sit(engine: Engine, decoder: Decoder, asked: Sequence[Asked], longest: int) -> list[Mark]:
    """Marks in order. `longest` is the most tokens of an answer."""
    replies = decoder.generate([_request(engine, one, longest) for one in asked])
    return [
        Mark(answer=reply.text, right=_right(reply.text, one.question), gold=gold)
        for reply, gold, one in zip(replies, _golds(engine, asked), asked, strict=True)
    ]


def answer_example(engine: Engine, text: str, answer: str) -> Example:
    """The answer, to be more likely after the question; the turn's end is no part of it. Signal `exam`."""
    rendered = engine.tokenizer.render(
        [Message(role="user", content=text), Message(role="assistant", content=answer)],
        origins=[None, Origin.DEMONSTRATED],
    )
    span = [span for span in rendered.spans if span.origin is Origin.DEMONSTRATED][-1]
    places = range(span.start, max(span.start + 1, span.end - 1))
    return Example(
        signal=EXAM,
        ids=rendered.ids[: places[-1]],
        wanted=tuple(place - 1 for place in places),
        credit=(1.0,) * len(places),
        targets=tuple(rendered.ids[place] for place in places),
    )


def _request(engine: Engine, one: Asked, longest: int) -> Request:
    asked = [Message(role="user", content=one.text)]
    pattern = "|".join(re.escape(choice) for choice in one.question.choices) or None
    sampling = Sampling(temperature=0.0, max_tokens=longest, pattern=pattern)
    return Request(ids=engine.tokenizer.render(asked, add_generation_prompt=True).ids, slot=one.slot, sampling=sampling)


def _golds(engine: Engine, asked: Sequence[Asked]) -> list[float]:
    found: list[float] = []
    batch: list[Tokens] = []
    targets: list[tuple[int, ...]] = []
    for number, one in enumerate(asked):
        truth = answer_example(engine, one.text, one.question.answer)
        batch.append(Tokens(ids=truth.ids, slot=one.slot, wanted=truth.wanted))
        targets.append(truth.targets)
        if number + 1 == len(asked) or sum(len(tokens.ids) for tokens in batch) >= _TOGETHER:
            found += _scored(engine, batch, targets)
            batch, targets = [], []
    return found


def _scored(engine: Engine, batch: Sequence[Tokens], targets: Sequence[tuple[int, ...]]) -> list[float]:
    logprobs = engine.infer(lambda: engine.logits(batch).log_softmax(-1))
    flat = torch.tensor([token for one in targets for token in one], device=logprobs.device)
    own = logprobs.gather(1, flat.unsqueeze(1)).squeeze(1).split([len(one) for one in targets])
    return [float(part.mean()) for part in own]


def _right(text: str, question: Question) -> bool:
    return text.strip() == question.answer if question.choices else answered(text, question.answer)
