"""What a round of the outer loop has to do, apart from who does it: live, sit exams, say where the weights should go.

`Here` does it with an engine of its own. Others may have it done elsewhere, for what is handed over is plain data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from liveoak.adapters import Slot
from liveoak.learning.anchoring import Anchors
from liveoak.learning.objective import Example
from liveoak.learning.outer.credit import Lot, gradient_of, lot_of
from liveoak.learning.outer.life import Cast, Lives, Policy
from liveoak.learning.outer.policies import FIXED, always
from liveoak.learning.outer.pricing import Account, Prices
from liveoak.learning.outer.settings import OuterSettings
from liveoak.learning.update import Gradient
from liveoak.worlds import Material, seed_of

Arm: TypeAlias = str
"""A fixed way to act by its name, or `ITSELF`."""
ITSELF: Arm = ""
"""The agent, under its slow weights."""
_FAR = 2_000_000
"""Where held-out streams begin, so that no act is drawn by the same chance as one of a training stream."""


class Work(Protocol):
    """Who does it."""

    def lots(self, slow: Slot, streams: Sequence[int], crowding: float) -> Sequence[Lot]:
        """What came of the lives of these streams of training material. What was lost is a failure of its lot."""
        ...

    def gradient(self, slow: Slot, acts: Sequence[Example], step: int) -> Gradient:
        """Of the acts' objective at `slow`, which is not changed. `step` tells where it is held to the prior.

        Raises:
            LearningError: no act has credit, or the gradient is no number.
        """
        ...

    def accounts(self, slow: Slot, arm: Arm, places: Sequence[int]) -> Sequence[Account]:
        """Of one life in each of these held-out streams, in order."""
        ...


class Here:
    """All of it in this process, in passes that lives share."""

    def __init__(
        self,
        lives: Lives,
        material: Callable[[int], Material],
        prices: Prices,
        settings: OuterSettings,
        anchors: Anchors | None = None,
    ) -> None:
        """`material` is that of a seed; without `anchors` the prior is held where the agent acted."""
        self._lives, self._material, self._prices, self._settings = lives, material, prices, settings
        self._anchors = anchors or Anchors(lives.engine)

    def lots(self, slow: Slot, streams: Sequence[int], crowding: float) -> list[Lot]:
        made = {stream: self._material(seed_of("train", stream)) for stream in streams}
        cast = [
            Cast(stream=stream, number=number, material=made[stream])
            for stream in streams
            for number in range(self._settings.lives)
        ]
        settings = self._settings
        return [
            lot_of(
                self._lives.engine,
                self._lives.live(cast, slow, None if settings.decides else always("learn")),
                self._prices,
                settings.rewarded,
                exams=0.0 if self._lives.settings.writes_only else settings.exam,
                decided=settings.decides,
                crowding=crowding,
                held=self._held if settings.anchor else None,
                anchor=settings.anchor,
            )
        ]

    def _held(self, one: Cast) -> Sequence[Example]:
        return self._anchors.examples((), one.stream * self._settings.lives + one.number)

    def gradient(self, slow: Slot, acts: Sequence[Example], step: int) -> Gradient:
        anchor = self._settings.anchor
        held = self._anchors.examples(acts, step) if anchor else []
        return gradient_of(self._lives.engine, slow, acts, held, anchor)

    def accounts(self, slow: Slot, arm: Arm, places: Sequence[int]) -> list[Account]:
        cast = [
            Cast(stream=_FAR + place, number=0, material=self._material(seed_of("held_out", place))) for place in places
        ]
        return [one.account for one in self._lives.live(cast, slow, _POLICIES[arm])]


_POLICIES: Mapping[Arm, Policy | None] = {ITSELF: None, **FIXED}
