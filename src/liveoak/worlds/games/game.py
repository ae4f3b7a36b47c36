"""A two-player game of full information: positions, moves and who has won. The agent is `x`, the opponent `o`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Side = Literal["x", "o"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    board: tuple[str, ...] | tuple[int, ...]
    mover: Side


class Game(Protocol):
    """Rules of one game. Implementations are frozen dataclasses: the solver remembers what it found by game."""

    @property
    def goal(self) -> str:
        """How to play and win, for the agent."""
        ...

    @property
    def longest(self) -> int:
        """Most moves of both sides in a game."""
        ...

    def __hash__(self) -> int: ...

    def starts(self) -> Sequence[Position]:
        """Positions that a match may start from, with `x` to move."""
        ...

    def moves(self, position: Position) -> tuple[str, ...]:
        """Legal moves; empty where the game is over."""
        ...

    def play(self, position: Position, move: str) -> Position: ...

    def result(self, position: Position) -> int | None:
        """1 if `x` has won, -1 if `o` has, 0 for a draw, None while the game goes on."""
        ...

    def shown(self, position: Position) -> str: ...


def other(side: Side) -> Side:
    return "o" if side == "x" else "x"
