"""What keeps an adapter able to learn in a long stream: all of it is drawn a little nearer to a fresh one, or the
parts of it that do least are drawn anew.

Source: Dohare et al. 2024 ("Loss of plasticity in deep continual learning"), which compares the two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.engine import Engine


def soften(engine: Engine, slot: Slot, keep: float, *, seed: int) -> None:
    """Shrink what was learned to `keep` of itself and mix in a fresh adapter.

    Source: shrink and perturb (Ash and Adams 2020).
    """

    def work() -> None:
        fresh = engine.bank.new_slot(rank=slot.rank, seed=seed)
        with torch.no_grad():
            slot.master.mul_(keep).add_(fresh.master, alpha=1 - keep)
        slot.publish()

    engine.run(work)


def utilities(slot: Slot) -> Tensor:
    """(M, R): of each matrix that the slot changes, how much each of its R directions can add.

    Direction r adds b_r (a_r · x) to a layer: at most |b_r| |a_r| for an x of length one. Source: the contribution
    utility of continual backprop, without its running mean of activations, which no pass of an adapter keeps.
    """
    return torch.stack([a.norm(dim=1) * b.norm(dim=0) for a, b in slot.matrices(slot.master)])


class Renewal:
    """Draws directions of a slot anew, round by round: those of least utility, of those that had time to become useful.

    A new direction adds nothing until it has learned, as in a fresh adapter, and its optimizer state begins anew.

    Source: continual backprop (Dohare et al. 2024), on the directions of an adapter in place of a network's units.
    """

    def __init__(self, engine: Engine, slot: Slot, share: float, *, mature: int = 10, seed: int = 0) -> None:
        """`share` of a matrix's mature directions are replaced a round, on average; a direction is mature after
        `mature` rounds.

        Raises:
            ValueError: a share that is none, or second moments that are along no single direction.
        """
        if not 0 < share <= 1 or mature < 0:
            raise ValueError(f"share {share!r} and mature {mature!r}: expected 0 < share <= 1 and mature >= 0")
        if slot.gram is not None:
            raise ValueError("a slot of turned steps keeps second moments along several directions: take plain steps")
        self._engine, self._slot, self._share, self._mature = engine, slot, share, mature
        self._chance = torch.Generator().manual_seed(seed)
        self._ages = torch.zeros(len(slot.matrices(slot.master)), slot.rank, dtype=torch.long)
        self._owed = torch.zeros(len(self._ages))
        """Replacements that are due, by matrix; whole ones are made."""

    def after_round(self) -> int:
        """How many directions were drawn anew."""
        return self._engine.run(self._renew)

    @torch.no_grad()
    def _renew(self) -> int:
        self._ages += 1
        grown = self._ages > self._mature
        self._owed += self._share * grown.sum(1)
        worth = utilities(self._slot).cpu().masked_fill(~grown, torch.inf)
        due = [
            (matrix, int(direction))
            for matrix, count in enumerate(self._owed.floor().int().tolist())
            for direction in worth[matrix].argsort()[:count]
        ]
        for matrix, direction in due:
            self._draw(matrix, direction)
            self._ages[matrix, direction] = 0
            self._owed[matrix] -= 1
        if due:
            self._slot.publish()
        return len(due)

    def _draw(self, matrix: int, direction: int) -> None:
        slot = self._slot
        a, b = slot.matrices(slot.master)[matrix]
        bound = a.shape[1] ** -0.5
        a[direction] = torch.empty(a.shape[1]).uniform_(-bound, bound, generator=self._chance)
        b[:, direction] = 0
        for moment in (slot.first_moment, slot.second_moment):
            if moment is not None:
                ours, theirs = slot.matrices(moment)[matrix]
                ours[direction], theirs[:, direction] = 0, 0
