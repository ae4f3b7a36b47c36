"""What may stand before a question in place of learning: all of the text, its beginning, what a search finds, or notes.

Each is held to the same budget of tokens, but for the whole text, which is the ceiling of reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from liveoak.errors import Unavailable
from liveoak.lab.exam import fit
from liveoak.learning.reading import read
from liveoak.records import Sampling

Measure = Callable[[str], int]
"""How many tokens a text has."""
TRUNCATED, RETRIEVED, NOTED = "truncated context", "retrieval", "notes alone"
Sight = Callable[[str], str]
"""What stands before a question."""
_NOTES = "Take notes of the most important names, dates and facts, as short as you can."


class Writer(Protocol):
    """Whoever takes notes: the prior, with the text before it."""

    def tokens(self, text: str) -> int: ...

    def replies(self, slot: None, prompts: Sequence[str], sampling: Sampling) -> list[str]: ...


def in_sight(writer: Writer, text: str, windows: Sequence[str], budget: int) -> dict[str, Callable[[], Sight]]:
    """Each way to keep `budget` tokens of a text in sight, and what makes it. `windows` are what is read at once."""

    def same(seen: str) -> Sight:
        return lambda question: seen

    def found() -> Sight:
        search = Search(text, writer.tokens)
        return lambda question: search.before(question, budget)

    return {
        TRUNCATED: lambda: same(fit(text, budget, writer.tokens)),
        RETRIEVED: found,
        NOTED: lambda: same(notes(writer, windows, budget)),
    }


class Search:
    """The sentences of a text, found again by a question's words (BM25: Robertson and Zaragoza 2009)."""

    def __init__(self, text: str, measure: Measure) -> None:
        """
        Raises:
            Unavailable: `bm25s` is not installed.
        """
        try:
            import bm25s  # pyright: ignore[reportMissingTypeStubs]
        except ImportError:
            raise Unavailable("retrieval needs bm25s: install liveoak[bench]") from None
        self._bm25s, self._measure = bm25s, measure
        self.sentences = [sentence.text for sentence in read(text).sentences]
        self._index = bm25s.BM25()
        self._index.index(self._words(self.sentences), show_progress=False)

    def before(self, question: str, budget: int) -> str:
        """The best sentences that fit, in the order of the text."""
        count = len(self.sentences)
        found, _ = self._index.retrieve(self._words([question]), k=count, show_progress=False)
        chosen: list[int] = []
        room = budget
        for place in map(int, found[0]):
            size = self._measure(self.sentences[place])
            if size <= room:
                chosen.append(place)
                room -= size
        return " ".join(self.sentences[place] for place in sorted(chosen))

    def _words(self, texts: list[str]) -> Any:
        return self._bm25s.tokenize(texts, stopwords="en", show_progress=False)


def notes(writer: Writer, windows: Sequence[str], budget: int) -> str:
    """What the prior writes down of each window with that window before it; each window has an equal share of room."""
    share = max(8, budget // len(windows))
    prompts = [f"{window}\n\n{_NOTES}" for window in windows]
    written = writer.replies(None, prompts, Sampling(temperature=0.0, max_tokens=share))
    return "\n".join(" ".join(part.split()) for part in written)
