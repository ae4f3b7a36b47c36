"""Reward: what a turn was worth, against what could be expected of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from liveoak.errors import UserError
from liveoak.records import Credit
from liveoak.signals.episode import Episode

Baseline = Literal["group", "leave_one_out", "value", "none"]
_ALIKE = 1e-9
"""Returns that differ by no more than this are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSettings:
    """How returns become advantages."""

    baseline: Baseline = "leave_one_out"
    """`group`: the mean of the group (GRPO, Shao et al. 2024). `leave_one_out`: that of the others (Kool et al. 2019;
    Ahmadian et al. 2024), which keeps the gradient unbiased. `value`: learned, given with the call. `none`: 0."""
    per: Literal["turn", "episode"] = "turn"
    """`turn`: each turn is credited with what came after it. `episode`: all turns with the whole return."""
    discount: float = 1.0
    """What a reward is worth one turn earlier."""
    trace: float = 1.0
    """With `value`: how far a surprise is carried back, the lambda of generalised advantage estimation (Schulman et
    al. 2016). 1: to the beginning, however wrong the values are. 0: to the turn that it follows."""
    scaled: bool = False
    """Divide by the standard deviation of the group's returns, as GRPO does; easy and hard tasks then count more than
    those in between (Liu et al. 2025)."""

    def __post_init__(self) -> None:
        if not (0 <= self.discount <= 1 and 0 <= self.trace <= 1):
            raise UserError(f"{self!r}: expected a discount and a trace from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewarded:
    """Credit of a group's episodes, in order. `silent` says why none of it is other than 0, where that is so."""

    credits: tuple[Credit, ...]
    silent: str | None


def reward(
    group: Sequence[Episode],
    settings: RewardSettings | None = None,
    values: Sequence[Sequence[float]] | None = None,
) -> Rewarded:
    """Credit on acted tokens of episodes that began alike (one world and seed, or one prompt).

    Every token of a turn gets the turn's advantage. An episode that nobody rewarded is no episode of reward 0: it is
    left out of the comparison and gets no credit. `values` are the expected returns from each turn on, by episode and
    turn, as a learned value sees them.

    Raises:
        UserError: values are asked for and missing or of another shape, or a reward or value is not a number.
    """
    settings = settings or RewardSettings()
    rewarded = [place for place, episode in enumerate(group) if episode.rewarded]
    rewards = [[turn.reward or 0.0 for turn in group[place].acted] for place in rewarded]
    if settings.baseline == "value":
        expected = _checked(values, group)
        found = [
            residuals(turns, expected[place], settings.discount, settings.trace)
            for place, turns in zip(rewarded, rewards, strict=True)
        ]
        if settings.per == "episode":
            found = [(first[0],) * len(first) for first in found]
    else:
        found = advantages([returns(turns, settings.discount) for turns in rewards], settings)
    by_place = dict(zip(rewarded, found, strict=True))
    credits = tuple(_credit(episode, by_place.get(place)) for place, episode in enumerate(group))
    silent = None
    if not any(weight for credit in credits for weight in credit.weights):
        silent = _why_silent(group, rewarded, settings)
    return Rewarded(credits=credits, silent=silent)


def returns(rewards: Sequence[float], discount: float = 1.0) -> tuple[float, ...]:
    """From each turn on, its own reward and the discounted later ones."""
    found: list[float] = []
    later = 0.0
    for value in reversed(rewards):
        if not math.isfinite(value):
            raise UserError(f"a turn has reward {value!r}; expected a finite number")
        later = value + discount * later
        found.append(later)
    return tuple(reversed(found))


def advantages(group: Sequence[tuple[float, ...]], settings: RewardSettings) -> list[tuple[float, ...]]:
    """Returns by episode and turn, less their baseline.

    A turn is compared with the same turn of the others; one that ended before it stands there with its last return.
    Left-out baselines depend on the others alone, so they are valid whatever this one does.
    """
    if settings.per == "episode":
        group = [(own[0],) * len(own) for own in group]
    firsts = [own[0] for own in group]
    if settings.baseline == "none":
        return list(group)
    if len(group) < 2:
        return [(0.0,) * len(own) for own in group]
    spread = 1.0
    if settings.scaled:
        mean = sum(firsts) / len(firsts)
        spread = math.sqrt(sum((value - mean) ** 2 for value in firsts) / len(firsts))
        if spread <= _ALIKE:  # the turns differ though the episodes do not
            spread = 1.0
    return [
        tuple(_settled(value - _baseline(group, me, turn, settings)) / spread for turn, value in enumerate(own))
        for me, own in enumerate(group)
    ]


def residuals(
    rewards: Sequence[float], values: Sequence[float], discount: float = 1.0, trace: float = 1.0
) -> tuple[float, ...]:
    """Generalised advantage estimates, one a turn; after the last turn comes nothing, so that it is worth 0."""
    found: list[float] = []
    later = following = 0.0
    for value, expected in zip(reversed(rewards), reversed(values), strict=True):
        if not (math.isfinite(value) and math.isfinite(expected)):
            raise UserError(f"a turn has reward {value!r} and value {expected!r}; expected finite numbers")
        later = value + discount * following - expected + discount * trace * later
        following = expected
        found.append(later)
    return tuple(reversed(found))


def _baseline(group: Sequence[tuple[float, ...]], me: int, turn: int, settings: RewardSettings) -> float:
    others = [own[min(turn, len(own) - 1)] for place, own in enumerate(group) if place != me]
    if settings.baseline == "group":
        others.append(group[me][turn])
    return sum(others) / len(others)


def _settled(advantage: float) -> float:
    """Without what rounding leaves of the difference of equal numbers: it would count as credit."""
    return advantage if abs(advantage) > _ALIKE else 0.0


def _credit(episode: Episode, found: tuple[float, ...] | None) -> Credit:
    weights = [0.0] * len(episode.rendered.ids)
    for turn, advantage in zip(episode.acted, found or (), strict=False):
        for place in turn.places:
            weights[place] = advantage
    return Credit(signal="reward", weights=tuple(weights))


def _checked(values: Sequence[Sequence[float]] | None, group: Sequence[Episode]) -> Sequence[Sequence[float]]:
    turns = [len(episode.acted) for episode in group]
    if values is None or [len(own) for own in values] != turns:
        got = None if values is None else [len(own) for own in values]
        raise UserError(f"the value baseline got values for {got!r} turns by episode; expected {turns!r}")
    return values


def _why_silent(group: Sequence[Episode], rewarded: Sequence[int], settings: RewardSettings) -> str:
    if not group:
        return "the group is empty"
    if not rewarded:
        return f"none of {len(group)} episodes was rewarded"
    if len(rewarded) < 2 and settings.baseline in ("group", "leave_one_out"):
        return "one rewarded episode has no others to be compared with"
    if settings.baseline in ("group", "leave_one_out"):
        return f"all {len(rewarded)} rewarded episodes were worth the same"
    return "every turn was worth what its baseline expected"
