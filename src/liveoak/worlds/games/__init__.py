"""Two-player games with an exact solver.

Knows positions, moves, results and perfect play. Knows nothing of agents but that they are `x`.
"""

from liveoak.worlds.games.game import Game, Position, Side
from liveoak.worlds.games.lines import Lines
from liveoak.worlds.games.match import Match, Opponent
from liveoak.worlds.games.matches import connect3, nim, tictactoe
from liveoak.worlds.games.nim import Nim
from liveoak.worlds.games.solver import best_reply, expected, perfect_moves, worth

__all__ = [
    "Game",
    "Lines",
    "Match",
    "Nim",
    "Opponent",
    "Position",
    "Side",
    "best_reply",
    "connect3",
    "expected",
    "nim",
    "perfect_moves",
    "tictactoe",
    "worth",
]
