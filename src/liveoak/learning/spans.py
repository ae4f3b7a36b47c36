"""The spans of a sentence that answer a question: names, dates, times, amounts and quantities, by pattern.

The patterns know English and the shapes of numbers; other languages are read, but give fewer spans. Each pattern is
linear in the length of its text: starts are guarded and what repeats is possessive, so nothing is tried twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

SpanKind = Literal["money", "time", "date", "year", "quantity", "number", "name", "phrase", "clause"]

FUNCTION_WORDS = frozenset(
    "a an the this that these those it its he she they them their his her we us our you your i my me one who whom "
    "which what when where why how is are was were be been being am do does did done has have had having will would "
    "shall should can could may might must of in on at to from by with without for as and or but nor so if then than "
    "into onto over under about after before between through during against within upon not no yes all any each "
    "every some most more less least few many much other another such only own same too very just also there here "
    "up down out off again once both either neither while until because since though although per via "
    "nobody everybody somebody anybody none everyone someone anyone nothing everything something anything whoever "
    "whatever whichever beside besides behind beneath beyond above below along across around among near toward "
    "towards within without except despite unless whether whose else ever never always often soon please".split()
)
_OPENERS = frozenset(
    "however yesterday today tomorrow instead finally later now therefore meanwhile usually often sometimes please "
    "note perhaps thus still yet first second third next last".split()
)
"""Words that open a sentence in front of a name and are no part of it."""

_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_SHORT_MONTH = r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
_DAY = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
_START = r"(?<!\w)(?<!\d[.,:])(?<![^\W\d_]-)"
"""Not within a word, a number or a code such as `KX-20`."""
_DIGITS = r"\d++(?:[.,]\d++)*+"
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_POWERS = "dozen|hundred|thousand|million|billion|trillion"
_CURRENCY = "[$£€¥₹₩]"
_SPELLED = rf"(?i:(?:(?:{_TENS})-(?:{_ONES})|{_TENS}|{_TEENS}|{_ONES})\b(?:\s(?:{_POWERS})\b)*+|a\s(?:{_POWERS})\b)"
_ORDINAL = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth twenty-first"
).replace(" ", "|")
_ABOUT = (
    r"(?:(?<![\w-])(?i:about|around|over|under|nearly|almost|some|approximately|roughly|exactly|up\sto|at\s(?:least|most)|"
    r"(?:more|less|fewer|no\smore|no\sless)\sthan)\s)?"
)
"""What says how sure a number is, and belongs to it."""
_COUNT = rf"(?:{_DIGITS}(?:\s(?i:{_POWERS})\b)?|{_SPELLED})"
_COUNTS = rf"{_COUNT}(?:(?:\s?[-–]\s?|\s(?:to|or)\s){_COUNT})?"
_UNITS = (
    "seconds? minutes? hours? days? nights? weeks? months? years? decades? century centuries metres? meters? feet foot "
    "inch(?:es)? miles? grams? tonnes? tons? pounds? ounces? euros? dollars? cents? francs? yen crowns? krona degrees? "
    "percent litres? liters? acres? hectares? watts? volts? people persons? staff men women children crew sheep fish"
).replace(" ", "|")
_NUMBERED = "room|floor|level|gate|platform|line|bay|door|box|locker|desk|hall|building|unit|form|rule|step|extension"
_SIGNS = "kg|km|cm|mm|ml|kW|MW|kWh|GB|MB|TB|mph|km/h|Hz|kHz|MHz|m|g|l"
_VERBS = (
    "is was has does opens closes starts begins ends runs leads leaves costs holds stands hangs keeps needs takes "
    "makes gives goes comes says means shows stays lies sits works lives meets owns sells pays gets lets sends serves "
    "uses wants calls helps turns moves reaches arrives departs belongs includes contains requires covers rises falls "
    "lasts always perhaps its this his us as plus thus less across besides sometimes"
).replace(" ", "|")
_PLURAL = rf"(?!(?:{_VERBS})\b)(?!\w+ss\b)[^\W\d_]{{2,}}s"
_CAPITAL = "".join(
    chr(code) for code in (*range(0x250), *range(0x370, 0x530), *range(0x1E00, 0x1F00)) if chr(code).isupper()
)
_TITLE = r"(?:Mr|Mrs|Ms|Dr|Prof|St)\."
_INITIALS = rf"(?:[{_CAPITAL}]\.){{2,4}}(?!\w)"
_SMALL_FIRST = rf"[a-z]{{1,2}}[{_CAPITAL}]\w++"
_WORD_OF_NAME = rf"(?!{_TITLE})(?:{_INITIALS}|{_SMALL_FIRST}|[{_CAPITAL}]\w*+(?:['’-]\w++)*+)"
_ERA = r"(?:\s?(?:BCE?|CE|AD)\b)"
_WITHIN_NAMES = r"(?:of\s(?:the\s)?|de\s(?:la\s)?|van\s(?:der\s)?|(?:von|del|della|di|da|du|bin|ibn|al)\s|al-|&\s)"

_PATTERNS: tuple[tuple[SpanKind, re.Pattern[str]], ...] = (
    (
        "money",
        re.compile(
            rf"{_ABOUT}(?:{_CURRENCY}\s?|{_START}(?:EUR|USD|GBP|CHF|Rs\.?)\s){_DIGITS}(?:\s?[-–]\s?{_CURRENCY}?{_DIGITS})?"
            rf"(?:\s?(?:{_POWERS}|bn|k|m)\b)?|"
            rf"{_ABOUT}{_START}{_DIGITS}\s?(?:{_CURRENCY}|(?:EUR|USD|GBP|CHF)\b)"
        ),
    ),
    (
        "time",
        re.compile(
            rf"{_START}(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?![\w:])(?:\s?(?:[ap]\.m\.?|[ap]m\b))?|"
            rf"{_START}(?:\d{{1,2}}\s?[-–]\s?)?(?:\d{{1,2}}(?:\.[0-5]\d)?\s?(?:[ap]\.m\.?|[ap]m\b)|\d{{1,2}}\so['’]clock\b)|"
            r"(?:(?<=\bat\s)|(?<=\bby\s)|(?<=\bfrom\s)|(?<=\buntil\s)|(?<=\btill\s)|(?<=\bbefore\s)|(?<=\bafter\s))"
            r"(?:[01]?\d|2[0-3])\.[0-5]\d(?![\w.]*\d)(?!\s?(?:%|[$£€¥°]|\w+s\b|percent|per\scent))|"
            r"\b(?:noon|midnight)\b",
            re.I,
        ),
    ),
    (
        "date",
        re.compile(
            rf"{_START}(?:\d{{4}}-\d\d-\d\d|\d{{1,2}}/\d{{1,2}}/\d{{2,4}}|\d{{1,2}}\.\d{{1,2}}\.\d{{4}})(?!\w)|"
            rf"{_START}\d{{1,2}}(?:st|nd|rd|th)?(?:(?:\s?[-–]\s?|\sto\s)\d{{1,2}}(?:st|nd|rd|th)?)?\s(?:of\s)?"
            rf"(?:(?:{_MONTH})\b|{_SHORT_MONTH})(?:,?\s\d{{4}}\b)?|"
            rf"\b(?:(?:{_MONTH})\b|{_SHORT_MONTH})\s\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s\d{{4}}\b)?|"
            rf"\b(?:{_MONTH})\s\d{{4}}\b|\b(?:{_MONTH.replace('May|', '')})\b|"
            r"(?i:(?<=\bin\s)|(?<=\bof\s)|(?<=\bby\s)|(?<=\bsince\s)|(?<=\buntil\s)|(?<=\bevery\s)|(?<=\bto\s))May\b|"
            rf"{_START}(?i:(?:(?:early|mid|late)[\s-])?(?:\d{{1,2}}(?:st|nd|rd|th)|{_ORDINAL})[\s-]centur(?:y|ies))\b"
            rf"{_ERA}?|"
            rf"\b{_DAY}(?:\s?(?:[-–]|to|through)\s?{_DAY})?\b"
        ),
    ),
    (
        "quantity",
        re.compile(
            rf"{_ABOUT}{_START}{_COUNTS}(?:\s?%|\sper\scent\b|\s?°(?:\s?[CF]\b)?|\s?(?:{_SIGNS})\b(?!['’])|"
            rf"\s(?i:{_UNITS})\b|-[a-z]{{3,}}\b|\s{_PLURAL}\b)"
        ),
    ),
    (
        "year",
        re.compile(
            rf"{_START}(?:\d{{1,4}}(?:\s?[-–]\s?\d{{1,4}})?{_ERA}|AD\s\d{{1,4}}\b)|"
            rf"{_START}(?:1\d{{3}}|20\d\d)(?:s|(?:[-–]|\sto\s)(?:1\d{{3}}|20\d\d)|[-–]\d\d)?(?![\w]|[.,]\d)"
        ),
    ),
    # A thing told apart by its number is asked for whole.
    ("phrase", re.compile(rf"{_START}(?i:{_NUMBERED})s?\s(?:{_DIGITS}[a-z]?|[A-Z]\d*)(?![\w'’-])")),
    (
        "name",
        re.compile(
            rf"(?<![\w'’-]){_WORD_OF_NAME}\s\d{{1,5}}[A-Za-z]?(?![\w'’-]|[.,:]\d|\s?%)|"
            rf"{_START}\d{{1,3}}(?:st|nd|rd|th)\s{_WORD_OF_NAME}(?:\s{_WORD_OF_NAME}){{0,3}}"
        ),
    ),
    (
        "number",
        re.compile(
            rf"{_ABOUT}{_START}(?:{_DIGITS}(?:(?:st|nd|rd|th)|\s(?i:{_POWERS})\b)?(?!\w)|(?!one\b|One\b|a\b){_SPELLED})"
        ),
    ),
    (
        "name",
        re.compile(
            rf"(?<![\w'’-])(?:{_TITLE}\s)?(?:[{_CAPITAL}]\.\s?){{0,3}}"
            rf"{_WORD_OF_NAME}(?:\s{_WITHIN_NAMES}?{_WORD_OF_NAME}){{0,7}}"
        ),
    ),
)
_LAST = frozenset({"and", "or", "&"})
_JOINTS = frozenset({", ", *(f"{comma} {word} {the}" for comma in ("", ",") for word in _LAST for the in ("", "the "))})
_TOGETHER = 4
"""Names that one answer has at most."""
_WORDS_BEFORE, _WORDS_AFTER = 1, 2
"""Words that a phrase has at most beside the one that it is about."""
_LEFT_TO_ASK = 2
"""Content words that a sentence must have beside a phrase."""
_WITHIN_PHRASES = (" ", "-", "/")
_PARTS = ("ed", "ly")
"""Endings of words that a phrase seldom has beside others: participles, which say what is done, and adverbs."""
_WORD = re.compile(r"[^\W\d_]\w*(?:['’-]\w+)*|\d+(?:[.,:]\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSpan:
    """Characters `start:end` of a sentence that answer a question about it."""

    kind: SpanKind
    start: int
    end: int
    text: str


def find_spans(sentence: str) -> tuple[AnswerSpan, ...]:
    """Names, dates, times, amounts and quantities of a sentence, in order and without overlap."""
    spans: list[AnswerSpan] = []
    taken = bytearray(len(sentence))
    for kind, pattern in _PATTERNS:
        for found in pattern.finditer(sentence):
            start, end = _trim_name(sentence, *found.span()) if kind == "name" else found.span()
            # What is left of "In 45" is no name but a number, which has its own pattern.
            if kind == "name" and sentence[start:end].isdigit():
                continue
            if start < end and taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                spans.append(AnswerSpan(kind=kind, start=start, end=end, text=sentence[start:end]))
    return _joined(sentence, sorted(spans, key=lambda span: span.start))


def _joined(sentence: str, spans: Sequence[AnswerSpan]) -> tuple[AnswerSpan, ...]:
    """The spans in order, but for names that are told together: they answer together."""
    found: list[AnswerSpan] = []
    row: list[AnswerSpan] = []
    for span in (*spans, None):
        between = sentence[row[-1].end : span.start] if row and span is not None else ""
        if span is not None and span.kind == "name" and row and between in _JOINTS and len(row) < _TOGETHER:
            row.append(span)
            continue
        found += _as_one(sentence, row)
        row = [span] if span is not None and span.kind == "name" else []
        found += [span] if span is not None and span.kind != "name" else []
    return tuple(found)


def _as_one(sentence: str, row: Sequence[AnswerSpan]) -> list[AnswerSpan]:
    """A row of names with "and" before the last is one answer; of any other, each name is."""
    if len(row) < 2 or sentence[row[-2].end : row[-1].start].strip(", ").removesuffix(" the") not in _LAST:
        return list(row)
    start, end = row[0].start, row[-1].end
    return [AnswerSpan(kind="name", start=start, end=end, text=sentence[start:end])]


def phrase_spans(sentence: str) -> tuple[AnswerSpan, ...]:
    """Every single content word that no pattern of `find_spans` covers."""
    taken = bytearray(len(sentence))
    for span in find_spans(sentence):
        taken[span.start : span.end] = b"\1" * (span.end - span.start)
    return tuple(
        AnswerSpan(kind="phrase", start=found.start(), end=found.end(), text=found.group())
        for found in _content(sentence)
        if len(found.group()) > 2 and taken.find(1, found.start(), found.end()) < 0
    )


def widened(sentence: str, span: AnswerSpan) -> AnswerSpan:
    """A word with the content words next to it, for an answer is most often a word with what it belongs to. No answer
    of several words is taken in part; alone where too little of the sentence would be left to ask by."""
    whole = [other for other in find_spans(sentence) if " " in other.text]
    content = list(_content(sentence))
    words = [word for word in content if not any(other.start <= word.start() < other.end for other in whole)]
    own = next(place for place, word in enumerate(words) if word.end() > span.start)
    first = last = own
    while last + 1 < len(words) and last < own + _WORDS_AFTER and _adjoin(sentence, words[last], words[last + 1]):
        last += 1
    while first > max(0, own - _WORDS_BEFORE) and _adjoin(sentence, words[first - 1], words[first]):
        first -= 1
    if len(content) - (last + 1 - first) < _LEFT_TO_ASK:
        return span
    start, end = words[first].start(), words[last].end()
    return AnswerSpan(kind=span.kind, start=start, end=end, text=sentence[start:end])


def _adjoin(sentence: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Whether two content words are of one phrase, as far as their endings and places tell."""
    parts = one.group().endswith(_PARTS) or other.group().endswith(_PARTS) or one.start() == 0
    return not parts and sentence[one.end() : other.start()] in _WITHIN_PHRASES


def content_words(text: str) -> tuple[str, ...]:
    """The words of a text that carry its meaning, in order."""
    return tuple(found.group() for found in _content(text))


def _content(text: str) -> Iterator[re.Match[str]]:
    return (found for found in _WORD.finditer(text) if found.group().lower() not in FUNCTION_WORDS)


def _trim_name(sentence: str, start: int, end: int) -> tuple[int, int]:
    """A name without what only looks like one; empty where nothing is left.

    A sentence's first word is capitalised anyhow: alone it is no name.
    """
    words = list(re.finditer(r"\S+", sentence[start:end]))
    opens = not sentence[:start].strip("\"'“‘«([ ") or sentence[:start].rstrip().endswith((":", "“", '"', "(", "‘"))
    while words and _is_no_name(words[0].group(), opens):
        words.pop(0)
    if not words or (opens and len(words) == 1 and words[0].start() == 0):
        return start, start
    if len(words) == 1 and len(words[0].group()) == 1:
        return start, start
    first, last = start + words[0].start(), start + words[-1].end()
    return first, last - (2 if sentence[first:last].endswith(("'s", "’s")) else 0)


def _is_no_name(word: str, opens: bool) -> bool:
    small = word.lower()
    return (
        small in FUNCTION_WORDS
        or (word[0].islower() and word.islower())
        or word == "&"
        or (opens and small in _OPENERS)
    )
