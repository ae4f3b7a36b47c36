"""A bounded memory of the past: every episode so far is in it with equal probability."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from liveoak.learning.lived import Lived


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservoir:
    """Pure: `after` gives the next one. Chance depends on the seed and the episode's number alone.

    Source: algorithm R (Vitter 1985).
    """

    room: int
    """Episodes that are kept, at most."""
    seed: int = 0
    kept: tuple[Lived, ...] = ()
    seen: int = 0
    """Episodes so far."""

    def after(self, lived: Sequence[Lived]) -> Reservoir:
        """With more episodes seen."""
        kept, seen = list(self.kept), self.seen
        for one in lived:
            place = random.Random(f"keep/{self.seed}/{seen}").randrange(seen + 1)
            if len(kept) < self.room:
                kept.append(one)
            elif place < self.room:
                kept[place] = one
            seen += 1
        return Reservoir(room=self.room, seed=self.seed, kept=tuple(kept), seen=seen)

    def some(self, count: int) -> list[Lived]:
        """Up to `count` of those kept, others at each number of episodes seen."""
        return random.Random(f"some/{self.seed}/{self.seen}").sample(self.kept, min(count, len(self.kept)))
