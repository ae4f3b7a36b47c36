"""The handbook of an invented firm, read page by page and asked about at the end.

By default a page is a few bare sentences, one fact each; with `prose`, it is a stretch of the whole handbook; with
`chosen`, each sentence is an entry to be learned or not, and half of them are asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from liveoak.records import Demonstration
from liveoak.worlds.built_in.study import Entry, Material, Question
from liveoak.worlds.handbook import MOST_FACTS, Handbook, HandbookFact, make_handbook
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice

_MOST_PAGES = 200
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandbookPages:
    facts: int = 6
    """1 to 60; each is asked about once."""
    per_page: int = 2
    """Sentences on a page without `prose`."""
    prose: int = 0
    """Characters on a page of the whole handbook, 100 or more; 0: bare sentences."""
    wording: Literal["exam", "taught"] = "exam"
    """`exam` asks in other words than the text, `taught` in nearly the same."""
    choices: int = 0
    """Answers to choose from, the true one among them; 0: free text."""
    chosen: bool = False
    """Each sentence is an entry by itself, taught in one turn. Half of them, the facts, are asked about."""

    def __post_init__(self) -> None:
        if not 1 <= self.facts <= MOST_FACTS:
            raise ValueError(f"facts = {self.facts!r}: expected 1 to {MOST_FACTS}")
        if self.per_page < 1:
            raise ValueError(f"per_page = {self.per_page!r}: expected 1 or more")
        if self.prose and self.prose < 100:
            raise ValueError(f"prose = {self.prose!r}: expected 0 or at least 100 characters on a page")
        if self.wording not in ("exam", "taught"):
            raise ValueError(f"wording = {self.wording!r}: expected 'exam' or 'taught'")
        if self.chosen and (self.prose or self.wording != "taught"):
            raise ValueError(
                "chosen: sentences are asked about as they are taught: expected wording = taught, no prose"
            )
        if self.choices and not 2 <= self.choices <= self.facts:
            raise ValueError(f"choices = {self.choices!r}: expected 0, or 2 to as many as facts ({self.facts})")

    @property
    def about(self) -> About:
        told = "Read the handbook page by page, then answer the questions in a few words."
        sentences = self.facts * (2 if self.chosen else 1)
        pages = _MOST_PAGES if self.prose else -(-sentences // self.per_page)
        return About(name="handbook", instructions=told, turns=pages + self.facts)

    def material(self, seed: int) -> Material:
        book = make_handbook(seed, self.facts)
        order = dice("exam", seed).sample(book.facts, len(book.facts))
        questions = tuple(self._question(seed, book, fact) for fact in order)
        if self.prose:
            return Material(pages=_cut(book.text, self.prose), questions=questions)
        if self.chosen:
            asked = {question.answer: question.text for question in questions}
            entries = [entry for fact in book.facts for entry in _entries(book, fact, asked)]
            entries = dice("entries", seed).sample(entries, len(entries))
            parts = tuple(tuple(part) for part in self._pages(entries))
            return Material(pages=tuple(map(_page, parts)), questions=questions, entries=parts)
        return Material(
            pages=tuple(" ".join(fact.sentence for fact in part) for part in self._pages(book.facts)),
            questions=questions,
        )

    def _pages(self, told: Sequence[_T]) -> list[Sequence[_T]]:
        return [told[start : start + self.per_page] for start in range(0, len(told), self.per_page)]

    def _question(self, seed: int, book: Handbook, fact: HandbookFact) -> Question:
        text = fact.exam_question if self.wording == "exam" else fact.taught_question
        if not self.choices:
            return Question(text=text, answer=fact.answer)
        rng = dice("choices", seed, fact.answer)
        others = rng.sample([other.answer.lower() for other in book.facts if other is not fact], self.choices - 1)
        choices = rng.sample([fact.answer.lower(), *others], self.choices)
        told = f"{text} ({' / '.join(choices)})"
        return Question(text=told, answer=fact.answer.lower(), choices=tuple(choices))


def _entries(book: Handbook, fact: HandbookFact, asked: Mapping[str, str]) -> tuple[Entry, Entry]:
    """A fact and the sentence after it, in the order of the text. `asked` are the exam's questions by their answers."""
    paragraph = next(part for part in book.text.split("\n\n") if fact.sentence in part)
    after = paragraph.partition(fact.sentence)[2].strip()
    others = [after.find(other.sentence) for other in book.facts if other.sentence in after]
    between = after[: min(others, default=len(after))].strip()
    answer = fact.answer if fact.answer in asked else fact.answer.lower()
    told = f"What else does the handbook of {book.firm} say about the {fact.topic}?"
    return (
        Entry(text=fact.sentence, taught=Demonstration(prompt=asked[answer], reply=answer)),
        Entry(text=between, taught=Demonstration(prompt=told, reply=between)),
    )


def _page(entries: tuple[Entry, ...]) -> str:
    return " ".join(entry.text for entry in entries)


def _cut(text: str, most: int) -> tuple[str, ...]:
    """Pages of whole words, each of at most `most` characters; a longer word has a page of its own."""
    pages = [""]
    for word in text.split(" "):
        longer = f"{pages[-1]} {word}" if pages[-1] else word
        if len(longer) <= most or not pages[-1]:
            pages[-1] = longer
        else:
            pages.append(word)
    return tuple(page.strip() for page in pages if page.strip())
