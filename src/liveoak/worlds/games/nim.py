"""Nim: heaps of stones; take one or more from one heap; whoever takes the last stone wins.

Source: Bouton 1901. The side to move loses exactly where the heaps' exclusive or is zero, which the solver, that does
not know this, is tested against.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from liveoak.worlds.games.game import Position, other


@dataclass(frozen=True, slots=True, kw_only=True)
class Nim:
    heaps: int
    """1 to 4."""
    stones: int
    """Most stones of a heap, 1 to 7."""

    def __post_init__(self) -> None:
        if not 1 <= self.heaps <= 4:
            raise ValueError(f"heaps = {self.heaps!r}: expected 1 to 4")
        if not 1 <= self.stones <= 7:
            raise ValueError(f"stones = {self.stones!r}: expected 1 to 7")
        if self.heaps * self.stones < 2:
            raise ValueError("one heap of one stone is no game; expected 2 stones or more in all")

    @property
    def goal(self) -> str:
        return "Take stones from one heap: a2 takes two from the first. Who takes the last stone wins."

    @property
    def longest(self) -> int:
        return self.heaps * self.stones

    def starts(self) -> Sequence[Position]:
        heaps = itertools.product(range(1, self.stones + 1), repeat=self.heaps)
        return [Position(board=board, mover="x") for board in heaps]

    def moves(self, position: Position) -> tuple[str, ...]:
        return tuple(
            f"{heap}{take}"
            for heap, stones in zip("abcd", position.board, strict=False)
            for take in range(1, int(stones) + 1)
        )

    def play(self, position: Position, move: str) -> Position:
        heap, take = "abcd".index(move[0]), int(move[1:])
        board = tuple(int(stones) - take * (place == heap) for place, stones in enumerate(position.board))
        return Position(board=board, mover=other(position.mover))

    def result(self, position: Position) -> int | None:
        if any(position.board):
            return None
        return -1 if position.mover == "x" else 1

    def shown(self, position: Position) -> str:
        return " ".join(map(str, position.board))
