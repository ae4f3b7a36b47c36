"""What a text says that can be asked about: sentences, and the spans in them that answer a question.

Pure text work, the same every time: no model decides here what a text states.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

SpanKind = Literal["money", "time", "date", "year", "quantity", "number", "name", "phrase"]

_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DAY = r"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)s?"
_COUNT = r"(?:\d[\d,]*(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|hundred)"
_NAME_WORD = r"(?:[A-Z][\w'’-]*[a-z0-9][\w'’-]*|[A-Z]{2,}\d*)"
_PATTERNS: tuple[tuple[SpanKind, re.Pattern[str]], ...] = (
    ("money", re.compile(r"[$£€]\s?\d[\d,.]*\d?(?:\s(?:million|billion))?")),
    ("time", re.compile(r"\b\d{1,2}[:.]\d{2}(?:\s?[ap]\.?m\b\.?)?|\b\d{1,2}\s?[ap]\.?m\b\.?|\b(?:noon|midnight)\b")),
    (
        "date",
        re.compile(
            rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH}(?:,?\s\d{{4}})?|"
            rf"{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s\d{{4}})?|{_MONTH}\s\d{{4}}|{_DAY})\b"
        ),
    ),
    (
        "quantity",
        re.compile(
            rf"\b{_COUNT}\s?%|\b{_COUNT}(?:\s|-)(?!(?:and|or|of|to|in|at|on|is|was|the|by|who|that)\b)[a-z]{{2,}}\b",
            re.I,
        ),
    ),
    ("year", re.compile(r"\b1\d{3}\b|\b20\d{2}\b")),
    ("number", re.compile(r"\b\d[\d,]*(?:\.\d+)?(?:st|nd|rd|th)?\b")),
    ("name", re.compile(rf"\b{_NAME_WORD}(?:\s(?:of\s(?:the\s)?|the\s|de\s|van\s|von\s|&\s)?{_NAME_WORD})*")),
)
_PRIORITY = {kind: place for place, (kind, _) in enumerate(_PATTERNS)}
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|vs|etc|e\.g|i\.e|approx|c|ca|Fig|Inc|Ltd|Co|Jr|Sr)|\b[A-Z])\.$"
)
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$")
_MARKUP = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+|[*_`]{1,3}|\[([^\]]*)\]\([^)]*\)")
_FUNCTION_WORDS = frozenset(
    "a an the this that these those it its he she they them their his her we our you your i my me us one who whom "
    "which what when where why how is are was were be been being am do does did done has have had having will would "
    "shall should can could may might must of in on at to from by with without for as and or but nor so if then than "
    "into onto over under about after before between through during against within upon not no yes all any each "
    "every some most more less least few many much other another such only own same too very just also there here "
    "up down out off again once both either neither while until because since though although per via".split()
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*|\d[\d,.:]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, and the heading it stands under ("" where there is none)."""

    text: str
    heading: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSpan:
    """Characters `start:end` of a sentence that answer a question about it."""

    kind: SpanKind
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A text, read: its title ("" where it has none) and its sentences in order."""

    title: str
    sentences: tuple[Sentence, ...]


def read(text: str) -> Reading:
    """Sentences of plain text or Markdown; markup is dropped."""
    title, heading = "", ""
    sentences: list[Sentence] = []
    paragraph: list[str] = []

    def close() -> None:
        joined = " ".join(" ".join(paragraph).split())
        paragraph.clear()
        sentences.extend(Sentence(text=part, heading=heading) for part in _split(joined))

    for line in text.splitlines():
        found = _HEADING.match(line)
        if found:
            close()
            heading = _plain(found.group(1))
            title = title or heading
        elif not line.strip():
            close()
        else:
            if re.match(r"^\s*(?:[-*+]|\d+[.)])\s+", line):
                close()
            paragraph.append(_plain(line))
    close()
    return Reading(title=title, sentences=tuple(sentences))


def find_spans(sentence: str) -> tuple[AnswerSpan, ...]:
    """Names, dates, times, amounts and quantities of a sentence, in order and without overlap."""
    taken: list[AnswerSpan] = []
    for kind, pattern in _PATTERNS:
        for found in pattern.finditer(sentence):
            start, end = found.span()
            if kind == "name":
                start = _skip_sentence_start(sentence, start, end)
                if start is None:
                    continue
            if not any(start < other.end and other.start < end for other in taken):
                taken.append(AnswerSpan(kind=kind, start=start, end=end, text=sentence[start:end]))
    return tuple(sorted(taken, key=lambda span: span.start))


def phrase_spans(sentence: str) -> tuple[AnswerSpan, ...]:
    """Every single content word that no pattern of `find_spans` covers."""
    taken = find_spans(sentence)
    return tuple(
        AnswerSpan(kind="phrase", start=found.start(), end=found.end(), text=found.group())
        for found in _WORD.finditer(sentence)
        if found.group().lower() not in _FUNCTION_WORDS
        and len(found.group()) > 2
        and not any(found.start() < span.end and span.start < found.end() for span in taken)
    )


def content_words(text: str) -> tuple[str, ...]:
    """The words of a text that carry its meaning, in order."""
    return tuple(word for word in _WORD.findall(text) if word.lower() not in _FUNCTION_WORDS)


def _split(paragraph: str) -> list[str]:
    parts: list[str] = []
    for piece in _SENTENCE_END.split(paragraph):
        if parts and _ABBREVIATION.search(parts[-1]):
            parts[-1] += " " + piece
        else:
            parts.append(piece)
    return [part.strip() for part in parts if _WORD.search(part)]


def _plain(line: str) -> str:
    return _MARKUP.sub(lambda found: found.group(1) or "", line).strip()


def _skip_sentence_start(sentence: str, start: int, end: int) -> int | None:
    """Where a name begins. A sentence's first word is capitalised anyhow, so alone it is no name."""
    if start > 0:
        return start
    words = sentence[start:end].split(" ")
    if words[0].lower() not in _FUNCTION_WORDS and len(words) > 1:
        return start
    rest = " ".join(words[1:])
    return None if not rest else end - len(rest)
