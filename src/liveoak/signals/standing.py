"""How much imitating each source has helped so far: what its next demonstration weighs, and when it is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from liveoak.errors import UserError
from liveoak.signals.demonstrations import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSettings:
    """A gain says what imitating a source did for ground truth (rewards, an exam) in one update, cut to [-1, 1]."""

    expected: float = 0.1
    """The gain that is expected of somebody unknown."""
    patience: float = 4.0
    """How many observed gains the expectation counts as."""
    decay: float = 0.95
    """What an observation is still worth one round later. One who was refused is forgotten about, and tried again."""
    refused: float = 0.25
    """A weight below this is none: the demonstration is refused."""

    def __post_init__(self) -> None:
        if not (0 < self.expected <= 1 and self.patience > 0 and 0 < self.decay <= 1 and 0 <= self.refused < 1):
            raise UserError(f"{self!r}: expected 0 < expected <= 1, patience > 0, 0 < decay <= 1 and 0 <= refused < 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Observed gains of one source: their decayed sum and number."""

    gain: float = 0.0
    count: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of all sources. Pure: `after` gives the next one."""

    settings: StandingSettings = field(default_factory=StandingSettings)
    records: Mapping[Source, Record] = field(default_factory=dict[Source, Record])

    def gain(self, source: Source) -> float:
        """The expected gain of imitating a source: the posterior mean of its observations and the expectation.

        Of a world that names actions nothing is expected: it may name what was wrong, or what somebody else did.
        """
        record, known = self.records.get(source, Record()), self.settings
        expected = 0.0 if source.kind == "advice" else known.expected
        return (known.patience * expected + record.gain) / (known.patience + record.count)

    def weight(self, source: Source) -> float:
        """What a demonstration weighs: 1 where the source helps as expected or better, less below, 0 where refused."""
        weight = min(1.0, self.gain(source) / self.settings.expected)
        return weight if weight >= self.settings.refused and weight > 0 else 0.0

    def refusal(self, source: Source) -> str | None:
        """Why a source is refused, or None where it is not."""
        if self.weight(source):
            return None
        record = self.records.get(source, Record())
        what = source.kind if source.kind == "advice" else f"{source.kind}s"
        return (
            f"imitating {what} of {source.author!r} has gained {self.gain(source):+.3f} "
            f"over {record.count:.1f} updates; expected {self.settings.expected:+.3f}"
        )

    def after(self, gains: Mapping[Source, float]) -> Standing:
        """One round later: everything decays, and what was imitated in the round is observed.

        Raises:
            UserError: a gain is not a number.
        """
        decay = self.settings.decay
        records = {
            source: Record(gain=decay * record.gain, count=decay * record.count)
            for source, record in self.records.items()
        }
        for source, gain in gains.items():
            if not math.isfinite(gain):
                raise UserError(f"the gain of imitating {source!r} is {gain!r}; expected a finite number")
            record = records.get(source, Record())
            records[source] = Record(gain=record.gain + max(-1.0, min(1.0, gain)), count=record.count + 1)
        return Standing(settings=self.settings, records=records)
