"""Tokens to text while a reply is still growing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"
"""What a tokenizer shows for the first bytes of a character."""


class TextStream:
    """Gives out text as tokens come; holds back what may be half a character or the start of a stop string."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        self._decode, self._stops = decode, tuple(stops)
        self._ids: list[int] = []
        self._given = 0
        self.text = ""
        self.stopped_by: str | None = None
        """The stop string that was met; `text` ends before it."""

    @property
    def shown(self) -> str:
        """What was given out so far."""
        return self.text[: self._given]

    def push(self, token: int) -> str:
        """The text that is safe to show after this token."""
        self._ids.append(token)
        self.text = self._decode(self._ids)
        met = [(found, stop) for stop in self._stops if (found := self.text.find(stop)) >= 0]
        if met:
            end, self.stopped_by = min(met)
            self.text = self.text[:end]
            return self.flush()
        if self.text.endswith(UNFINISHED):
            return ""
        return self._give(len(self.text) - self._held_back())

    def flush(self) -> str:
        """The rest, when no more tokens come."""
        return self._give(len(self.text))

    def _give(self, end: int) -> str:
        piece = self.text[self._given : end]
        self._given = max(self._given, end)
        return piece

    def _held_back(self) -> int:
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(self.text)), 0, -1):
            if any(stop.startswith(self.text[-length:]) for stop in self._stops):
                return length
        return 0
