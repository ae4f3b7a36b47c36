"""One exam for every arm: the same questions, the same instruction, the same marking.

Knows texts and replies. Knows nothing of how an examinee answers: over HTTP, in process, or from a script.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from liveoak.worlds import HandbookFact, answered, f1

INSTRUCTION = "Answer in a few words."
"""Follows every exam question, in every arm."""
MAX_TOKENS = 24
"""Longest reply; replies are greedy."""


def exam_prompt(question: str, context: str = "") -> str:
    """The one user message that is asked: the text first where an arm has one, then question and instruction."""
    asked = f"{question} {INSTRUCTION}"
    return f"{context.strip()}\n\n{asked}" if context else asked


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamReply:
    """What came back for one prompt."""

    text: str
    version: str
    prompt_tokens: int


class Examinee(Protocol):
    """Whoever is examined. Replies come in the order of the prompts."""

    def answer(self, prompts: Sequence[str], *, version: str | None = None) -> Sequence[ExamReply]:
        """Greedy replies of at most `MAX_TOKENS`, each from an empty context but for its prompt."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One question with its reply."""

    topic: str
    question: str
    answer: str
    reply: str
    right: bool
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A marked exam."""

    marks: tuple[Mark, ...]
    version: str
    """The one that answered."""
    prompt_tokens: float
    """Mean length of a prompt."""
    seconds: float

    @property
    def recall(self) -> float:
        return sum(mark.right for mark in self.marks) / len(self.marks)

    @property
    def f1(self) -> float:
        return math.fsum(mark.f1 for mark in self.marks) / len(self.marks)

    @property
    def replies(self) -> tuple[str, ...]:
        return tuple(mark.reply for mark in self.marks)


def sit(
    examinee: Examinee,
    facts: Sequence[HandbookFact],
    *,
    context: str = "",
    version: str | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Sheet:
    """Ask every fact's exam question and mark the replies.

    Raises:
        ValueError: no facts, or replies of more than one version, which would be an exam of nobody.
    """
    if not facts:
        raise ValueError("an exam needs at least one fact, got none")
    begun = clock()
    replies = examinee.answer([exam_prompt(fact.exam_question, context) for fact in facts], version=version)
    seconds = clock() - begun
    versions = {reply.version for reply in replies}
    if len(versions) != 1:
        raise ValueError(f"one exam was answered by versions {sorted(versions)!r}; expected one version")
    marks = tuple(
        Mark(
            topic=fact.topic,
            question=fact.exam_question,
            answer=fact.answer,
            reply=reply.text,
            right=answered(reply.text, fact.answer),
            f1=f1(reply.text, fact.answer),
        )
        for fact, reply in zip(facts, replies, strict=True)
    )
    return Sheet(
        marks=marks,
        version=versions.pop(),
        prompt_tokens=sum(reply.prompt_tokens for reply in replies) / len(replies),
        seconds=seconds,
    )


def fit(text: str, budget: int, count: Callable[[str], int]) -> str:
    """The longest beginning of `text`, in whole sentences, that `count` finds to be at most `budget` tokens.

    `count` may be dear (a request), so the first guess is by proportion, and the search goes on from there.
    Empty where not even the first sentence fits.
    """
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)|\n\n", text)] + [len(text)]
    whole = count(text)
    if whole <= budget:
        return text
    low, high = 0, len(ends) - 1  # the first `low` sentences fit, the first `high + 1` do not
    guess = max(0, sum(end <= len(text) * budget / whole for end in ends))
    while low < high:
        place = min(max(guess, low + 1), high)
        if count(text[: ends[place - 1]]) <= budget:
            low, guess = place, place + 1
        else:
            high, guess = place - 1, place - 1
    return text[: ends[low - 1]].rstrip() if low else ""
