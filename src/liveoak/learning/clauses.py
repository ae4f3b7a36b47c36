"""What a sentence says, clause by clause.

Who asks how or why is not answered by a name or a number. A clause holds such an answer whatever its words are, and
says it as the text does; found by punctuation and a few small words, without a parser.
"""

from __future__ import annotations

import re

from liveoak.learning.spans import AnswerSpan, content_words

_BORDER = re.compile(
    r"[;:()\[\]—]|(?<!\d),|,(?!\d)|(?<=\s)[–-](?=\s)|\b(?:is|are|was|were|that|which|who)\b", re.IGNORECASE
)
_OPENERS = frozenset("and or but so while as".split())
"""Words that join a clause to the one before it, and are no part of it."""
_CUTS = frozenset(
    "in on at to by for from with as through during among into between after before under over against within upon "
    "about like than via until since because without toward towards across along around near onto".split()
)
"""Words before which a long clause is cut."""
_LEFT_OVER = _CUTS | _OPENERS | frozenset("of a an the".split())
"""Words that no clause ends with."""
_MOST_WORDS = 12
"""Of a clause, so that a reply has room for it."""
_LONGEST = 24
"""Words of one that cannot be cut; beyond, it is a list or no prose, and nothing that anybody would say."""
_LEAST_SAID = 3
"""Content words without which a clause says nothing by itself."""
_EDGES = " .!?…\"'“”‘’"
_WORD = re.compile(r"\S+")


def clauses(sentence: str) -> tuple[AnswerSpan, ...]:
    """The clauses of a sentence that say something by themselves, in order and without overlap, each of at most twelve
    words where it can be cut before a preposition."""
    found: list[AnswerSpan] = []
    start = 0
    for border in (*_BORDER.finditer(sentence), None):
        end = len(sentence) if border is None else border.start()
        found += (_clause(sentence, *part) for part in _parts(sentence, start, end))
        start = end if border is None else border.end()
    return tuple(
        clause
        for clause in found
        if len(clause.text.split()) <= _LONGEST and len(content_words(clause.text)) >= _LEAST_SAID
    )


def _clause(sentence: str, start: int, end: int) -> AnswerSpan:
    text = sentence[start:end]
    start += len(text) - len(text.lstrip(_EDGES))
    text = text.strip(_EDGES)
    return AnswerSpan(kind="clause", start=start, end=start + len(text), text=text)


def _parts(sentence: str, start: int, end: int) -> list[tuple[int, int]]:
    """The characters from `start` to `end` without what joins them to others, cut while they are too many words."""
    words = list(_WORD.finditer(sentence, start, end))
    while words and words[0].group().lower() in _OPENERS:
        words.pop(0)
    while words and words[-1].group().lower() in _LEFT_OVER:
        words.pop()
    parts: list[tuple[int, int]] = []
    while len(words) > _MOST_WORDS and (cut := _middle(words)):
        parts.append((words[0].start(), words[cut - 1].end()))
        words = words[cut:]
    return [*parts, (words[0].start(), words[-1].end())] if words else parts


def _middle(words: list[re.Match[str]]) -> int | None:
    """The place nearest the middle where words may be cut, if any."""
    places = [place for place in range(3, len(words) - 2) if words[place].group().lower() in _CUTS]
    return min(places, key=lambda place: abs(place - len(words) / 2), default=None)
