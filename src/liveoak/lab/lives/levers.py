"""A bandit whose good levers change: the smallest world in which something learned becomes wrong.

The built-in world that drifts (`drift`) takes a prior of random weights more episodes a phase than a lab run has; this
one takes hundreds. Neighbouring phases share no good lever on any colour. Time is the seed, as there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count

from liveoak.worlds import About, Step
from liveoak.worlds.built_in.bandit import COLOURS, Bandit, Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Levers:
    """One pull an episode."""

    every: int = 640
    """Episodes of a split that one table holds; two tables take turns."""
    stream: int = 0
    """Which tables; another number is another life."""
    levers: int = 2

    def __post_init__(self) -> None:
        if self.every < 1 or self.stream < 0:
            raise ValueError(f"{self!r}: expected every >= 1 and stream >= 0")

    @property
    def about(self) -> About:
        return replace(self._rules(0).about, name="levers")

    def phase(self, seed: int) -> int:
        return seed // 2 // self.every

    def begin(self, seed: int) -> tuple[Machine, str]:
        return self._rules(self.phase(seed)).begin(seed)

    def play(self, state: Machine, action: str) -> tuple[Machine, Step]:
        return self._rules(0).play(state, action)

    def actions(self, state: Machine) -> tuple[str, ...]:
        return self._rules(0).actions(state)

    def expert(self, state: Machine) -> str:
        return self._rules(0).expert(state)

    def value(self, state: Machine) -> float:
        return self._rules(0).value(state)

    def _rules(self, phase: int) -> Bandit:
        return Bandit(levers=self.levers, pulls=1, rule=_tables(self.stream, self.levers)[phase % 2])


@lru_cache(maxsize=64)
def _tables(stream: int, levers: int) -> tuple[int, int]:
    """The table of this number, and the next one that has another good lever on every colour."""
    first = _good(stream, levers)
    other = next(
        rule
        for rule in count(stream + 1)
        if all(one != two for one, two in zip(first, _good(rule, levers), strict=True))
    )
    return stream, other


def _good(rule: int, levers: int) -> tuple[int, ...]:
    """The good lever of each colour."""
    pays = [Bandit(levers=levers, pulls=1, rule=rule).pays(colour, 0) for colour in COLOURS]
    return tuple(own.index(max(own)) for own in pays)
