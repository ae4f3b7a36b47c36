"""Exact play: what a position is worth against perfect play, and against an opponent who errs as often as stated.

Both by full search with memory; the games are small. A position's value is seen from `x`: 1 won, 0 drawn, -1 lost.
"""

from __future__ import annotations

from functools import cache

from liveoak.worlds.games.game import Game, Position


@cache
def worth(game: Game, position: Position) -> int:
    """The result if both sides play perfectly from here."""
    result = game.result(position)
    if result is not None:
        return result
    values = [worth(game, game.play(position, move)) for move in game.moves(position)]
    return max(values) if position.mover == "x" else min(values)


def perfect_moves(game: Game, position: Position) -> tuple[str, ...]:
    """The moves that keep the position's worth for the side to move; empty where the game is over."""
    goal = worth(game, position)
    return tuple(move for move in game.moves(position) if worth(game, game.play(position, move)) == goal)


@cache
def expected(game: Game, skill: float, position: Position) -> float:
    """The mean result if `x` plays best against an opponent of this skill: the most that anybody can get of it."""
    result = game.result(position)
    if result is not None:
        return float(result)
    after = {move: expected(game, skill, game.play(position, move)) for move in game.moves(position)}
    if position.mover == "x":
        return max(after.values())
    # The opponent draws from the perfect moves with probability `skill`, else from all moves.
    perfect = perfect_moves(game, position)
    best, any_ = sum(after[move] for move in perfect) / len(perfect), sum(after.values()) / len(after)
    return skill * best + (1 - skill) * any_


def best_reply(game: Game, skill: float, position: Position) -> str:
    """The first of the moves of `x` that `expected` is reached by."""
    goal = expected(game, skill, position)
    moves = game.moves(position)
    return next(move for move in moves if expected(game, skill, game.play(position, move)) == goal)
