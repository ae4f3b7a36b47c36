"""The outer loop itself: rounds of lives, and after each some steps of the slow weights."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from liveoak.adapters import Slot
from liveoak.engine import Engine
from liveoak.errors import LearningError
from liveoak.learning.adam import AdamSettings
from liveoak.learning.outer.credit import Lot, exams_together
from liveoak.learning.outer.pricing import Account
from liveoak.learning.outer.settings import OuterSettings
from liveoak.learning.outer.work import Work
from liveoak.learning.outer.worth import Crowding
from liveoak.learning.update import Gradient, Update, descend


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
    """Learns slow weights. Equal seeds, and work that is divided alike, give equal rounds on one kind of machine."""

    def __init__(
        self,
        engine: Engine,
        slow: Slot,
        work: Work,
        settings: OuterSettings,
        *,
        begun: int = 0,
        crowding: Crowding | None = None,
    ) -> None:
        """`begun` is the number of rounds behind, `crowding` what they showed."""
        self.slow, self.settings = slow, settings
        self.done = begun
        self.crowding = crowding or Crowding()
        self._work = work
        self._update = Update(engine, slow, {}, AdamSettings())

    def rounds(self, count: int) -> Iterator[OuterRound]:
        """Rounds until there are `count` in all."""
        while self.done < count:
            yield self.round()

    def round(self) -> OuterRound:
        """Live some lives, then learn from them.

        Raises:
            LearningError: not one life was lived.
        """
        size = self.settings.streams
        price = self.crowding.slope if self.settings.crowds else 0.0
        lots = self._work.lots(self.slow, range(self.done * size, (self.done + 1) * size), price)
        accounts = tuple(account for lot in lots for account in lot.accounts)
        failures = [failure for lot in lots for failure in lot.failures]
        if not accounts:
            raise LearningError(f"no life of round {self.done} was lived: {'; '.join(dict.fromkeys(failures))}")
        self.crowding.add([held for lot in lots for held in lot.held])
        losses: dict[str, float] = {}
        steps = 0
        try:
            for gradient in self._steps(lots):
                losses = descend(self._update, gradient, self.settings.rate).losses
                steps += 1
        except LearningError as error:
            failures.append(str(error))
        self.done += 1
        return OuterRound(
            number=self.done - 1,
            accounts=accounts,
            losses=losses,
            steps=steps,
            failures=tuple(failures),
        )

    def _steps(self, lots: Sequence[Lot]) -> Iterator[Gradient]:
        """Along the exams, and along the acts, dealt out to parts."""
        acts = [act for lot in lots for act in lot.acts]
        rng = random.Random(f"outer/{self.done}")
        exams = exams_together(lots)
        if exams is not None:
            # Taken at the weights that were lived with, all at once, before the acts' steps move away from them.
            yield exams
        parts, passes = self.settings.parts, self.settings.passes
        for number in range(self.done * passes, (self.done + 1) * passes):
            rng.shuffle(acts)
            for start in range(min(parts, len(acts))):
                yield self._work.gradient(self.slow, acts[start::parts], number * parts + start)
