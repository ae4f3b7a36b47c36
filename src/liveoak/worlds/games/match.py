"""A game as a world: the agent moves, the opponent answers in the same step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from liveoak.worlds.games.game import Game, Position
from liveoak.worlds.games.solver import best_reply, expected, perfect_moves
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About
from liveoak.worlds.seeds import dice, of_split, split_of

Opponent = Literal["random", "mediocre", "perfect"]
SKILLS: dict[Opponent, float] = {"random": 0.0, "mediocre": 0.5, "perfect": 1.0}
"""How often each opponent draws from the perfect moves instead of from all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    seed: int
    turn: int
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Won 1, drawn 0, lost -1. Starting positions are split: those held out never occur in training."""

    name: str
    game: Game
    opponent: Opponent
    record: bool = False
    """Whether what is seen is a record of the game: the board that the opponent met, its move, and the board after,
    each on a line. Without, the agent's own move goes without saying."""

    def __post_init__(self) -> None:
        if self.opponent not in SKILLS:
            raise ValueError(f"opponent = {self.opponent!r}: expected one of {', '.join(SKILLS)}")

    @property
    def about(self) -> About:
        return About(
            name=self.name,
            instructions=self.game.goal,
            turns=-(-self.game.longest // 2),
            rewards=(-1.0, 1.0),
            forfeit=-1.0,
            contested=True,
            # A perfect opponent's moves are drawn too, but whichever it is, the result is the same.
            chance=self.opponent != "perfect",
        )

    def begin(self, seed: int) -> tuple[Playing, str]:
        starts = self.game.starts()
        # A single start cannot be split: then it is the opponent's draws alone that seeds differ in.
        position = dice("start", seed).choice(of_split(starts, split_of(seed)) if len(starts) > 1 else starts)
        return Playing(seed=seed, turn=0, position=position), self.game.shown(position)

    def play(self, state: Playing, action: str) -> tuple[Playing, Step]:
        position = self.game.play(state.position, action)
        told = ""
        if self.game.result(position) is None:
            reply = self._reply(state, position)
            told = f"{self.game.shown(position)}\n{reply}\n" if self.record else f"o {reply}: "
            position = self.game.play(position, reply)
        result = self.game.result(position)
        ending = {None: "", 1: " won", 0: " draw", -1: " lost"}[result]
        observation = f"{told}{self.game.shown(position)}{ending}"
        state = replace(state, turn=state.turn + 1, position=position)
        return state, Step(observation=observation, reward=float(result or 0), done=result is not None)

    def actions(self, state: Playing) -> tuple[str, ...]:
        return self.game.moves(state.position)

    def expert(self, state: Playing) -> str:
        return best_reply(self.game, SKILLS[self.opponent], state.position)

    def value(self, state: Playing) -> float:
        return expected(self.game, SKILLS[self.opponent], state.position)

    def _reply(self, state: Playing, position: Position) -> str:
        rng = dice("opponent", state.seed, state.turn)
        perfect = rng.random() < SKILLS[self.opponent]
        return rng.choice(perfect_moves(self.game, position) if perfect else self.game.moves(position))
