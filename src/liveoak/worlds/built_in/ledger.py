"""Names and numbers over several short pages, small enough for a prior of a million parameters."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from liveoak.worlds.built_in.study import Material, Question
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice, of_split, split_of

_NAMES = tuple("".join(letters) for letters in itertools.product("bdfklmnprst", "aeiou", "bdgklmnprst"))
_NUMBERS = tuple("123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Names are drawn from a stock of its own for each split, so no held-out entry was ever trained on."""

    pages: int = 3
    entries: int = 3
    """Entries on a page."""
    questions: int = 4
    """At most as many as there are entries."""

    def __post_init__(self) -> None:
        most = len(of_split(_NAMES, "held_out"))
        if not (self.pages >= 1 and self.entries >= 1 and self.pages * self.entries <= most):
            raise ValueError(f"{self.pages!r} pages of {self.entries!r} entries: expected 1 to {most} entries in all")
        if not 1 <= self.questions <= self.pages * self.entries:
            raise ValueError(f"questions = {self.questions!r}: expected 1 to {self.pages * self.entries}")

    @property
    def about(self) -> About:
        told = "Read the ledger page by page; then answer each name with its number."
        return About(name="ledger", instructions=told, turns=self.pages + self.questions)

    def material(self, seed: int) -> Material:
        rng = dice("ledger", seed)
        names = rng.sample(of_split(_NAMES, split_of(seed)), self.pages * self.entries)
        entries = [(name, rng.choice(_NUMBERS)) for name in names]
        pages = [entries[start : start + self.entries] for start in range(0, len(entries), self.entries)]
        return Material(
            pages=tuple(", ".join(f"{name} {number}" for name, number in page) + "." for page in pages),
            questions=tuple(
                Question(text=f"{name}?", answer=number, choices=_NUMBERS)
                for name, number in rng.sample(entries, self.questions)
            ),
        )
