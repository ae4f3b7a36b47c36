"""Where experiments with a pretrained prior study texts and ask about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from liveoak.lab.exam import exam_prompt
from liveoak.learning.recipe import Recipe
from liveoak.records import QA, Lesson, Sampling
from liveoak.worlds import answered

if TYPE_CHECKING:
    from liveoak.adapters import Slot
    from liveoak.lab.workbench import Studied


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
    """Share of the questions answered, and the true answers' mean log-probability, in nats per token."""
    prompts = [exam_prompt(pair.question, context(pair.question)) for pair in pairs]
    truths = [pair.answer for pair in pairs]
    replies = bench.answers(slot, prompts)
    right = [answered(reply, truth) for reply, truth in zip(replies, truths, strict=True)]
    return {"recall": sum(right) / len(right), "gold_logprob": bench.gold_logprob(slot, prompts, truths)}
