"""A text as sentences under headings. Pure text work, the same every time: no model decides what a text states."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from liveoak.learning.spans import content_words

__all__ = ["LONGEST", "Reading", "Sentence", "content_words", "read", "split_sentences"]

LONGEST = 500
"""Characters of a sentence; a longer one is cut between words, so that no table or list becomes one endless fact."""
_LONGEST_HEADING = 120

_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s)|[。！？]++[」』”’）]*+")
_OPENING_MARKS = "\"'“‘«([「『（"
_ALWAYS_SHORT = frozenset("Mr Mrs Ms Dr Prof St Rev Hon Capt Gen Gov Sen Lt Sgt vs".split())
_SHORT_BEFORE_NUMBERS = frozenset("No no Nr nr Fig fig approx c ca p pp Vol vol Ch ch Sec sec Art art".split())
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+")
_NO_INITIALS = frozenset({"I.", "a.m.", "p.m.", "A.M.", "P.M."})

_BULLET = re.compile(r"\s*(?:>\s?)*(?:[-*+•]|\d{1,3}[.)])\s+")
_UNDERLINE = re.compile(r"\s{0,3}(?:=+|-+)\s*")
_RULE = re.compile(r"\s*(?:[-*_=]\s*+){3,}")
_TABLE_RULE = re.compile(r"[\s|:-]+")
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,500}\)")
_EMPHASIS = re.compile(r"(?<![\w*])[*_`]{1,3}(?=[^\s*_`])|(?<=[^\s*_`])[*_`]{1,3}(?![\w*])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, and the heading it stands under ("" where there is none)."""

    text: str
    heading: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A text, read: its title ("" where it has none) and its sentences in order."""

    title: str
    sentences: tuple[Sentence, ...]


def read(text: str) -> Reading:
    """Sentences of plain text or Markdown; markup is dropped. A row of a table is a sentence."""
    title, heading = "", ""
    sentences: list[Sentence] = []
    paragraph: list[str] = []

    def close() -> None:
        joined = " ".join(" ".join(paragraph).split())
        paragraph.clear()
        sentences.extend(Sentence(text=part, heading=heading) for part in split_sentences(joined))

    for line in text.splitlines():
        marked = _marked_heading(line)
        underlined = len(paragraph) == 1 and _UNDERLINE.fullmatch(line)
        if marked is not None or underlined:
            name = marked if marked is not None else paragraph.pop()
            close()
            heading = _plain(name)[:_LONGEST_HEADING]
            title = title or heading
        elif not line.strip() or _RULE.fullmatch(line):
            close()
        elif line.lstrip().startswith("|"):
            close()
            if not _TABLE_RULE.fullmatch(line):
                paragraph.append(", ".join(_plain(cell) for cell in line.split("|") if cell.strip()))
            close()
        else:
            if _BULLET.match(line):
                close()
            paragraph.append(_plain(line))
    close()
    return Reading(title=title, sentences=tuple(sentences))


def split_sentences(text: str) -> tuple[str, ...]:
    """The sentences of one paragraph without line breaks. What holds no letter and no digit is dropped."""
    parts: list[str] = []
    start = 0
    for found in _END.finditer(text):
        if _begins_sentence(text, found.end()) and not _is_short(text, start, found):
            parts.append(text[start : found.end()])
            start = found.end()
    parts.append(text[start:])
    return tuple(
        piece for part in parts for piece in _cut(part.strip()) if any(character.isalnum() for character in piece)
    )


def _begins_sentence(text: str, end: int) -> bool:
    """Whether what follows can be a sentence's first word: capitalised, a number, or of a script without capitals."""
    following = text[end : end + 4].strip().lstrip(_OPENING_MARKS)[:1]
    return following.isdigit() or (following.isalpha() and not following.islower())


def _is_short(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether the full stop belongs to an abbreviation."""
    if end.group() != ".":
        return False
    word = text[max(start, text.rfind(" ", start, end.start()) + 1) : end.end()].lstrip(_OPENING_MARKS)
    if word[:-1] in _SHORT_BEFORE_NUMBERS:
        return text[end.end() + 1 : end.end() + 2].isdigit()
    if word[:-1] in _ALWAYS_SHORT:
        return True
    return len(word) <= 8 and word not in _NO_INITIALS and _INITIALS.fullmatch(word) is not None


def _cut(sentence: str) -> Iterator[str]:
    while len(sentence) > LONGEST:
        space = sentence.rfind(" ", 0, LONGEST)
        end = space if space > 0 else LONGEST
        yield sentence[:end]
        sentence = sentence[end:].lstrip()
    yield sentence


def _marked_heading(line: str) -> str | None:
    """The text of a `# heading`, or None."""
    stripped = line.strip()
    marks = len(stripped) - len(stripped.lstrip("#"))
    if not 1 <= marks <= 6 or not stripped[marks : marks + 1].isspace():
        return None
    return stripped[marks:].strip().rstrip("#").strip()


def _plain(line: str) -> str:
    line = line[found.end() :] if (found := _BULLET.match(line)) else line.lstrip().removeprefix(">")
    return _EMPHASIS.sub("", _LINK.sub(r"\1", line)).strip()
