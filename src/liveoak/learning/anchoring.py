"""Where the anchor holds: places at which the prior itself is the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from liveoak.engine import Engine
from liveoak.learning.general import as_prior
from liveoak.learning.objective import REWARD, Example

A_STEP = 2
"""Sequences of each kind that one step holds."""


class Anchors:
    """The prior's distribution, on general text if it is given, else where the agent acted."""

    def __init__(self, engine: Engine, *general: Sequence[Example]) -> None:
        """`general` are anchors as `liveoak.learning.general` draws them, of one kind or several."""
        self._engine, self._general = engine, [kind for kind in general if kind]

    def examples(self, learned: Sequence[Example], step: int) -> list[Example]:
        """What one step is to hold, given what it learns."""
        if self._general:
            places = range(A_STEP * step, A_STEP * (step + 1))
            return [kind[place % len(kind)] for kind in self._general for place in places]
        acted = sorted((one for one in learned if one.signal == REWARD), key=lambda one: one.ids)
        unlike = [next(group) for _, group in groupby(acted, key=lambda one: (one.ids, one.wanted))]
        return [as_prior(self._engine, one.ids, one.wanted) for one in unlike]
