"""A round's work done by a crew: each worker has an engine of its own, and slow weights travel to it.

A stream of lives is a task, and so are a few acts of an optimizer step. Tasks do not depend on how many workers there
are, and what comes of them is put together in their order: a training is the same to the last bit by one worker and by
many, and with losses on the way, on processors that compute alike. It differs in rounding from one without a crew,
where a round's lives share passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from liveoak.adapters import Slot
from liveoak.config import Settings
from liveoak.crew import Crew, Failure, Push, Shared, Weights, average, once
from liveoak.engine import Scheduler
from liveoak.errors import LearningError
from liveoak.learning.objective import Example
from liveoak.learning.outer.credit import Lot
from liveoak.learning.outer.pricing import Account
from liveoak.learning.outer.work import Arm
from liveoak.learning.update import Gradient
from liveoak.runtime.training.orders import TrainOrder
from liveoak.runtime.training.site import Site, anchors_for, engine_for, site_of

PIECE = 8
"""Windows of acts whose gradient is one task."""
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What every task of a training brings along."""

    order: TrainOrder
    settings: Settings


@dataclass(frozen=True, slots=True)
class LifeTask:
    """A stream of training material, to be lived in."""

    given: Given
    stream: int
    crowding: float


@dataclass(frozen=True, slots=True)
class ActsTask:
    """Acts whose gradient is asked for."""

    given: Given
    acts: tuple[Example, ...]
    step: int
    """Each piece of a step is held to the prior at the same places, so that their mean is too."""


@dataclass(frozen=True, slots=True)
class ExamTask:
    """A held-out stream, to be lived in by an arm."""

    given: Given
    arm: Arm
    place: int


class Afar:
    """The work of a training, by a crew."""

    def __init__(self, crew: Crew, order: TrainOrder, settings: Settings) -> None:
        """`order` has the prior's fingerprint, to which workers are held. Each takes the threads that it is granted."""
        self._crew = crew
        self._given = Given(order=order, settings=settings.model_copy(update={"threads": 0}))

    def lots(self, slow: Slot, streams: Sequence[int], crowding: float) -> list[Lot]:
        found = self._each(slow, lived, [LifeTask(self._given, stream, crowding) for stream in streams])
        return [
            Lot(acts=(), exams=None, accounts=(), held=(), failures=(f"stream {stream}: {one.error}",))
            if isinstance(one, Failure)
            else one
            for stream, one in zip(streams, found, strict=True)
        ]

    def gradient(self, slow: Slot, acts: Sequence[Example], step: int) -> Gradient:
        """
        Raises:
            LearningError: a part of it was not computed; without that it would be another one.
        """
        pieces = [
            ActsTask(self._given, tuple(acts[start : start + PIECE]), step) for start in range(0, len(acts), PIECE)
        ]
        found = average(self._crew, pushed, _flat(slow), pieces)
        if found.failed:
            raise LearningError(_told("gradients were not computed", list(found.failed.values()), len(pieces)))
        return Gradient(
            flat=torch.from_numpy(found.gradient).to(slow.master.device),
            losses=dict(found.losses),
            credited=round(found.weight),
            processed=0,
        )

    def accounts(self, slow: Slot, arm: Arm, places: Sequence[int]) -> list[Account]:
        """
        Raises:
            LearningError: a life was not lived, without which arms cannot be compared.
        """
        found = self._each(slow, examined, [ExamTask(self._given, arm, place) for place in places])
        if lost := [one for one in found if isinstance(one, Failure)]:
            raise LearningError(_told("exams were not sat", lost, len(found)))
        return [one for one in found if not isinstance(one, Failure)]

    def _each(self, slow: Slot, work: Callable[[Weights, T], R], tasks: Sequence[T]) -> list[R | Failure]:
        return Shared(self._crew, work).run(_flat(slow), tasks)


def _told(what: str, lost: Sequence[Failure], count: int) -> str:
    return f"{len(lost)} of {count} {what}: {'; '.join(dict.fromkeys(one.error for one in lost))}"


def lived(weights: Weights, task: LifeTask) -> Lot:
    """The lives of one stream, by a worker."""
    site, slow = _at_work(weights, task.given)
    (lot,) = site.here.lots(slow, (task.stream,), task.crowding)
    return lot


def pushed(weights: Weights, task: ActsTask) -> Push:
    """The gradient of some acts, by a worker, times their credited tokens."""
    site, slow = _at_work(weights, task.given)
    found = site.here.gradient(slow, task.acts, task.step)
    return Push(
        gradient=(found.flat * found.credited).cpu().numpy(),
        weight=float(found.credited),
        losses={signal: value * found.credited for signal, value in found.losses.items()},
    )


def examined(weights: Weights, task: ExamTask) -> Account:
    """One life in a held-out stream, by a worker."""
    site, slow = _at_work(weights, task.given)
    (account,) = site.here.accounts(slow, task.arm, (task.place,))
    return account


@dataclass(frozen=True, slots=True, kw_only=True)
class _Station:
    """What a worker keeps from task to task. Its computing thread ends when nobody holds the scheduler."""

    scheduler: Scheduler
    site: Site
    slow: Slot


def _at_work(weights: Weights, given: Given) -> tuple[Site, Slot]:
    """The worker's site, and the slow weights in its slot."""
    key = ("training", given.order.model_dump_json(), given.settings.model_dump_json())
    station: _Station = once(key, lambda: _station(given))
    slow = station.slow

    def take() -> None:
        slow.master.copy_(torch.from_numpy(weights.copy()))
        slow.forget_steps()
        slow.publish()

    station.scheduler.run(take)
    return station.site, slow


def _station(given: Given) -> _Station:
    scheduler = Scheduler(threads=given.settings.team)
    engine = engine_for(given.order, given.settings, scheduler)
    site = site_of(given.order, engine, given.settings, anchors_for(given.order, engine, given.settings))
    slow = scheduler.run(lambda: site.recipe.fresh(engine.bank, engine.tokenizer))
    return _Station(scheduler=scheduler, site=site, slow=slow)


def _flat(slow: Slot) -> Weights:
    return slow.master.cpu().numpy()
