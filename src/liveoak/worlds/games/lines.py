"""Games of lines on a small board: tic-tac-toe, and Connect Three, where stones fall to the bottom of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from liveoak.worlds.games.game import Position, Side, other


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Who first has `length` in a row, a column or a diagonal wins."""

    width: int
    height: int
    length: int
    falling: bool
    """A move is a column, and the stone falls; else a move is a cell. Both are counted from 1."""
    opening: int
    """Moves made at random before the match, so that there are many beginnings to learn and to hold out; where their
    number is odd, `o` made the first."""

    def __post_init__(self) -> None:
        if not (2 <= self.width <= 5 and 2 <= self.height <= 5):
            raise ValueError(f"a board of {self.width!r} by {self.height!r}: expected 2 to 5 each way")
        if not 2 <= self.length <= max(self.width, self.height):
            raise ValueError(f"length = {self.length!r}: expected 2 to the board's longer side")
        if not 0 <= self.opening <= 4:
            raise ValueError(f"opening = {self.opening!r}: expected 0 to 4 moves")

    @property
    def goal(self) -> str:
        what = "a column" if self.falling else "a cell"
        last = self.width if self.falling else self.width * self.height
        return f"You are x. Get {self.length} in a line. Answer with {what}, 1 to {last}."

    @property
    def longest(self) -> int:
        return self.width * self.height

    def starts(self) -> Sequence[Position]:
        return _starts(self)

    def moves(self, position: Position) -> tuple[str, ...]:
        if self.result(position) is not None:
            return ()
        places = self.width if self.falling else self.width * self.height
        return tuple(str(place + 1) for place in range(places) if position.board[place] == ".")

    def play(self, position: Position, move: str) -> Position:
        cell = int(move) - 1
        while self.falling and cell + self.width < len(position.board) and position.board[cell + self.width] == ".":
            cell += self.width
        board = (*position.board[:cell], position.mover, *position.board[cell + 1 :])
        return Position(board=tuple(map(str, board)), mover=other(position.mover))

    def result(self, position: Position) -> int | None:
        # Only the side that has just moved can have completed a line.
        moved = other(position.mover)
        if any(all(position.board[cell] == moved for cell in line) for line in _lines(self)):
            return 1 if moved == "x" else -1
        return None if "." in position.board else 0

    def shown(self, position: Position) -> str:
        rows = (position.board[start : start + self.width] for start in range(0, len(position.board), self.width))
        return " ".join("".join(map(str, row)) for row in rows)


@cache
def _lines(game: Lines) -> tuple[tuple[int, ...], ...]:
    """Cells of every line that wins."""
    lines: list[tuple[int, ...]] = []
    for row in range(game.height):
        for column in range(game.width):
            for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
                cells = [(row + step * down, column + step * right) for step in range(game.length)]
                if all(0 <= r < game.height and 0 <= c < game.width for r, c in cells):
                    lines.append(tuple(r * game.width + c for r, c in cells))
    return tuple(lines)


@cache
def _starts(game: Lines) -> tuple[Position, ...]:
    """Every position after `opening` moves, once, in which nobody has won."""
    mover: Side = "o" if game.opening % 2 else "x"
    reached = {Position(board=(".",) * (game.width * game.height), mover=mover)}
    for _ in range(game.opening):
        reached = {game.play(position, move) for position in reached for move in game.moves(position)}
    running = [position for position in reached if game.moves(position)]
    return tuple(sorted(running, key=lambda position: position.board))
