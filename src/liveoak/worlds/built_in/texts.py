"""Anybody's texts with questions about them, from a JSON file: each episode reads some, then is asked about them.

The file is a list of `{"title", "context", "questions": [{"question", "answer"}]}`. Texts of one title belong to one
split, so that nothing of what is held out was read before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from liveoak.records import QA
from liveoak.worlds.built_in.study import Material, Question
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import Split, belongs, checked, dice, split_of

BRIEF = "Answer in a few words."
"""Follows every question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedText:
    """A text and questions that it answers."""

    title: str
    text: str
    questions: tuple[QA, ...]


class _Question(BaseModel):
    question: str
    answer: str


class _Text(BaseModel):
    title: str
    context: str
    questions: list[_Question]


_TEXTS = TypeAdapter(list[_Text])


def read_texts(path: Path) -> tuple[AskedText, ...]:
    """The texts of a file that have questions.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not of the expected form.
    """
    try:
        read = _TEXTS.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise ValueError(f"{path}: expected a list of {{title, context, questions}}: {error}") from None
    return tuple(
        AskedText(
            title=one.title.replace("_", " "),
            text=one.context,
            questions=tuple(QA(question=pair.question, answer=pair.answer) for pair in one.questions),
        )
        for one in read
        if one.questions
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Texts are gone through in an order drawn once for each split, and then again from the first."""

    file: str
    texts: int = 1
    """In an episode, a page each."""
    questions: int = 8
    """Most questions about a text."""

    def __post_init__(self) -> None:
        if min(self.texts, self.questions) < 1:
            raise ValueError(f"texts = {self.texts!r}, questions = {self.questions!r}: expected 1 or more")
        try:
            found = _split(self.file)
        except OSError as error:
            raise ValueError(f"file {self.file!r} cannot be read: {error}") from None
        fewest = min(len(part) for part in found.values())
        if fewest < self.texts:
            raise ValueError(
                f"{self.file!r} has {fewest} texts for one of the splits, {self.texts} are asked for an episode: give "
                "more titles, or ask for fewer texts"
            )

    @property
    def about(self) -> About:
        most = max(len(one.questions[: self.questions]) for part in _split(self.file).values() for one in part)
        told = "Read the texts page by page, then answer the questions in a few words."
        return About(name="texts", instructions=told, turns=self.texts * (1 + most))

    def material(self, seed: int) -> Material:
        own = _split(self.file)[split_of(checked(seed))]
        start = seed // 2 * self.texts
        read = [own[(start + place) % len(own)] for place in range(self.texts)]
        return Material(
            pages=tuple(one.text for one in read),
            questions=tuple(
                Question(text=f"{pair.question.strip()} {BRIEF}", answer=pair.answer)
                for one in read
                for pair in one.questions[: self.questions]
            ),
        )


def split_of_text(text: AskedText) -> Split:
    """The split that a text belongs to, by its title."""
    return belongs(text.title)


@lru_cache(maxsize=8)
def _split(file: str) -> dict[str, tuple[AskedText, ...]]:
    """Each split's texts, in the order in which they are read."""
    found = read_texts(Path(file).expanduser())
    parts = {name: [one for one in found if split_of_text(one) == name] for name in ("train", "held_out")}
    for part in parts.values():
        dice("texts", len(found)).shuffle(part)
    return {name: tuple(part) for name, part in parts.items()}
