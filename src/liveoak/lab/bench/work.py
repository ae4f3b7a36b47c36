"""The work that every side gets: lessons as lines, and the first messages of chats, of mixed lengths."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from liveoak.errors import UserError
from liveoak.lab.passages import self_edits
from liveoak.worlds import make_handbook

_SHORT = (
    "Tell me a story about a lighthouse.",
    "What should I cook with rice, eggs and spinach?",
    "Explain how a bicycle stays upright.",
    "Write a letter to a friend who moved to another country.",
    "How do plants know when it is spring?",
    "Give me ten ideas for a rainy afternoon.",
    "Describe a market in the early morning.",
    "Why is the sea salty?",
)
_LENGTHS = (0, 0, 0, 2, 2, 5, 5, 12)
"""Sentences of text in a message; 0 is a short question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """Lessons as lines of text, and where they are from."""

    lines: tuple[tuple[str, ...], ...]
    source: str


def lessons(count: int) -> Lessons:
    """Lessons of public data where LIVEOAK_DATA has it, else handbooks of invented firms."""
    try:
        return Lessons(lines=self_edits(count), source="SEAL's self-edits by Qwen2.5-7B on SQuAD (LIVEOAK_DATA)")
    except UserError as error:
        made = tuple(tuple(_sentences(seed)) for seed in range(count))
        return Lessons(lines=made, source=f"sentences of generated handbooks, as public data was not found: {error}")


def chats(count: int, seed: int) -> tuple[str, ...]:
    """Users' messages: one in three short, the others with a stretch of text to be dealt with."""
    rng = random.Random(seed)
    sentences = _sentences(1000 + seed, facts=20)
    found: list[str] = []
    for _ in range(count):
        length = rng.choice(_LENGTHS)
        start = rng.randrange(max(1, len(sentences) - length))
        text = " ".join(sentences[start : start + length])
        found.append(f"Write a long story in which this matters: {text}" if text else rng.choice(_SHORT))
    return tuple(found)


def _sentences(seed: int, facts: int = 6) -> list[str]:
    text = make_handbook(seed, facts).text
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [sentence for line in lines for sentence in re.split(r"(?<=[.!?])\s+", line.strip())]
