"""A bandit whose good levers change: the smallest world in which something learned becomes wrong.

The built-in world that drifts (`drift`) takes a prior of random weights more episodes a phase than a lab run has; this
one takes hundreds. Time is the seed, as there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from string import ascii_lowercase

from liveoak.worlds import About, Step
from liveoak.worlds.built_in.bandit import COLOURS, Bandit, Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Levers:
    """One pull an episode."""

    every: int = 640
    """Episodes of a split that one table holds: a phase."""
    stream: int = 0
    """Which tables; another number is another life."""
    levers: int = 3
    course: str = "abac"
    """The table of each phase by its letter, over and over. No two tables share a good lever on any colour, so there
    are at most as many as levers."""

    def __post_init__(self) -> None:
        if self.every < 1 or self.stream < 0:
            raise ValueError(f"{self!r}: expected every >= 1 and stream >= 0")
        if not self.course or not set(self.course) <= set(ascii_lowercase[: self.levers]):
            letters = ascii_lowercase[: self.levers]
            raise ValueError(f"course {self.course!r}: expected letters of {letters!r}, as many tables as levers")

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
        table = ascii_lowercase.index(self.course[phase % len(self.course)])
        return Bandit(levers=self.levers, pulls=1, rule=_tables(self.stream, self.levers)[table])


@lru_cache(maxsize=64)
def _tables(stream: int, levers: int) -> tuple[int, ...]:
    """The table of this number, and the next ones that have other good levers on every colour than those before."""
    found = [stream]
    for rule in count(stream + 1):
        if len(found) == levers:
            break
        if all(
            one != two for known in found for one, two in zip(_good(known, levers), _good(rule, levers), strict=True)
        ):
            found.append(rule)
    return tuple(found)


def _good(rule: int, levers: int) -> tuple[int, ...]:
    """The good lever of each colour."""
    pays = [Bandit(levers=levers, pulls=1, rule=rule).pays(colour, 0) for colour in COLOURS]
    return tuple(own.index(max(own)) for own in pays)
