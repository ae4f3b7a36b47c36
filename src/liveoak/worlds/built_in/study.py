"""Reading more than a window holds, then an exam: pages one by one, then questions one by one.

Knows pages and questions, not where they come from. `info["window"]` grows with every page and once more for the exam:
whoever runs a life drops what was seen under another number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from liveoak.records import Demonstration
from liveoak.worlds.grading import answered
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About

_MOST_WORDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    text: str
    answer: str
    choices: tuple[str, ...] = ()
    """Empty: any text is marked for the answer in it. Else one of these is the answer, word for word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A part of a page that can be learned by itself."""

    text: str
    taught: Demonstration | None = None
    """How it would be taught in one turn; None: its text is what is studied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is read and asked in one episode."""

    pages: tuple[str, ...]
    questions: tuple[Question, ...]
    entries: tuple[tuple[Entry, ...], ...] = ()
    """What each page is made of; without, a page is one entry."""
    announced: str = ""
    """What is told of the exam, on every page."""

    @property
    def parts(self) -> tuple[tuple[Entry, ...], ...]:
        """The entries of each page."""
        return self.entries or tuple((Entry(text=page),) for page in self.pages)


class Source(Protocol):
    """Writes the material of each seed. Pure."""

    @property
    def about(self) -> About: ...

    def material(self, seed: int) -> Material: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    material: Material
    turn: int
    """Pages and questions behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Any action turns the page; in the exam the action is the answer, worth 1 / number of questions."""

    source: Source

    @property
    def about(self) -> About:
        return self.source.about

    def begin(self, seed: int) -> tuple[Sitting, str]:
        state = Sitting(material=self.source.material(seed), turn=0)
        return state, _shown(state)

    def play(self, state: Sitting, action: str) -> tuple[Sitting, Step]:
        question, asked = _question(state), state.material.questions
        reward = _marked(question, action) / len(asked) if question else 0.0
        state = replace(state, turn=state.turn + 1)
        done = state.turn == len(state.material.pages) + len(asked)
        window = min(state.turn, len(state.material.pages))
        return state, Step(observation=_shown(state), reward=reward, done=done, info={"window": window})

    def actions(self, state: Sitting) -> tuple[str, ...]:
        question = _question(state)
        return question.choices if question else ()

    def expert(self, state: Sitting) -> str:
        question = _question(state)
        return question.answer if question else "next"

    def value(self, state: Sitting) -> float:
        pages, asked = len(state.material.pages), len(state.material.questions)
        return (asked - max(0, state.turn - pages)) / asked


def _question(state: Sitting) -> Question | None:
    place = state.turn - len(state.material.pages)
    return state.material.questions[place] if place >= 0 else None


def _shown(state: Sitting) -> str:
    if state.turn < len(state.material.pages):
        return state.material.pages[state.turn]
    if state.turn < len(state.material.pages) + len(state.material.questions):
        question = _question(state)
        return question.text if question else ""
    return "the end."


def _marked(question: Question, action: str) -> bool:
    # A reply that lists all it has read would hold the answer: only its beginning counts.
    return action == question.answer if question.choices else answered(_beginning(action), question.answer)


def _beginning(reply: str) -> str:
    return " ".join(reply.split()[:_MOST_WORDS])
