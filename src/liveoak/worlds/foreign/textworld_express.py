"""TextWorld-Express: games of text that run in Java.

Its own solution is the expert, for as long as the agent keeps to it. Training seeds draw on its training fold, held-out
ones on its test fold.
"""

from __future__ import annotations

import shutil
import weakref
from functools import partial
from typing import Any, Literal

from liveoak.errors import Unavailable
from liveoak.worlds.foreign.guest import Past, Replayed
from liveoak.worlds.foreign.library import library
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About, RuledWorld
from liveoak.worlds.seeds import dice, split_of

GameName = Literal[
    "cookingworld", "twc", "coin", "mapreader", "arithmetic", "sorting", "simonsays", "peckingorder"
]  # fmt: skip
_PACKAGE, _NAME = "textworld_express", "textworld-express"
_IDLE: list[Any] = []
"""Engines whose guests are gone. Each is a Java process that takes seconds to start: the next guest takes it over."""


class ExpressGuest:
    def __init__(self, game: str, params: str, turns: int, told_actions: bool) -> None:
        self._env: Any = _IDLE.pop() if _IDLE else library(_PACKAGE, world=_NAME).TextWorldExpressEnv()
        self._env.envStepLimit = turns
        self._env.load(game, params)
        weakref.finalize(self, _IDLE.append, self._env)
        self._folds = {"train": self._env.getValidSeedsTrain(), "held_out": self._env.getValidSeedsTest()}
        self._turns, self._told_actions = turns, told_actions

    def reset(self, seed: int) -> str:
        split = split_of(seed)
        number = int(dice(_NAME, seed).choice(self._folds[split]))
        fold = "train" if split == "train" else "test"
        seen, info = self._env.reset(seed=number, gameFold=fold, generateGoldPath=True)
        self._score, self._info = 0.0, info
        self._gold = [str(action) for action in self._env.getGoldActionSequence()]
        self._on_path, self._in_time = True, len(self._gold) <= self._turns
        return self._told(f"{info['taskDescription']}\n{seen}")

    def step(self, action: str) -> Step:
        seen, _, done, self._info = self._env.step(action)
        self._on_path = self._on_path and bool(self._gold) and action == self._gold.pop(0)
        # Scores may fall below zero when a task has failed for good.
        score = min(1.0, max(-1.0, float(self._info["score"])))
        reward, self._score = score - self._score, score
        return Step(observation=self._told(seen), reward=min(1.0, max(-1.0, reward)), done=bool(done))

    def actions(self) -> tuple[str, ...]:
        """Any text: an unknown command is answered by the game itself."""
        return ()

    def expert(self) -> str | None:
        return self._gold[0] if self._on_path and self._gold else None

    def value(self) -> float | None:
        return 1.0 - self._score if self._in_time and self.expert() else None

    def _told(self, seen: str) -> str:
        possible = f"\ncan: {', '.join(sorted(self._info['validActions']))}" if self._told_actions else ""
        return f"{' '.join(seen.split())}{possible}"


def textworld_express(
    *, game: GameName = "coin", params: str = "", turns: int = 50, told_actions: bool = True
) -> RuledWorld[Past]:
    """`params`: the game's own, such as `numLocations=3,includeDoors=0`. `told_actions`: possible commands are listed.

    Raises:
        Unavailable: the package or Java is not installed.
    """
    library(_PACKAGE, world=_NAME)
    if shutil.which("java") is None:
        raise Unavailable(f"world {_NAME!r} needs Java, and no `java` is on the PATH; install a Java runtime")
    about = About(
        name=_NAME,
        instructions="You are in a game of text. Answer with one command a turn.",
        turns=turns,
        rewards=(-1.0, 1.0),
    )
    return RuledWorld(Replayed(about, partial(ExpressGuest, game, params, turns, told_actions)))
