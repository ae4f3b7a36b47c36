"""What a kind of fact is: how it is told, how it is taught and how it is examined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pool = Literal[
    "person", "town", "street", "room", "extension", "clock", "date", "weekday", "year", "colour", "word", "product",
    "machine", "animal", "euros", "cents", "percent", "days", "weeks", "months", "metres", "kilograms", "litres",
    "degrees", "people", "pieces", "kilometres",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fact. Templates hold `{a}` (answer, sentences only), `{s}` (subject) and `{firm}`.

    A kind with several subjects can stand in one handbook several times, which is what makes facts easy to mix up.
    `taught` may stay near the sentence; `exam` uses other words than both.
    """

    name: str
    pool: Pool
    sentences: tuple[str, ...]
    taught: tuple[str, ...]
    exam: tuple[str, ...]
    subjects: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A section of the handbook: its kinds of fact, and prose around them that states nothing examinable."""

    name: str
    title: str
    opening: tuple[str, ...]
    between: tuple[str, ...]
    closing: tuple[str, ...]
    kinds: tuple[Kind, ...]
