"""The outer loop itself: rounds of lives, and after each some steps of the slow weights."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from liveoak.adapters import Slot
from liveoak.errors import BadSettings, LearningError
from liveoak.learning.outer.credit import Lot, exams_together, gradient_of, lot_of
from liveoak.learning.outer.life import Cast, Lives
from liveoak.learning.outer.policies import always
from liveoak.learning.outer.pricing import Account, Prices
from liveoak.learning.update import AdamSettings, Gradient, Update, descend
from liveoak.signals import RewardSettings
from liveoak.worlds import Material, seed_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterSettings:
    """How slow weights learn from lives."""

    streams: int = 4
    """Streams of material a round."""
    lives: int = 4
    """Lives of each stream, which are compared with each other."""
    parts: int = 8
    """Optimizer steps of a pass over a round's windows."""
    passes: int = 3
    """How often each window is learned from; ratios to what was sampled are clipped, so that few passes do no harm."""
    rate: float = 1e-3
    decides: bool = True
    """Off: every entry is learned, and the slow weights learn from the exam alone how a study begins best."""
    exam: float = 0.0
    """Weight of making the exam's true answers likelier where a study ends, against a weight of 1 for the acts."""
    rewarded: RewardSettings = field(default_factory=lambda: RewardSettings(discount=0.0))
    """By default an act is credited with its own price and points, not with those of later acts."""

    def __post_init__(self) -> None:
        compared = 2 if self.decides else 1
        if not (
            self.streams >= 1
            and self.lives >= compared
            and min(self.parts, self.passes) >= 1
            and self.rate > 0
            and self.exam >= 0
            and (self.decides or self.exam)
        ):
            raise BadSettings(
                f"{self!r}: expected streams, parts and passes >= 1, lives >= {compared}, rate > 0, exam >= 0, and "
                "exam > 0 where nothing is decided"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterRound:
    """What one round did."""

    number: int
    accounts: tuple[Account, ...]
    losses: dict[str, float]
    """Of the last step."""
    steps: int
    failures: tuple[str, ...]
    """Studies that broke off, streams without credit, and a step that could not be taken."""


class Outer:
    """Learns slow weights. Equal seeds give equal rounds on one machine."""

    def __init__(
        self,
        lives: Lives,
        slow: Slot,
        material: Callable[[int], Material],
        prices: Prices,
        settings: OuterSettings,
        *,
        begun: int = 0,
    ) -> None:
        """`material` is that of a seed, `begun` the number of rounds behind."""
        self.lives, self.slow, self.prices, self.settings = lives, slow, prices, settings
        self.done = begun
        self._material = material
        self._update = Update(lives.engine, slow, {}, AdamSettings())

    def rounds(self, count: int) -> Iterator[OuterRound]:
        """Rounds until there are `count` in all."""
        while self.done < count:
            yield self.round()

    def round(self) -> OuterRound:
        """Live some lives, then learn from them."""
        size = self.settings.streams
        lot = self._lot(range(self.done * size, (self.done + 1) * size))
        failures = list(lot.failures)
        losses: dict[str, float] = {}
        steps = 0
        try:
            for gradient in self._steps(lot):
                losses = descend(self._update, gradient, self.settings.rate).losses
                steps += 1
        except LearningError as error:
            failures.append(str(error))
        self.done += 1
        return OuterRound(
            number=self.done - 1,
            accounts=lot.accounts,
            losses=losses,
            steps=steps,
            failures=tuple(failures),
        )

    def _lot(self, streams: Sequence[int]) -> Lot:
        """The lives of these streams of training material, and what they say of the slow weights."""
        made = {stream: self._material(seed_of("train", stream)) for stream in streams}
        cast = [
            Cast(stream=stream, number=number, material=made[stream])
            for stream in streams
            for number in range(self.settings.lives)
        ]
        return lot_of(
            self.lives.engine,
            self.lives.live(cast, self.slow, None if self.settings.decides else always("learn")),
            self.prices,
            self.settings.rewarded,
            exams=self.settings.exam > 0 and not self.lives.settings.writes_only,
            decided=self.settings.decides,
        )

    def _steps(self, lot: Lot) -> Iterator[Gradient]:
        """Along the exams, and along the acts, dealt out to parts."""
        acts = list(lot.acts)
        rng = random.Random(f"outer/{self.done}")
        exams = exams_together([lot])
        if exams is not None:
            # Taken at the weights that were lived with, all at once, before the acts' steps move away from them.
            yield Gradient(
                flat=self.settings.exam * exams.flat, losses=exams.losses, credited=0, processed=exams.processed
            )
        for _ in range(self.settings.passes):
            rng.shuffle(acts)
            for start in range(min(self.settings.parts, len(acts))):
                yield gradient_of(self.lives.engine, self.slow, acts[start :: self.settings.parts])
