"""Where the anchor holds: places at which the prior itself is the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from liveoak.engine import Engine
from liveoak.engine import Sequence as Tokens
from liveoak.learning.objective import ANCHOR, REWARD, Example

A_STEP = 2
"""Sequences of general text that one step holds."""


class Anchors:
    """The prior's distribution, on general text if it is given, else where the agent acted."""

    def __init__(self, engine: Engine, general: Sequence[Example] = ()) -> None:
        """`general` are anchors as `liveoak.learning.general` draws them."""
        self._engine, self._general = engine, tuple(general)

    def examples(self, learned: Sequence[Example], step: int) -> list[Example]:
        """What one step is to hold, given what it learns."""
        if self._general:
            return [self._general[(A_STEP * step + offset) % len(self._general)] for offset in range(A_STEP)]
        acted = sorted((one for one in learned if one.signal == REWARD), key=lambda one: one.ids)
        unlike = [next(group) for _, group in groupby(acted, key=lambda one: (one.ids, one.wanted))]
        return [self._anchored(one) for one in unlike]

    def _anchored(self, one: Example) -> Example:
        tokens = [Tokens(ids=one.ids, wanted=one.wanted)]
        teacher = self._engine.infer(lambda: self._engine.logits(tokens).log_softmax(-1))
        # Cloned outside inference mode, so that the backward pass may keep it.
        return Example(
            signal=ANCHOR, ids=one.ids, wanted=one.wanted, credit=(1.0,) * len(one.wanted), teacher=teacher.clone()
        )
