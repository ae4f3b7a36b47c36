"""A candidate is taken back no further than general text and other prompts ask for."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.config import GateSettings
from liveoak.engine import Engine
from liveoak.gate import temper

BOUNDS = GateSettings(max_retention_nats=0.1)


class Scale:
    """General text that suffers by `harm` of the share of the change that is kept."""

    def __init__(
        self,
        start: Tensor,
        harm: Callable[[float], float],
        served: float = 0.0,
        apart: Callable[[float], float] = lambda share: 0.0,
    ) -> None:
        self._start, self._harm, self._served, self._apart = start, harm, served, apart
        self.seen: list[float] = []

    def retention(self, slot: Slot | None) -> float:
        if slot is None:
            return self._served
        self.seen.append(self._share(slot))
        return self._harm(self.seen[-1])

    def divergence(self, slot: Slot) -> float:
        return self._apart(self._share(slot))

    def _share(self, slot: Slot) -> float:
        return round(float((slot.master - self._start).mean()), 3)


def changed(engine: Engine) -> tuple[Slot, Tensor]:
    """A slot whose every number was raised by one."""
    slot = engine.bank.new_slot(rank=2)
    start = slot.master.clone()
    slot.master.add_(1.0)
    slot.publish()
    return slot, start


@pytest.mark.parametrize(
    ("harm", "served", "share"),
    [
        (lambda s: 0.05 * s, 0.0, 1.0),
        (lambda s: 0.38 * s**5, 0.0, 0.6),
        # None leaves half of the bound free: the largest within it.
        (lambda s: 0.02 + 0.08 * s, 0.0, 1.0),
        (lambda s: 0.06 + 0.05 * s, 0.0, 0.8),
        # What is served has used up most of the bound already: half of the rest is this lesson's.
        (lambda s: 0.08 + 0.02 * s, 0.08, 0.5),
        # Nothing helps: the whole change stands and will be refused.
        (lambda s: 0.5 + s, 0.0, 1.0),
    ],
)
def test_the_largest_share_that_leaves_room_is_kept(
    engine: Engine, harm: Callable[[float], float], served: float, share: float
):
    slot, start = changed(engine)
    scale = Scale(start, harm, served)
    assert temper(engine, scale, slot, start, None, BOUNDS) == share  # type: ignore[arg-type]
    assert torch.allclose(slot.master - start, torch.full_like(start, share), atol=1e-6)
    assert torch.equal(slot.weights, slot.master.to(slot.weights.dtype)), "what is served is what was measured"


def test_a_harmless_change_is_left_as_it_is_to_the_bit(engine: Engine):
    slot, start = changed(engine)
    whole = slot.master.clone()
    scale = Scale(start, lambda share: -1.0)
    assert temper(engine, scale, slot, start, None, BOUNDS) == 1.0  # type: ignore[arg-type]
    assert torch.equal(slot.master, whole)
    assert scale.seen == [1.0], "and measured once"


@pytest.mark.parametrize(
    ("apart", "harm", "share"),
    [
        ((0.0, 1.2), (0.0, 0.0), 0.8),
        # What other prompts allow leaves general text too little room: the largest share within both bounds.
        ((0.0, 1.2), (0.06, 0.05), 0.8),
        # Nothing helps: the whole change stands and will be refused.
        ((3.0, 0.0), (0.0, 0.0), 1.0),
        ((math.nan, 0.0), (0.0, 0.0), 1.0),
    ],
)
def test_other_prompts_are_kept_within_their_bound(
    engine: Engine, apart: tuple[float, float], harm: tuple[float, float], share: float
):
    def line(of: tuple[float, float]) -> Callable[[float], float]:
        return lambda share: of[0] + of[1] * share

    slot, start = changed(engine)
    scale = Scale(start, line(harm), apart=line(apart))
    assert temper(engine, scale, slot, start, None, BOUNDS) == share  # type: ignore[arg-type]
    assert torch.allclose(slot.master - start, torch.full_like(start, share), atol=1e-6)


def test_a_figure_that_is_no_number_fits_nowhere(engine: Engine):
    slot, start = changed(engine)
    scale = Scale(start, lambda share: math.nan if share > 0.85 else 0.08)
    assert temper(engine, scale, slot, start, None, BOUNDS) == 0.8  # type: ignore[arg-type]
