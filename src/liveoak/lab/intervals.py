"""How sure a mean is: t intervals over seeds, and a paired bootstrap for differences.

A difference whose interval holds zero is called none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean with bounds; `bounds` is None where a single value gives none."""

    mean: float
    bounds: tuple[float, float] | None
    n: int

    @property
    def differs(self) -> bool:
        """Whether zero lies outside. Without bounds nothing can be said, so no."""
        return self.bounds is not None and not self.bounds[0] <= 0.0 <= self.bounds[1]


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of independent values with Student's interval: mean ± t · s / √n.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("an interval needs at least one value, got none")
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean=mean, bounds=None, n=1)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = t_quantile((1 + level) / 2, n - 1) * deviation / math.sqrt(n)
    return Interval(mean=mean, bounds=(mean - half, mean + half), n=n)


def paired_bootstrap(
    ours: Sequence[float], theirs: Sequence[float], *, seed: int = 0, draws: int = 10_000, level: float = 0.95
) -> Interval:
    """Mean of `ours - theirs` with percentile bounds over resampled pairs.

    Source: Efron 1979. Pairs are resampled whole, since both sides met the same question or seed.

    Raises:
        ValueError: no pairs, or sides of different length.
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"pairs needed: got {len(ours)} and {len(theirs)} values")
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    mean = float(differences.mean())
    if len(differences) == 1:
        return Interval(mean=mean, bounds=None, n=1)
    rng = np.random.default_rng(seed)
    means = differences[rng.integers(0, len(differences), size=(draws, len(differences)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    # Rounding in the resampled means must not push the mean of equal values out of its own interval.
    return Interval(mean=mean, bounds=(min(float(low), mean), max(float(high), mean)), n=len(differences))


def bootstrap_ratio(
    above: Sequence[float], below: Sequence[float], *, seed: int = 0, draws: int = 10_000, level: float = 0.95
) -> Interval | None:
    """Sum of `above` over sum of `below`, with percentile bounds over resampled pairs.

    None where `below` sums to nothing or less, so that the ratio would mean nothing. No bounds where more than a few
    resamples come to that: the denominator is then too unsure.

    Raises:
        ValueError: sides of different length.
    """
    if len(above) != len(below):
        raise ValueError(f"pairs needed: got {len(above)} and {len(below)} values")
    tops, bottoms = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    if not len(tops) or bottoms.sum() <= 0:
        return None
    ratio = float(tops.sum() / bottoms.sum())
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(tops), size=(draws, len(tops)))
    sums, bases = tops[picked].sum(axis=1), bottoms[picked].sum(axis=1)
    tail = (1 - level) / 2
    if len(tops) == 1 or (bases <= 0).mean() > tail / 10:
        return Interval(mean=ratio, bounds=None, n=len(tops))
    usable = bases > 0
    low, high = np.quantile(sums[usable] / bases[usable], [tail, 1 - tail])
    return Interval(mean=ratio, bounds=(min(float(low), ratio), max(float(high), ratio)), n=len(tops))


@lru_cache(maxsize=256)
def t_quantile(share: float, freedom: int) -> float:
    """The value that Student's t with `freedom` degrees stays below with probability `share`, 0.5 <= share < 1.

    Raises:
        ValueError: a share or freedom outside its range.
    """
    if not 0.5 <= share < 1 or freedom < 1:
        raise ValueError(f"share = {share!r} must lie in [0.5, 1) and freedom = {freedom!r} be at least 1")
    low, high = 0.0, 1.0
    while _t_below(high, freedom) < share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_below(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def _t_below(value: float, freedom: int) -> float:
    """P(T < value) for value >= 0, in closed form by the angle atan(value / √freedom).

    Source: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4.
    """
    angle = math.atan(value / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2 == 1
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return 0.5 + inside / 2
