"""What a lesson will be studied from, before any weight is touched."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from liveoak.engine import Engine
from liveoak.errors import BadLesson
from liveoak.learning.asking import Fact, ask, tell_apart
from liveoak.learning.facts import given_facts, read_lesson, stated_facts, told_facts
from liveoak.learning.recipe import Recipe
from liveoak.records import QA, Demonstration, Lesson

Item = tuple[Fact, ...] | Demonstration | str
"""What one view is given to: statements of one fact, something to imitate, or a piece of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A lesson, read. The same lesson and seed give the same plan."""

    lesson: Lesson
    facts: tuple[Fact, ...]
    held_out: tuple[QA, ...]
    """One question a fact, kept aside for the proof."""
    told: tuple[Fact, ...] = ()
    """What is asked for as well, of which nothing is kept aside: what the text says clause by clause."""


def make_plan(engine: Engine, lesson: Lesson, recipe: Recipe, seed: int) -> Plan:
    """Read a lesson.

    Raises:
        BadLesson: there is nothing in it that can be asked about or imitated.
    """
    facts = tuple(tell_apart(given_facts(lesson) + stated_facts(engine, lesson, recipe)))
    if not facts and not lesson.demonstrations:
        raise BadLesson(
            f"lesson {lesson.topic!r} has nothing to learn from: expected statements, questions, demonstrations "
            "or a text with sentences"
        )
    rng = random.Random(f"held out {seed}")
    aside = tuple(_aside(fact, rng) for fact in facts)
    facts = tuple(replace(fact, aside=pair.question) for fact, pair in zip(facts, aside, strict=True))
    return Plan(lesson=lesson, facts=facts, held_out=aside, told=tuple(told_facts(lesson, recipe)))


def askable(plan: Plan) -> list[Item]:
    """What is asked about and imitated."""
    return [*_by_answer(plan.facts), *((fact,) for fact in plan.told), *plan.lesson.demonstrations]


def readable(lesson: Lesson) -> list[Item]:
    """What is read, where nothing is asked about: the text, and the questions as text."""
    told = [f"{pair.question} {pair.answer}" for pair in lesson.questions]
    return [*pieces(lesson), *told, *lesson.demonstrations]


def pieces(lesson: Lesson) -> list[str]:
    """The lesson's text in paragraphs."""
    sentences = [sentence.text for sentence in read_lesson(lesson).sentences]
    return [" ".join(sentences[start : start + 6]) for start in range(0, len(sentences), 6)]


def _aside(fact: Fact, rng: random.Random) -> QA:
    """A wording to keep for the proof: never somebody's own, which is to be trained on."""
    return next(pair for pair in reversed(ask(fact, rng, 6)) if not fact.said or pair.question != fact.said)


def _by_answer(facts: Sequence[Fact]) -> list[Item]:
    """Facts that somebody asked about, together with what the text says of the same answer; all others alone."""
    given = {fact.answer.lower() for fact in facts if fact.said}
    groups: dict[str | int, tuple[Fact, ...]] = {}
    for place, fact in enumerate(facts):
        key = fact.answer.lower() if fact.answer.lower() in given else place
        groups[key] = (*groups.get(key, ()), fact)
    return list(groups.values())
