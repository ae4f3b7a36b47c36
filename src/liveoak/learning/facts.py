"""What a lesson teaches, as facts that can be asked about."""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass

import torch

from liveoak.engine import SLICE, Engine, Sequence, portions
from liveoak.learning.asking import Fact, fact_of_clause, fact_of_question, fact_of_span
from liveoak.learning.clauses import clauses
from liveoak.learning.reading import Reading, Sentence, read
from liveoak.learning.recipe import Recipe
from liveoak.learning.spans import AnswerSpan, find_spans, phrase_spans, widened
from liveoak.records import Lesson

_COINED = 3
"""Tokens from which on a word is taken for one that somebody made up."""
_SAYS_MORE = 8
"""Words that are no part of its names and numbers, from which on a sentence is taken to say more than these."""
_FOCUS = 1.25
"""What a sentence has to say comes last in English; its last word counts this much more."""


def read_lesson(lesson: Lesson) -> Reading:
    """The lesson's source and statements as one text."""
    reading = read(lesson.source)
    stated = (sentence for statement in lesson.statements for sentence in read(statement).sentences)
    # What is said twice is one fact, not two.
    once = {sentence.text: sentence for sentence in reversed((*reading.sentences, *stated))}
    return Reading(title=reading.title or lesson.topic, sentences=tuple(reversed(once.values())))


def given_facts(lesson: Lesson) -> list[Fact]:
    """The questions that came with the lesson."""
    subject = subject_of(read_lesson(lesson), lesson.topic)
    return [fact_of_question(pair, subject) for pair in lesson.questions]


def stated_facts(engine: Engine, lesson: Lesson, recipe: Recipe) -> list[Fact]:
    """Facts that the lesson's text states: names, dates and quantities first, then phrases about the words that
    surprise most."""
    reading = read_lesson(lesson)
    subject = subject_of(reading, lesson.topic)
    sure = [
        (sentence, span)
        for sentence in reading.sentences
        for span in (*_coined(engine, sentence.text), *find_spans(sentence.text))
        if not _same(span.text, subject)
    ]
    told = {sentence.text for sentence, _ in sure}
    plain = [sentence for sentence in reading.sentences if sentence.text not in told]
    long = [one for one in reading.sentences if one.text in told and _says_more(one)]
    given = frozenset(pair.answer.lower() for pair in lesson.questions)
    room = max(int(len(sure) * recipe.phrases), recipe.least_facts - len(sure))
    beside = int(len(sure) * recipe.beside[lesson.effort])
    rest = [*surprising(engine, plain, room, given), *surprising(engine, long, beside, given)]
    return [fact_of_span(sentence.text, span, subject) for sentence, span in (*sure, *rest)][: recipe.most_facts]


def told_facts(lesson: Lesson, recipe: Recipe) -> list[Fact]:
    """The clauses of the lesson's long sentences, where its effort asks for them."""
    if not recipe.clauses[lesson.effort]:
        return []
    reading = read_lesson(lesson)
    subject = subject_of(reading, lesson.topic)
    long = [sentence.text for sentence in reading.sentences if _says_more(sentence)]
    found = [fact_of_clause(text, clause, subject) for text in long for clause in clauses(text)]
    return found[: recipe.most_facts]


def _says_more(sentence: Sentence) -> bool:
    """Whether it is long enough to say more than its names and numbers."""
    return len(phrase_spans(sentence.text)) >= _SAYS_MORE


def _coined(engine: Engine, sentence: str) -> tuple[AnswerSpan, ...]:
    """The sentence's first word where it must be a name, since the tokenizer knows words, but none such."""
    if len(engine.tokenizer.encode(" people")) > 1:
        return ()
    opening = phrase_spans(sentence)[:1]
    return tuple(
        AnswerSpan(kind="name", start=0, end=span.end, text=span.text)
        for span in opening
        if span.start == 0 and len(engine.tokenizer.encode(f" {span.text.lower()}")) >= _COINED
    )


def subject_of(reading: Reading, topic: str) -> str:
    """What the text is about: the name that it repeats most, else the lesson's topic."""
    counts: dict[str, int] = {}
    for text in (reading.title, *(sentence.text for sentence in reading.sentences)):
        for span in find_spans(text):
            if span.kind == "name":
                counts[span.text] = counts.get(span.text, 0) + 1
    best = max(counts, key=lambda name: (counts[name], name in reading.title, len(name)), default="")
    return best if counts.get(best, 0) >= 2 else topic


def surprising(
    engine: Engine, sentences: Seq[Sentence], count: int, given: frozenset[str] = frozenset()
) -> list[tuple[Sentence, AnswerSpan]]:
    """Phrases about the `count` words that the prior expects least where they stand, two a sentence at most. A word
    that somebody has given as an answer is one."""
    # A sentence's first word surprises for being first, whatever it says.
    spans = [[span for span in phrase_spans(sentence.text) if span.start > 0] for sentence in sentences]
    asked = [place for place, own in enumerate(spans) if own and count > 0]
    ranked: list[tuple[float, int, AnswerSpan]] = []
    for place, found in zip(asked, _costs(engine, [sentences[place] for place in asked]), strict=True):
        text = sentences[place].text
        costed = [
            (found.of(span) * (_FOCUS if span.end >= len(text.rstrip(" .!?")) else 1.0), span) for span in spans[place]
        ]
        ranked += [(cost, place, span) for cost, span in sorted(costed, key=lambda pair: -pair[0])[:2]]
    ranked.sort(key=lambda entry: -entry[0])
    phrases: dict[tuple[Sentence, AnswerSpan], None] = {}
    for _, place, span in ranked:
        if len(phrases) == count:
            break
        own = span if span.text.lower() in given else widened(sentences[place].text, span)
        phrases[sentences[place], own] = None
    return list(phrases)


@dataclass(frozen=True, slots=True)
class _Costs:
    """What each token of a sentence costs, in nats, and the characters (start, end) that it stands for."""

    costs: Seq[float]
    places: Seq[tuple[int, int]]

    def of(self, span: AnswerSpan) -> float:
        """Nats that the span costs, given what stands before it."""
        return sum(
            cost
            for cost, (start, end) in zip(self.costs, self.places, strict=True)
            if start < span.end and end > span.start
        )


def _costs(engine: Engine, sentences: Seq[Sentence]) -> list[_Costs]:
    """Each sentence after its heading, some together in a pass."""
    encode, decode = engine.tokenizer.encode, engine.tokenizer.decode
    openings = [encode(f"{sentence.heading}\n") for sentence in sentences]
    bodies = [encode(sentence.text) for sentence in sentences]
    batch = [
        Sequence(ids=opening + body, wanted=tuple(range(len(opening) - 1, len(opening) + len(body) - 1)))
        for opening, body in zip(openings, bodies, strict=True)
    ]

    def score(some: Seq[Sequence]) -> list[float]:
        targets = torch.tensor([[one.ids[place + 1]] for one in some for place in one.wanted], device=engine.device)
        return (-engine.logits(some).log_softmax(-1).gather(1, targets).squeeze(1)).tolist()

    costs = [cost for some in portions(batch, SLICE) for cost in engine.infer(lambda some=some: score(some))]
    found: list[_Costs] = []
    start = 0
    for body in bodies:
        ends = [len(decode(body[: place + 1])) for place in range(len(body))]
        found.append(_Costs(costs[start : start + len(body)], list(zip([0, *ends[:-1]], ends, strict=True))))
        start += len(body)
    return found


def _same(name: str, subject: str) -> bool:
    return name.lower() == subject.lower()
