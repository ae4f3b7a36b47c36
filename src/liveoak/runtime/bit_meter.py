"""The bit meter: how much an episode taught, by what was held out, and how much its outcome alone could have taught.

A reading is the loss on held-out episodes, in nats an episode. Bits learned are its fall over ln 2. Whoever learned
from outcomes alone, from a state of knowledge that was right about its own doubts, can have gained no more on any one
held-out episode than those outcomes held: the entropy of the outcome, an episode. A prior of random weights is wrong
about its doubts, and can gain more at first (that letters are likelier than control characters, say).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["answers", "choices", "endings"]
"""What a loss is taken of. `answers`: tokens that the world answers actions with. `choices`: an expert's actions, among
those that are possible. `endings`: the last answer of each episode, which shows the outcome where the world does."""
KINDS: tuple[Kind, ...] = ("answers", "choices", "endings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Held-out loss after some episodes."""

    episodes: int
    nats: Mapping[Kind, float]
    """Nats a held-out episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BitMeter:
    """Readings of one life, in order. Pure: `read` gives the next one."""

    readings: tuple[Reading, ...] = ()

    def read(self, episodes: int, nats: Mapping[Kind, float]) -> BitMeter:
        """With one reading more.

        Raises:
            ValueError: no later than the last, or of other kinds.
        """
        if self.readings:
            last = self.readings[-1]
            if episodes <= last.episodes or set(nats) != set(last.nats):
                raise ValueError(
                    f"a reading of {sorted(nats)!r} after {episodes!r} episodes follows one of {sorted(last.nats)!r} "
                    f"after {last.episodes!r}; expected the same kinds, later"
                )
        return replace(self, readings=(*self.readings, Reading(episodes=episodes, nats=dict(nats))))

    def learned(self, kind: Kind) -> list[tuple[int, float]]:
        """Bits learned since the first reading, by episodes lived; negative where something was forgotten."""
        first = self.readings[0].nats[kind]
        return [(one.episodes, (first - one.nats[kind]) / math.log(2)) for one in self.readings]

    def bits_per_episode(self, kind: Kind) -> float:
        """Mean over the episodes lived between the first and the last reading.

        Raises:
            ValueError: fewer than two readings.
        """
        if len(self.readings) < 2:
            raise ValueError(f"{len(self.readings)} reading(s): bits learned need one before and one after")
        lived = self.readings[-1].episodes - self.readings[0].episodes
        return self.learned(kind)[-1][1] / lived


def outcome_entropy(outcomes: Sequence[float]) -> float:
    """Bits that the outcome of one episode holds, at most: the entropy of outcomes that were drawn alike. They are
    rounded to six places, so that sums of the same rewards in another order are the same outcome.

    Source: the plug-in estimate with the correction of Miller (1955), (kinds - 1) / (2 n), since a bound must not be
    too low; never more than outcomes of so many kinds can hold.

    Raises:
        ValueError: no outcomes.
    """
    if not outcomes:
        raise ValueError("the entropy of an outcome needs at least one, got none")
    counts = Counter(round(outcome, 6) for outcome in outcomes).values()
    n = len(outcomes)
    plain = -math.fsum(count / n * math.log(count / n) for count in counts)
    return min(plain + (len(counts) - 1) / (2 * n), math.log(len(counts))) / math.log(2)
