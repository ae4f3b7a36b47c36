"""A learned value: the return that can be expected from a turn on, by fixed features of what was read before it.

Over fixed features the best linear value of all turns so far has a closed form: there is no critic to train beside the
agent, no rate, and nothing that diverges. What the features are is `foreseeing`'s matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from liveoak.errors import BadSettings

NOTHING = 1e-9
"""What rounding may leave of nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSettings:
    """How turns become a value."""

    ridge: float = 4.0
    """How many turns the expectation that nothing read makes a difference counts as."""
    decay: float = 0.95
    """What a turn is still worth one call later, for who acts changes."""

    def __post_init__(self) -> None:
        if not (self.ridge > 0 and 0 < self.decay <= 1):
            raise BadSettings(f"{self!r}: expected a ridge above 0 and 0 < decay <= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Ridge regression of returns on the features of a turn, in one world. Pure: `after` gives the next one.

    What is kept are sums over turns, decayed: with x the features behind a 1 and g the return, of x x' and of g x.
    """

    settings: ValueSettings = field(default_factory=ValueSettings)
    moments: tuple[tuple[float, ...], ...] = ()
    products: tuple[float, ...] = ()

    def after(self, states: Tensor, gains: Sequence[float]) -> Value:
        """One call later: `states` (turns, F) were followed by the returns `gains`."""
        moments, products = _sum(self._decayed(states.shape[1]), _sums(states, gains))
        return Value(
            settings=self.settings,
            moments=tuple(map(tuple, moments.tolist())),
            products=tuple(products.tolist()),
        )

    def foreseen(self, episodes: Sequence[tuple[Tensor, Sequence[float]]]) -> list[tuple[float, ...]]:
        """The values of each episode's turns, by the past and by the other episodes: its own outcome has no part in
        them, so that they are a baseline that keeps the gradient unbiased. An episode without returns is only valued.
        0 as long as there is nothing to go by.
        """
        if not episodes:
            return []
        own = [_sums(states[: len(gains)], gains) for states, gains in episodes]
        known = self._decayed(episodes[0][0].shape[1])
        for one in own:
            known = _sum(known, one)
        return [
            _values((known[0] - moments, known[1] - products), states, self.settings.ridge)
            for (states, _), (moments, products) in zip(episodes, own, strict=True)
        ]

    def _decayed(self, features: int) -> tuple[Tensor, Tensor]:
        size = features + 1
        if not self.products:
            return torch.zeros((size, size), dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
        decay = self.settings.decay
        kept = torch.tensor(self.moments, dtype=torch.float64), torch.tensor(self.products, dtype=torch.float64)
        return decay * kept[0], decay * kept[1]


def _sums(states: Tensor, gains: Sequence[float]) -> tuple[Tensor, Tensor]:
    rows = torch.cat([torch.ones((len(states), 1), dtype=torch.float64), states], dim=1)
    return rows.T @ rows, rows.T @ torch.tensor(gains, dtype=torch.float64)


def _sum(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return one[0] + other[0], one[1] + other[1]


def _values(sums: tuple[Tensor, Tensor], states: Tensor, ridge: float) -> tuple[float, ...]:
    """The mean return is free; slopes pay `ridge` times the features' mean variance, so that no scale is preferred."""
    moments, products = sums
    count = float(moments[0, 0])
    if count <= NOTHING:
        return (0.0,) * len(states)
    mean, middle = moments[0, 1:] / count, products[0] / count
    about = moments[1:, 1:] - count * mean.outer(mean)
    penalty = ridge * max(0.0, float(about.diagonal().mean())) / count + NOTHING
    curvature = about + penalty * torch.eye(len(mean), dtype=torch.float64)
    slopes = torch.linalg.solve(curvature, products[1:] - count * middle * mean)
    return tuple((middle + (states - mean) @ slopes).tolist())
