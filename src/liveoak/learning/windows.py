"""A long text in windows. Knows text and a measure of it; what a window teaches is decided elsewhere."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from liveoak.learning.reading import split_sentences
from liveoak.records import Lesson

Measure = Callable[[str], int]
"""How many tokens a piece of text has."""

_BLANK = re.compile(r"\n[^\S\n]*\n\s*")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+\S[^\n]*")
_CARRIED = 0.25
"""Most of a window that headings carried over from earlier windows may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """A piece of text that is not cut, and what stands between it and the piece before it."""

    text: str
    joint: str
    tokens: int

    @property
    def level(self) -> int:
        """1 to 6 of a heading; 0: no heading."""
        found = _HEADING.fullmatch(self.text)
        return len(found.group(1)) if found else 0


def count_tokens(text: str, measure: Measure) -> int:
    """Tokens of a text, paragraph by paragraph, so that they are never all in memory."""
    return sum(measure(part) for part in _split(text, _BLANK))


def chosen(lesson: Lesson) -> tuple[str, ...]:
    """What somebody chose to say, in parts: statements, questions and demonstrations."""
    asked = [text for pair in lesson.questions for text in (pair.question, pair.answer)]
    shown = [text for one in lesson.demonstrations for text in (one.prompt, one.reply)]
    return (*lesson.statements, *asked, *shown)


def tokens_of(lesson: Lesson, measure: Measure) -> int:
    """Tokens of all that a lesson says."""
    return sum(count_tokens(part, measure) for part in (lesson.source, *chosen(lesson)))


def windows(text: str, measure: Measure, most: int) -> Iterator[str]:
    """Windows of at most `most` tokens and of like size, in order; all of the text is in them.

    They end between paragraphs; where a paragraph alone is longer, between lines, else sentences, else anywhere. The
    headings that a window stands under are repeated at its beginning, and none ends with a heading if there is room
    for it in the next. Breaks between paragraphs do not count.
    """
    if most < 1:
        raise ValueError(f"windows of {most!r} tokens: expected at least 1")
    total = count_tokens(text, measure)
    aim = math.ceil(total / max(1, math.ceil(total / most)))
    headings: dict[int, _Unit] = {}
    window: list[_Unit] = []
    for unit in _units(text, measure, most):
        size = sum(one.tokens for one in window)
        if window and (size + unit.tokens > most or (size >= aim and _said(window))):
            left = _trailing_headings(window)
            if unit.tokens + sum(one.tokens for one in left) > most:
                left = []
            if len(left) < len(window):
                yield _joined(window[: len(window) - len(left)])
                window = [*_carried(headings, [*left, unit], most), *left]
        if unit.level:
            headings = {level: one for level, one in headings.items() if level < unit.level} | {unit.level: unit}
        window.append(unit)
    if window:
        yield _joined(window)


def _carried(headings: dict[int, _Unit], begin: list[_Unit], most: int) -> list[_Unit]:
    """Headings over those that a window begins with, as many of the innermost as there is room for."""
    level = begin[0].level or 7
    room = min(_CARRIED * most, most - sum(one.tokens for one in begin))
    kept: list[_Unit] = []
    for one in reversed([one for one in headings.values() if one.level < level]):
        room -= one.tokens
        if room < 0:
            break
        kept.insert(0, one)
    return kept


def _said(window: list[_Unit]) -> bool:
    """Whether there is more in it than headings."""
    return any(not one.level for one in window)


def _trailing_headings(window: list[_Unit]) -> list[_Unit]:
    start = len(window)
    while start and window[start - 1].level:
        start -= 1
    return window[start:]


def _joined(window: list[_Unit]) -> str:
    return "".join(f"{unit.joint if place else ''}{unit.text}" for place, unit in enumerate(window))


def _units(text: str, measure: Measure, most: int) -> Iterator[_Unit]:
    for paragraph in _split(text, _BLANK):
        yield from _cut(paragraph, "\n\n", measure, most, (_lines, _sentences, _halves))


def _cut(
    text: str, joint: str, measure: Measure, most: int, ways: tuple[Callable[[str], tuple[str, list[str]]], ...]
) -> Iterator[_Unit]:
    """The text if it fits, else its parts by the first of the ways that cuts it."""
    tokens = measure(text)
    if tokens <= most or len(text) < 2:
        yield _Unit(text=text, joint=joint, tokens=tokens)
        return
    between, parts = ways[0](text)
    # Halves are halved again, whatever was tried before.
    left = ways[1:] or ways
    for place, part in enumerate(parts):
        yield from _cut(part, between if place else joint, measure, most, left)


def _lines(text: str) -> tuple[str, list[str]]:
    return "\n", [line for line in text.splitlines() if line.strip()]


def _sentences(text: str) -> tuple[str, list[str]]:
    return " ", list(split_sentences(text)) or [text]


def _halves(text: str) -> tuple[str, list[str]]:
    middle = len(text) // 2
    return "", [text[:middle], text[middle:]]


def _split(text: str, border: re.Pattern[str]) -> Iterator[str]:
    """The parts of a text between borders, one at a time."""
    start = 0
    for found in border.finditer(text):
        if (part := text[start : found.start()].strip("\n")).strip():
            yield part
        start = found.end()
    if (part := text[start:].strip("\n")).strip():
        yield part
