"""What could be expected of each turn of some episodes, by what the prior itself makes of the text before it.

The prior never changes, so that its last hidden state is a fixed feature of what was read, whatever the agent has
learned since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from liveoak.engine import Engine
from liveoak.learning.lived import Lived
from liveoak.learning.scoring import together
from liveoak.learning.value import NOTHING, Value, ValueSettings
from liveoak.signals import returns

FEATURES = 64
"""Random directions that states are seen along, so that what is kept does not grow with the prior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What was expected of some episodes, and what is expected now that they are known."""

    values: tuple[tuple[float, ...], ...]
    """By episode and turn."""
    after: Mapping[str, Value]
    """By world."""
    explained: float | None
    """Share of the variance of returns that the values foresaw; None: returns were all alike."""


def foresee(
    engine: Engine, known: Mapping[str, Value], lived: Sequence[Lived], settings: ValueSettings, discount: float
) -> Foreseen:
    """The values of all turns, by `known` of their world and by the other episodes."""
    seen = states(engine, lived)
    gains = [
        returns([turn.reward or 0.0 for turn in one.episode.acted], discount) if one.episode.rewarded else ()
        for one in lived
    ]
    values: list[tuple[float, ...]] = [()] * len(lived)
    after = dict(known)
    for world in dict.fromkeys(one.world for one in lived):
        places = [place for place, one in enumerate(lived) if one.world == world]
        value = known.get(world, Value(settings=settings))
        for place, own in zip(places, value.foreseen([(seen[p], gains[p]) for p in places]), strict=True):
            values[place] = own
        told = [place for place in places if gains[place]]
        if told:
            after[world] = value.after(
                torch.cat([seen[place] for place in told]), [gain for place in told for gain in gains[place]]
            )
    return Foreseen(values=tuple(values), after=after, explained=_explained(values, gains))


def states(engine: Engine, lived: Sequence[Lived]) -> list[Tensor]:
    """For each episode (turns, F): what the prior itself makes of the text before each turn of the agent.

    Its last hidden state there, as a direction, along random ones. Where nothing was read: zeros.
    """
    places = [[turn.places[0] for turn in one.episode.acted] for one in lived]
    turn_of = [{place: turn for turn, place in enumerate(own)} for own in places]
    found = [torch.zeros((len(own), FEATURES), dtype=torch.float64) for own in places]
    for batch in together(lived, places):
        hidden = engine.infer(lambda batch=batch: engine.wanted([tokens for _, _, tokens in batch]))
        rows = _features(hidden.to("cpu", torch.float64))
        owners = [(number, turn_of[number][place]) for number, mine, _ in batch for place in mine]
        for (number, turn), row in zip(owners, rows, strict=True):
            found[number][turn] = row
    return found


def _features(hidden: Tensor) -> Tensor:
    """(P, width) -> (P, F)"""
    width = hidden.shape[1]
    length = hidden.norm(dim=1, keepdim=True).clamp_min(torch.finfo(hidden.dtype).tiny)
    return (hidden / length) @ _directions(width)


@lru_cache(maxsize=4)
def _directions(width: int) -> Tensor:
    """(width, F), the same ones each time."""
    generator = torch.Generator().manual_seed(width)
    return torch.randn((width, FEATURES), generator=generator, dtype=torch.float64)


def _explained(values: Sequence[Sequence[float]], gains: Sequence[Sequence[float]]) -> float | None:
    pairs = [pair for own, got in zip(values, gains, strict=True) if got for pair in zip(own, got, strict=True)]
    middle = sum(gain for _, gain in pairs) / len(pairs) if pairs else 0.0
    variance = sum((gain - middle) ** 2 for _, gain in pairs)
    if variance <= NOTHING:
        return None
    return 1 - sum((gain - value) ** 2 for value, gain in pairs) / variance
