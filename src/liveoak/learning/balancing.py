"""Steps in which what is foretold of each world weighs what it gains of doing.

Doing is all that says what to do: reward, imitation, advice, distillation. Its gradient and those of foretelling are
computed apart, compared, and followed together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from liveoak.errors import LearningError
from liveoak.learning.objective import Example
from liveoak.learning.update import Gradient, Step, Stride, Update, descend, gradients_together, mean_losses
from liveoak.signals import Balance, BalanceSettings, Products


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one step may learn."""

    doing: Sequence[Example]
    telling: Mapping[str, Sequence[Example]]
    """By world."""


class Balanced:
    """The steps of one call, on episodes that are dealt out to several of them."""

    def __init__(self, update: Update, settings: BalanceSettings, balances: Mapping[str, Balance]) -> None:
        self._update, self._settings = update, settings
        self.balances = dict(balances)
        """By world, as of now."""
        self._before: Tensor | None = None
        """Doing's gradient in the step before, which was dealt other episodes."""

    def step(self, task: Task, rate: float) -> Step | None:
        """One step; None where nothing has credit and weight.

        Raises:
            LearningError: a loss or gradient is not a number; the weights stay as they were.
        """
        doing = self._gradient(task.doing, rate)
        telling = {world: found for world, own in task.telling.items() if (found := self._gradient(own, rate))}
        if doing is not None:
            for world, told in telling.items():
                self._compare(world, told.flat, doing.flat)
            self._before = doing.flat
        weighed = [(self._weight(world, alone=doing is None), told) for world, told in telling.items()]
        followed = [(1.0, doing)] if doing is not None else []
        followed += [(weight, told) for weight, told in weighed if weight]
        if not followed:
            return None
        whole = Gradient(
            flat=torch.stack([weight * one.flat for weight, one in followed]).sum(0),
            losses=mean_losses(one.losses for one in (doing, *telling.values()) if one is not None),
            credited=sum(one.credited for _, one in followed),
            processed=sum(one.processed for one in (doing, *telling.values()) if one is not None),
        )
        return descend(self._update, whole, rate)

    def weight(self, world: str) -> float:
        """What foretelling weighs there by now."""
        return self._weight(world, alone=False)

    def _weight(self, world: str, *, alone: bool) -> float:
        balance = self.balances.get(world, Balance(settings=self._settings))
        return balance.weight_alone if alone else balance.weight

    def _compare(self, world: str, told: Tensor, done: Tensor) -> None:
        if self._before is None:
            return
        products = Products(
            told_other=float(told @ self._before),
            done_other=float(done @ self._before),
            told_told=float(told @ told),
            done_done=float(done @ done),
        )
        balance = self.balances.get(world, Balance(settings=self._settings))
        self.balances[world] = balance.after(products)

    def _gradient(self, examples: Sequence[Example], rate: float) -> Gradient | None:
        if not any(any(example.credit) for example in examples):
            return None
        found = gradients_together([Stride(update=self._update, examples=examples, rate=rate)])[0]
        if isinstance(found, LearningError):
            raise found
        found.norm()  # before it is compared with others, what has diverged says so
        return found
