"""Adam on a slot's float32 weights: number by number, or along the axes that each matrix's gradients themselves have.

An adapter's matrices are thin: R numbers one way, hundreds or thousands the other. Across the R of them gradients are
far from equal in all directions, and the axes in which they differ are not those in which the weights happen to be
written. Turned, second moments are kept along the gradients' own axes, and a step is as long along a rare one as
along a common one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

from liveoak.adapters import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamSettings:
    """Source: Adam (Kingma and Ba 2015), with the gradient clipped to a norm of `clip`."""

    beta1: float = 0.9
    beta2: float = 0.99
    epsilon: float = 1e-8
    clip: float = 1.0
    turned: bool = False
    """Whether second moments are kept along the axes of the gradients, across a matrix's ranks. Source: SOAP (Vyas et
    al. 2024), on one side of a matrix, its axes found anew at every step."""


@torch.no_grad()
def step_along(slot: Slot, gradient: Tensor, norm: float, settings: AdamSettings, rate: float) -> None:
    """One step along a gradient of this norm, laid out as `slot.master`. The slot is open, all numbers are finite."""
    flat = gradient * (settings.clip / norm) if norm > settings.clip else gradient
    if settings.turned:
        _turned(slot, flat, settings, rate)
    else:
        _turn_back(slot)
        _plain(slot, flat, settings, rate)
    slot.steps += 1
    slot.publish()


def _plain(slot: Slot, gradient: Tensor, settings: AdamSettings, rate: float) -> None:
    assert slot.first_moment is not None and slot.second_moment is not None
    adam(
        [slot.master],
        [gradient],
        [slot.first_moment],
        [slot.second_moment],
        [],
        [torch.tensor(float(slot.steps), device=slot.master.device)],
        fused=True,
        amsgrad=False,
        beta1=settings.beta1,
        beta2=settings.beta2,
        lr=rate,
        weight_decay=0.0,
        eps=settings.epsilon,
        maximize=False,
    )


def _turned(slot: Slot, gradient: Tensor, settings: AdamSettings, rate: float) -> None:
    assert slot.first_moment is not None and slot.second_moment is not None
    if slot.gram is None:
        # Without gradients the axes are those of the numbers: where plain steps came before, nothing turns.
        slot.gram = slot.master.new_zeros((2 * len(slot.matrices(slot.master)), slot.rank, slot.rank))
    slot.first_moment.lerp_(gradient, 1 - settings.beta1)
    corrections = 1 - settings.beta1 ** (slot.steps + 1), 1 - settings.beta2 ** (slot.steps + 1)
    buffers = gradient, slot.first_moment, slot.second_moment, slot.master
    for places, (news, firsts, seconds, masters) in _alike(slot, *buffers):
        new, first, second = torch.stack(news), torch.stack(firsts), torch.stack(seconds)
        old = slot.gram[places]
        slot.gram[places] = grown = old.lerp(new @ new.mT, 1 - settings.beta2)
        before, after = _axes(old), _axes(grown)
        # What is known along the old axes, as seen along the new ones, as if it were independent along the old.
        second = (after.mT @ before).square() @ second
        second = second.lerp((after.mT @ new).square(), 1 - settings.beta2)
        length = (second / corrections[1]).sqrt() + settings.epsilon
        steps = after @ ((after.mT @ first) / (corrections[0] * length))
        for own, kept, master, step in zip(seconds, second, masters, steps, strict=True):
            own.copy_(kept)
            master.sub_(step, alpha=rate)


def _turn_back(slot: Slot) -> None:
    """Have second moments be those of single numbers again."""
    if slot.gram is None:
        return
    assert slot.second_moment is not None
    for places, (seconds,) in _alike(slot, slot.second_moment):
        for own, kept in zip(seconds, _axes(slot.gram[places]).square() @ torch.stack(seconds), strict=True):
            own.copy_(kept)
    slot.gram = None


def _alike(slot: Slot, *buffers: Tensor) -> Iterator[tuple[list[int], list[list[Tensor]]]]:
    """The slot's matrices, those of one shape together: their places in `gram`, and views (R, width) of each buffer."""
    views = [[matrix for a, b in slot.matrices(buffer) for matrix in (a, b.T)] for buffer in buffers]
    widths = [matrix.shape[1] for matrix in views[0]]
    for width in sorted(set(widths)):
        places = [place for place, own in enumerate(widths) if own == width]
        yield places, [[own[place] for place in places] for own in views]


def _axes(gram: Tensor) -> Tensor:
    """(M, R, R) -> (M, R, R): orthonormal, an axis a column. Of nothing: the numbers' own."""
    return torch.linalg.eigh(gram.double()).eigenvectors.to(gram.dtype)
