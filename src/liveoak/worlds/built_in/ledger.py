"""Names and numbers over several short pages, small enough for a prior of a million parameters.

With several kinds, an entry is a kind, a name and a number, each page has its entries of every kind in turn, and the
exam, announced on every page, asks about one kind alone: most of what is read is of no use.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

from liveoak.records import Demonstration
from liveoak.worlds.built_in.study import Entry, Material, Question
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice, of_split, split_of

_NAMES = tuple("".join(letters) for letters in itertools.product("bdfklmnprst", "aeiou", "bdgklmnprst"))
_NUMBERS = tuple("123456789")
KINDS = ("toll", "crew", "mass", "age", "wage", "rank")
"""What an entry may tell of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Names are drawn from a stock of its own for each split, so no held-out entry was ever trained on."""

    pages: int = 3
    entries: int = 3
    """Entries on a page."""
    questions: int = 4
    """At most as many as there are entries that the exam asks about."""
    kinds: int = 1
    """What is told of names, 1 to 6; entries on a page are a multiple of it."""
    asks: int | None = None
    """Which kind the exam asks about, from 0; None: another one by seed."""

    def __post_init__(self) -> None:
        most = len(of_split(_NAMES, "held_out"))
        if not (self.pages >= 1 and self.entries >= 1 and self.pages * self.entries <= most):
            raise ValueError(f"{self.pages!r} pages of {self.entries!r} entries: expected 1 to {most} entries in all")
        if not (1 <= self.kinds <= len(KINDS) and self.entries % self.kinds == 0):
            raise ValueError(f"kinds = {self.kinds!r}: expected 1 to {len(KINDS)}, and to divide entries on a page")
        if self.asks is not None and not (self.kinds > 1 and 0 <= self.asks < self.kinds):
            raise ValueError(f"asks = {self.asks!r}: expected a kind from 0 to {self.kinds - 1}, of two kinds or more")
        asked = self.pages * self.entries // self.kinds
        if not 1 <= self.questions <= asked:
            raise ValueError(f"questions = {self.questions!r}: expected 1 to {asked}")

    @property
    def about(self) -> About:
        told = "Read the ledger page by page; then answer each name with its number."
        return About(name="ledger", instructions=told, turns=self.pages + self.questions)

    def material(self, seed: int) -> Material:
        rng = dice("ledger", seed)
        names = rng.sample(of_split(_NAMES, split_of(seed)), self.pages * self.entries)
        rows = [self._row(place, name, rng.choice(_NUMBERS)) for place, name in enumerate(names)]
        asked = self._kind_asked(rng) if self.kinds > 1 else ""
        wanted = [(name, number) for kind, name, number in rows if kind == asked]
        announced = f"exam: {asked}" if asked else ""
        pages = [rows[start : start + self.entries] for start in range(0, len(rows), self.entries)]
        if asked:
            pages = [rng.sample(page, len(page)) for page in pages]
        entries = tuple(tuple(self._entry(*row) for row in page) for page in pages)
        return Material(
            pages=tuple(_page(announced, page) for page in entries),
            questions=tuple(
                Question(text=self._asked(asked, name), answer=number, choices=_NUMBERS)
                for name, number in rng.sample(wanted, self.questions)
            ),
            entries=entries,
            announced=announced,
        )

    def _kind_asked(self, rng: random.Random) -> str:
        drawn = rng.choice(KINDS[: self.kinds])
        return drawn if self.asks is None else KINDS[self.asks]

    def _row(self, place: int, name: str, number: str) -> tuple[str, str, str]:
        return KINDS[place % self.kinds] if self.kinds > 1 else "", name, number

    def _entry(self, kind: str, name: str, number: str) -> Entry:
        said = f"{kind} {name} {number}".strip()
        return Entry(text=said, taught=Demonstration(prompt=self._asked(kind, name), reply=number))

    def _asked(self, kind: str, name: str) -> str:
        return f"{kind} {name}?".strip()


def _page(announced: str, entries: tuple[Entry, ...]) -> str:
    told = ", ".join(entry.text for entry in entries)
    return f"{announced}. {told}." if announced else f"{told}."
