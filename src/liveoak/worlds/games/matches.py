"""The matches that are offered by name, with their usual sizes."""

from __future__ import annotations

from liveoak.worlds.games.lines import Lines
from liveoak.worlds.games.match import Match, Opponent
from liveoak.worlds.games.nim import Nim


def nim(*, heaps: int = 3, stones: int = 4, opponent: Opponent = "mediocre", record: bool = False) -> Match:
    return Match(name="nim", game=Nim(heaps=heaps, stones=stones), opponent=opponent, record=record)


def tictactoe(*, opening: int = 2, opponent: Opponent = "mediocre", record: bool = False) -> Match:
    game = Lines(width=3, height=3, length=3, falling=False, opening=opening)
    return Match(name="tictactoe", game=game, opponent=opponent, record=record)


def connect3(
    *, width: int = 4, height: int = 3, opening: int = 3, opponent: Opponent = "mediocre", record: bool = False
) -> Match:
    game = Lines(width=width, height=height, length=3, falling=True, opening=opening)
    return Match(name="connect3", game=game, opponent=opponent, record=record)
