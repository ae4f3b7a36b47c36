"""Questions about a sentence, in many wordings, made without a model.

A small model writes poor questions. These are poor in style too, but faithful by construction: each holds what the
sentence says around the answer, and nothing else. Their variety is the point. Whoever answers one fact from a
reordered half of its words, in the place of a blank, or after a question word, answers it from a wording never seen.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from liveoak.learning.spans import AnswerSpan, content_words
from liveoak.records import QA

BRIEF = "Answer in a few words."
"""Half of the questions ask for brevity, as people do, so that the answer does not hang on it."""

_ASKED: dict[str, tuple[str, ...]] = {
    "money": ("how much", "how much money", "what amount", "what sum"),
    "time": ("what time", "when", "at which hour"),
    "date": ("what date", "when", "which day"),
    "year": ("what year", "when", "which year"),
    "quantity": ("how many", "what number", "how much"),
    "number": ("how many", "what number", "which number"),
    "name": ("who", "what", "where", "which person", "which place", "whose name"),
    "phrase": ("what", "which", "what kind"),
    "clause": ("what", "how", "why", "where", "what happened", "who", "which"),
}
_UNITS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (
        frozenset("second minute hour day night week month year decade centurie century".split()),
        ("how long", "how often", "what length of time", "when"),
    ),
    (
        frozenset("metre meter m kilometre kilometer km mile foot feet inch inche centimetre centimeter mm cm".split()),
        ("how far", "how high", "how long", "what distance", "what height"),
    ),
    (frozenset("kilogram kg g gram tonne ton pound ounce".split()), ("how heavy", "what weight", "how much")),
    (
        frozenset("euro dollar cent franc pound yen crown krona".split()),
        ("how much", "how much money", "what amount", "what price", "what rate"),
    ),
    (
        frozenset("° c f degree celsius".split()),
        ("how many degrees", "what temperature", "how hot", "how cold"),
    ),
)
_OPENING = re.compile(
    r"\s*((?:at |in |on |by |to |from |for )?(?:who|what|when|where|which|why|how)\b"
    r"(?:\s(?:many|much|long|often|far|high|old|large)\b)?)",
    re.IGNORECASE,
)
"""The question words of a question."""
_SHARE = ("what share", "what percentage", "how much")
_NEXT_TO = 2
"""Content words on either side of a clause that questions about it may hold."""
_ALIKE = 0.3
"""Share of the shorter one's words that makes two facts alike."""
_WITHOUT_S = frozenset("feet people staff men women children crew sheep fish yen crown krona hertz".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An answer, the words around it, and the ways to ask for it."""

    answer: str
    before: str
    after: str
    asked: tuple[str, ...]
    """Question words that fit the answer, the fittest first."""
    subject: str
    """What the text is about; named in some of the questions."""
    said: str = ""
    """A whole question that somebody gave; where there is one, the words around the answer are its words."""
    key: tuple[str, ...] = ()
    """Words that tell this fact from those like it, in lower case; every question has one of them at least."""
    aside: str = ""
    """The wording that is kept for the proof, and never trained on."""


def tell_apart(facts: Sequence[Fact]) -> list[Fact]:
    """The facts with their keys. Facts are alike when they share a good part of their words and have other answers."""
    words = [frozenset(word.lower() for word in _words(fact)) for fact in facts]
    keyed: list[Fact] = []
    for i, fact in enumerate(facts):
        shared: set[str] = set()
        for j, other in enumerate(facts):
            common = words[i] & words[j]
            if other.answer != fact.answer and len(common) >= _ALIKE * min(len(words[i]), len(words[j])):
                shared |= common
        # In the order of the sentence, so that the same lesson is read the same way every time.
        own = tuple(dict.fromkeys(word.lower() for word in _words(fact) if word.lower() not in shared))
        keyed.append(replace(fact, key=own if shared else ()))
    return keyed


def fact_of_span(sentence: str, span: AnswerSpan, subject: str) -> Fact:
    """The fact that a span states within its sentence. Where the sentence says the answer twice, it is asked about
    without either."""
    spoken = _spoken_answer(span.text)
    return Fact(
        answer=span.text,
        before=spoken.sub("...", sentence[: span.start]),
        after=spoken.sub("...", sentence[span.end :]),
        asked=_question_words(span),
        subject=subject,
    )


def fact_of_clause(sentence: str, clause: AnswerSpan, subject: str) -> Fact:
    """The fact that a clause states: asked for by some of its words and of those next to it, it is said in full."""
    own = content_words(clause.text)
    before = content_words(sentence[: clause.start])[-_NEXT_TO:]
    after = content_words(sentence[clause.end :])[:_NEXT_TO]
    return Fact(
        answer=clause.text,
        before="",
        after=f" {' '.join((*before, *own, *after))}",
        asked=_ASKED[clause.kind],
        subject=subject,
        key=tuple(word.lower() for word in own),
    )


def fact_of_question(pair: QA, subject: str) -> Fact:
    """The fact behind a question that somebody wrote."""
    opening = _OPENING.match(pair.question)
    asked = opening.group(1).strip().lower() if opening else "what"
    rest = pair.question[opening.end() :] if opening else pair.question
    return Fact(
        answer=pair.answer,
        before="",
        after=rest.rstrip(" ?."),
        asked=(asked,),
        subject=subject,
        said=pair.question.strip(),
    )


def ask(fact: Fact, rng: random.Random, count: int) -> tuple[QA, ...]:
    """Up to `count` different questions with the fact's answer, which none of them gives away, and at least one.

    Somebody's own question comes first, as it was said.
    """
    spoken = _spoken_answer(fact.answer)
    questions: list[str] = [fact.said] if fact.said else []
    forms = _GIVEN_FORMS if fact.said else _FORMS
    for attempt in range(4 * count):
        if len(questions) >= count:
            break
        # The first round takes each form once, so that a few questions are already varied.
        form = forms[attempt] if attempt < len(forms) else rng.choice(forms)
        asked = fact.asked[0] if attempt < len(forms) and rng.random() < 0.5 else rng.choice(fact.asked)
        question = _capital(" ".join(form(fact, asked, rng).split()))
        if question not in questions and not spoken.search(question):
            questions.append(question)
    if len(questions) < min(count, 2):
        # A word such as "what" may be the answer: then every form above gives it away.
        questions += [question for question in _PLAIN if not spoken.search(question)][: min(count, 2) - len(questions)]
    brief = BRIEF if not spoken.search(BRIEF) else ""
    return tuple(
        QA(question=f"{question} {brief}".strip() if rng.random() < 0.5 else question, answer=fact.answer)
        for question in questions[:count]
    )


def _in_place(fact: Fact, asked: str, rng: random.Random) -> str:
    """The sentence with the question word where the answer was."""
    return f"{(fact.before + asked + fact.after).rstrip('.!? ')}{_tail(fact, rng)}?"


def _fronted(fact: Fact, asked: str, rng: random.Random) -> str:
    words = _words(fact)
    return f"{asked} {' '.join(words if rng.random() < 0.5 else _some(fact, words, rng))}{_tail(fact, rng)}?"


def _blank(fact: Fact, asked: str, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return f"{fact.before}____{fact.after} {_capital(asked)}?"
    return f"{_capital(asked)}: {fact.before}...{fact.after}"


def _listed(fact: Fact, asked: str, rng: random.Random) -> str:
    words = _words(fact)
    kept = _kept(fact, words, rng.randint(max(1, len(words) - 2), max(1, len(words))), rng)
    subject = f"{fact.subject}: " if fact.subject and rng.random() < 0.7 else ""
    return f"{subject}{', '.join(kept)}: {asked}?"


def _spoken(fact: Fact, asked: str, rng: random.Random) -> str:
    words = _words(fact)
    topic = " ".join(words if rng.random() < 0.6 else _some(fact, words, rng)) + _tail(fact, rng)
    opening = rng.choice(_OPENINGS)
    return opening.format(asked=asked, topic=topic)


_OPENINGS = (
    "Can you tell me {asked}, {topic}?",
    "I would like to know {asked}: {topic}.",
    "Please say {asked}, about {topic}.",
    "With {topic}, {asked}?",
    "{topic}, {asked} is it?",
    "A question about {topic}: {asked}?",
)
_PLAIN = ("Which word is meant?", "Name it.", "Say what it is.", "?")
_Form = Callable[[Fact, str, random.Random], str]
_FORMS: tuple[_Form, ...] = (_in_place, _fronted, _blank, _listed, _spoken)
_GIVEN_FORMS: tuple[_Form, ...] = (_fronted, _listed, _spoken)


def _question_words(span: AnswerSpan) -> tuple[str, ...]:
    general = _ASKED[span.kind]
    if span.kind != "quantity":
        return general
    if span.text.endswith(("%", "percent", "per cent")):
        return _SHARE + general
    unit = re.split(r"[\s\d.,–-]+", span.text)[-1].lstrip("°").strip() or "°"
    one = unit.lower() if unit.lower() in _WITHOUT_S else unit.lower().removesuffix("s")
    for units, asked in _UNITS:
        if one in units:
            return (*_counted(unit), *asked)
    return (*_counted(unit), *general)


def _counted(unit: str) -> tuple[str, ...]:
    if not unit.isalpha() or len(unit) < 3:
        return ()
    return (f"how many {unit if unit.endswith('s') or unit.lower() in _WITHOUT_S else unit + 's'}",)


def _spoken_answer(answer: str) -> re.Pattern[str]:
    """Where a text says the answer, whatever its capitals."""
    return re.compile(rf"(?<!\w){re.escape(answer)}(?!\w)", re.IGNORECASE)


def _words(fact: Fact) -> list[str]:
    return list(content_words(f"{fact.before} {fact.after}")) or [fact.subject or "this"]


def _some(fact: Fact, words: list[str], rng: random.Random) -> list[str]:
    return _kept(fact, words, rng.randint(2, 5), rng)


def _kept(fact: Fact, words: list[str], count: int, rng: random.Random) -> list[str]:
    """About `count` of the words in any order, among them one of the fact's key at least: without it the question
    would be about several facts at once."""
    key = [word for word in words if word.lower() in fact.key]
    first = rng.sample(key, rng.randint(1, len(key))) if key else []
    rest = [word for word in words if word not in first]
    kept = first + rng.sample(rest, min(len(rest), max(0, max(count, 1) - len(first))))
    rng.shuffle(kept)
    return kept


def _tail(fact: Fact, rng: random.Random) -> str:
    if not fact.subject or fact.subject.lower() in f"{fact.before}{fact.after}".lower():
        return ""
    return rng.choice(("", f" at {fact.subject}", f" of {fact.subject}", f" ({fact.subject})"))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
