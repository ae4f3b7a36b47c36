"""The curve of a life: drawn on a terminal while it is lived, a few rows of figures afterwards."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 72
_ROWS = 16


class Curve:
    """Takes the round lines of `metrics.jsonl`. Draws only where somebody watches."""

    def __init__(self, title: str, total: int, *, counts: str = "episodes", shows: str = "score") -> None:
        """A line's `counts` says how far it is towards `total`; its `shows` is what is drawn."""
        self._title, self._total, self._counts, self._shows = title, total, counts, shows
        self._rounds: list[Mapping[str, Any]] = []
        self._stack = ExitStack()
        self._live: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = self._stack.enter_context(Live(console=Console(stderr=True), refresh_per_second=4))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, line: Mapping[str, Any]) -> None:
        """One more line; those of episodes are not drawn."""
        if line["kind"] != "round":
            return
        self._rounds.append(line)
        if self._live is not None:
            self._live.update(self.drawn())

    def drawn(self) -> str:
        """The curve of what it shows, and the latest round in words."""
        if not self._rounds:
            return self._title
        last = self._rounds[-1]
        scores = [line[self._shows] for line in self._rounds]
        known = [score for score in scores if score is not None]
        parts = [f"{self._title}: {last[self._counts]} of {self._total} {self._counts}"]
        if known:
            parts.append(f"{self._shows} {known[-1]:.3f}, from {min(known):.2f} to {max(known):.2f}")
        parts += [f"{signal} {value:.3f}" for signal, value in last.get("losses", {}).items()]
        if last["failed"]:
            parts.append(f"{last['failed']} failed")
        return bars(scores, _WIDTH) + "\n" + ", ".join(parts)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """The life in a few rows: each the mean of the rounds since the one before."""
        if not self._rounds:
            return []
        found: list[tuple[str, str, str, str]] = []
        for some in _dealt(self._rounds, _ROWS):
            scores = [line[self._shows] for line in some if line[self._shows] is not None]
            losses: dict[str, list[float]] = {}
            for line in some:
                for signal, value in line.get("losses", {}).items():
                    losses.setdefault(signal, []).append(value)
            told = ", ".join(f"{signal} {sum(values) / len(values):.3f}" for signal, values in losses.items())
            score = f"{sum(scores) / len(scores):.3f}" if scores else "-"
            found.append((str(some[-1][self._counts]), score, str(sum(line["failed"] for line in some)), told))
        return found


def bars(values: Sequence[float | None], width: int) -> str:
    """The values as at most `width` bars, the lowest of them as the lowest bar; nothing where none is known."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    found: list[str] = []
    for some in _dealt(values, width):
        here = [value for value in some if value is not None]
        if not here:
            found.append(_BARS[0])
            continue
        share = (sum(here) / len(here) - low) / (high - low) if high > low else 0.5
        found.append(_BARS[1 + min(7, int(share * 8))])
    return "".join(found)


def _dealt(values: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """In order, in at most `count` parts of like size."""
    size = math.ceil(len(values) / count)
    return [values[start : start + size] for start in range(0, len(values), size)]
