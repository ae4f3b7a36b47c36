"""Where experiments with a pretrained prior study texts and ask about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from liveoak.lab.exam import exam_prompt
from liveoak.learning.recipe import Recipe
from liveoak.records import QA, Lesson, Sampling
from liveoak.worlds import answered, f1, normalised

if TYPE_CHECKING:
    from liveoak.adapters import Slot
    from liveoak.lab.workbench import Studied


COMPARED = (("recall", "recall"), ("f1", "f1"), ("gold_logprob", "logprob"))
"""Of what `examined` tells, what is set against another arm's, and what that is called in metrics."""


class Bench(Protocol):
    """A slot of None is the frozen prior."""

    def study(self, lesson: Lesson, recipe: Recipe, steps: int | None = None, slow: Slot | None = None) -> Studied: ...
    def read(self, lesson: Lesson, recipe: Recipe, window: int, slow: Slot | None = None) -> Studied: ...
    def answers(self, slot: Slot | None, prompts: Sequence[str]) -> list[str]: ...
    def replies(self, slot: Slot | None, prompts: Sequence[str], sampling: Sampling) -> list[str]: ...
    def gold_logprob(self, slot: Slot | None, prompts: Sequence[str], answers: Sequence[str]) -> float: ...
    def retention(self, slot: Slot) -> float: ...
    def tokens(self, text: str) -> int: ...


def costs(bench: Bench, done: Studied) -> dict[str, float]:
    """What a study took."""
    return {
        "retention_nats": bench.retention(done.slot),
        "learn_seconds": done.seconds,
        "steps": float(done.steps),
        "tokens_processed": float(done.tokens_processed),
    }


def nothing(question: str) -> str:
    """An empty context."""
    return ""


def examined(
    bench: Bench, slot: Slot | None, pairs: Sequence[QA], context: Callable[[str], str] = nothing
) -> dict[str, float]:
    """What the replies come to; `gold_logprob` is in nats per token.

    Recall is the share of them that hold the true answer. A long reply may do so by chance: so there are mean word F1,
    words a reply, and the share that hold the answer to another of the questions, which nobody asked for.
    """
    prompts = [exam_prompt(pair.question, context(pair.question)) for pair in pairs]
    truths = [pair.answer for pair in pairs]
    replies = bench.answers(slot, prompts)
    right = [answered(reply, truth) for reply, truth in zip(replies, truths, strict=True)]
    others = [
        answered(reply, other)
        for reply, truth in zip(replies, truths, strict=True)
        for other in truths
        if normalised(other) != normalised(truth)
    ]
    overlap = [f1(reply, truth) for reply, truth in zip(replies, truths, strict=True)]
    return {
        "recall": sum(right) / len(right),
        "recall_of_others": sum(others) / len(others) if others else 0.0,
        "f1": math.fsum(overlap) / len(overlap),
        "reply_words": sum(len(reply.split()) for reply in replies) / len(replies),
        "gold_logprob": bench.gold_logprob(slot, prompts, truths),
    }
