"""Solvers against brute force, theory and enumeration; matches worked out by hand."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from functools import reduce
from operator import xor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveoak.worlds import Step, expert, guessing, play, seeds, world
from liveoak.worlds.games import (
    Game,
    Lines,
    Match,
    Nim,
    Position,
    Side,
    best_reply,
    expected,
    nim,
    perfect_moves,
    tictactoe,
    worth,
)
from liveoak.worlds.games.match import Playing

NOUGHTS = Lines(width=3, height=3, length=3, falling=False, opening=0)
THREES = Lines(width=4, height=3, length=3, falling=True, opening=0)


def at(rows: str, mover: Side = "x") -> Position:
    return Position(board=tuple(rows.replace(" ", "")), mover=mover)


@settings(max_examples=60, deadline=None)
@given(heaps=st.lists(st.integers(0, 5), min_size=1, max_size=4), mover=st.sampled_from(["x", "o"]))
def test_nim_is_won_by_exclusive_or(heaps: list[int], mover: Side):
    game = Nim(heaps=len(heaps), stones=5)
    position = Position(board=tuple(heaps), mover=mover)
    wins = reduce(xor, heaps) != 0
    assert worth(game, position) == (1 if wins == (mover == "x") else -1)
    if wins:
        for move in perfect_moves(game, position):
            assert reduce(xor, map(int, game.play(position, move).board)) == 0


def brute(board: str, mover: str) -> int:
    """Tic-tac-toe from scratch: its own lines, its own moves, no memory."""
    for a, b, c in ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)):
        if board[a] == board[b] == board[c] != ".":
            return 1 if board[a] == "x" else -1
    free = [cell for cell in range(9) if board[cell] == "."]
    if not free:
        return 0
    after = [brute(board[:cell] + mover + board[cell + 1 :], "xo"[mover == "x"]) for cell in free]
    return max(after) if mover == "x" else min(after)


def test_tictactoe_agrees_with_brute_force_on_every_start():
    game = Lines(width=3, height=3, length=3, falling=False, opening=3)
    for position in game.starts():
        assert worth(game, position) == brute("".join(map(str, position.board)), position.mover)
    assert worth(NOUGHTS, NOUGHTS.starts()[0]) == 0


def reachable(game: Game, start: Position) -> set[Position]:
    found, waiting = {start}, [start]
    while waiting:
        position = waiting.pop()
        for move in game.moves(position):
            after = game.play(position, move)
            if after not in found:
                found.add(after)
                waiting.append(after)
    return found


def test_tictactoe_has_as_many_positions_as_the_literature_says():
    positions = reachable(NOUGHTS, NOUGHTS.starts()[0])
    results = Counter(NOUGHTS.result(position) for position in positions)
    assert len(positions) == 5478
    assert (results[1], results[-1], results[0]) == (626, 316, 16)


def test_stones_fall_and_full_columns_are_closed():
    position = at("o... x... o... ", "x")
    assert THREES.moves(position) == ("2", "3", "4")
    after = THREES.play(at(".... x... o..."), "1")
    assert THREES.shown(after) == "x... x... o..."
    assert THREES.shown(THREES.play(at(".... .... ...."), "3")) == ".... .... ..x."


@pytest.mark.parametrize(
    ("rows", "result"),
    [
        ("xxx oo. ...", 1),
        ("x.. x.o x.o", 1),
        ("x.o .xo ..x", 1),
        ("..x oxo x..", 1),
        ("xox xox oxo", 0),
        ("xx. oo. ...", None),
    ],
)
def test_results_by_hand(rows: str, result: int | None):
    assert NOUGHTS.result(at(rows, "o")) == result


def test_a_position_by_hand():
    # x wins at 3 at once; anything else lets o win at 6.
    position = at("xx. oo. ...")
    assert perfect_moves(NOUGHTS, position) == ("3",)
    assert best_reply(NOUGHTS, 0.0, position) == "3"
    # o to move and both threaten: o wins.
    assert worth(NOUGHTS, at("xx. oo. x..", "o")) == -1
    # Two cells left, o moves at 8 or 9. At 9, x takes 8: a draw; at 8, x takes 9 and completes the diagonal.
    position = at("xoo oxx x..", "o")
    assert {move: worth(NOUGHTS, NOUGHTS.play(position, move)) for move in "89"} == {"8": 1, "9": 0}
    assert worth(NOUGHTS, position) == 0
    assert expected(NOUGHTS, 1.0, position) == 0.0
    assert expected(NOUGHTS, 0.0, position) == 0.5
    assert expected(NOUGHTS, 0.5, position) == 0.25


def test_against_a_perfect_opponent_the_expected_result_is_the_exact_one():
    for position in reachable(NOUGHTS, at("x.. .o. ...")):
        assert expected(NOUGHTS, 1.0, position) == worth(NOUGHTS, position)


def policy_value(game: Game, skill: float, position: Position, choose: Any) -> float:
    """Mean result of a policy by enumeration over all that the opponent may do."""
    result = game.result(position)
    if result is not None:
        return float(result)
    if position.mover == "x":
        return policy_value(game, skill, game.play(position, choose(position)), choose)
    moves, perfect = game.moves(position), perfect_moves(game, position)
    chances = {move: (1 - skill) / len(moves) + skill * (move in perfect) / len(perfect) for move in moves}
    return sum(
        chance * policy_value(game, skill, game.play(position, move), choose) for move, chance in chances.items()
    )


@pytest.mark.parametrize("skill", [0.0, 0.5, 1.0])
def test_the_expert_reaches_what_is_expected_and_no_policy_more(skill: float):
    for start in [at("x.. .o. ..."), at("o.. x.. ..."), at("... .o. ...", "x")]:
        best = policy_value(NOUGHTS, skill, start, lambda position: best_reply(NOUGHTS, skill, position))
        assert best == pytest.approx(expected(NOUGHTS, skill, start))
        for seed in range(3):

            def choose(position: Position, seed: int = seed) -> str:
                return random.Random(f"{seed}{position}").choice(NOUGHTS.moves(position))

            assert policy_value(NOUGHTS, skill, start, choose) <= best + 1e-12


def test_a_match_by_hand():
    match = nim(heaps=2, stones=3, opponent="perfect")
    state = Playing(seed=0, turn=0, position=Position(board=(3, 1), mover="x"))
    assert (match.expert(state), match.value(state)) == ("a2", 1.0)
    # After a2 the heaps are equal, and o can only lose; both its moves are perfect, so it takes the one or the other.
    state, step = match.play(state, "a2")
    assert step in (
        Step(observation="o a1: 0 1", reward=0.0, done=False),
        Step(observation="o b1: 1 0", reward=0.0, done=False),
    )
    state, step = match.play(state, match.expert(state))
    assert step == Step(observation="0 0 won", reward=1.0, done=True)
    # A blunder: o takes all of the other heap.
    _, step = match.play(Playing(seed=0, turn=0, position=Position(board=(3, 1), mover="x")), "b1")
    assert step == Step(observation="o a3: 0 0 lost", reward=-1.0, done=True)


def test_a_record_shows_what_the_opponent_met_and_did():
    match = nim(heaps=2, stones=3, opponent="perfect", record=True)
    state = Playing(seed=0, turn=0, position=Position(board=(3, 1), mover="x"))
    _, step = match.play(state, "b1")
    assert step == Step(observation="3 0\na3\n0 0 lost", reward=-1.0, done=True)
    state, step = match.play(state, "a2")
    assert step in (
        Step(observation="1 1\na1\n0 1", reward=0.0, done=False),
        Step(observation="1 1\nb1\n1 0", reward=0.0, done=False),
    )
    assert match.play(state, match.expert(state))[1] == Step(observation="0 0 won", reward=1.0, done=True)


@pytest.mark.parametrize(("opponent", "share"), [("random", 1 / 3), ("mediocre", 2 / 3), ("perfect", 1.0)])
def test_opponents_err_as_often_as_stated(opponent: Any, share: float):
    # From 3 1 after a1 the heaps are 2 1: of o's three moves one is perfect, a1.
    match = nim(heaps=2, stones=3, opponent=opponent)
    replies = Counter(
        match.play(Playing(seed=seed, turn=0, position=Position(board=(3, 1), mover="x")), "a1")[1].observation[2:4]
        for seed in range(900)
    )
    assert replies["a1"] / 900 == pytest.approx(share, abs=4 * (0.25 / 900) ** 0.5)


def test_starting_positions_are_split_and_all_occur():
    for match in (tictactoe(), nim()):
        train, held_out = (
            {match.begin(seed)[0].position for seed in seeds(split, 600)} for split in ("train", "held_out")
        )
        assert not train & held_out
        assert len(train | held_out) == len(match.game.starts())
    # One start for all: the empty board.
    assert {tictactoe(opening=0).begin(seed)[1] for seed in range(10)} == {"... ... ..."}


def test_better_play_scores_better_against_every_opponent():
    for opponent in ("random", "mediocre", "perfect"):
        lived = world("tictactoe", opponent=opponent)
        train = seeds("train", 60)
        best = statistics.mean(play(lived, seed, expert).score for seed in train)
        guessed = statistics.mean(play(lived, seed, guessing(random.Random(seed))).score for seed in train)
        assert best > guessed + 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Nim(heaps=0, stones=3), "heaps = 0"),
        (lambda: Nim(heaps=2, stones=9), "stones = 9"),
        (lambda: Nim(heaps=1, stones=1), "no game"),
        (lambda: Lines(width=6, height=3, length=3, falling=True, opening=0), "6 by 3"),
        (lambda: Lines(width=3, height=3, length=4, falling=True, opening=0), "length = 4"),
        (lambda: tictactoe(opening=5), "opening = 5"),
        (lambda: Match(name="x", game=NOUGHTS, opponent="good"), "opponent = 'good'"),
    ],
)
def test_impossible_games_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make()
