"""Worlds that misbehave on some of their seeds, and one that does not."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from liveoak.worlds import Step

FAULTS = ("raises", "hangs", "nan", "bytes", "reward", "endless")


@dataclass
class Fragile:
    """Two turns of `a` or `b`; `a` is worth 0.5. On seeds from `after` on it does what its fault says."""

    fault: str = ""
    after: int = 4
    name: str = "fragile"
    instructions: str = "a or b."
    rewards: tuple[float, float] = (0.0, 1.0)
    turns: int = 2

    def reset(self, seed: int) -> str:
        self._bad, self._turn = seed >= self.after, 0
        if self._bad and self.fault == "reset":
            raise RuntimeError("no such episode")
        return "go"

    def step(self, action: str) -> Step:
        self._turn += 1
        value: Any = 0.5 if action == "a" else 0.0
        seen: Any = f"you did {action}"
        done = self._turn == 2
        if self._bad and self._turn == 2:
            match self.fault:
                case "raises":
                    raise RuntimeError("out of coal")
                case "hangs":
                    time.sleep(3)
                case "nan":
                    value = math.nan
                case "bytes":
                    seen = b"\xff"
                case "reward":
                    value = 7.0
                case "endless":
                    done = False
                case _:
                    pass
        return Step(observation=seen, reward=value, done=done)

    def actions(self) -> tuple[str, ...]:
        return ("a", "b")


class Misleading(Fragile):
    """Praises what was worth nothing."""

    def step(self, action: str) -> Step:
        done = super().step(action)
        return Step(observation="b was right", reward=done.reward, done=done.done)
