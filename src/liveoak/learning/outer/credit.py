"""From lives to what the slow weights learn of them.

Two things carry credit. The acts: each is worth its price and the points of what is asked about it, against the same
act in the other lives of its stream. And the exam: the slow weights are where the fast ones began, so weights under
which the exam would have gone better after the study are a better place to begin (first-order meta-learning: Finn et
al. 2017, Nichol et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.engine import Engine
from liveoak.errors import LearningError
from liveoak.learning.adam import AdamSettings
from liveoak.learning.crediting import credited
from liveoak.learning.lived import by_window
from liveoak.learning.objective import ANCHOR, Example
from liveoak.learning.outer.exam import EXAM, answer_example
from liveoak.learning.outer.life import Cast, Outcome
from liveoak.learning.outer.pricing import Account, Prices
from liveoak.learning.outer.worth import Held, held_of, rewarded
from liveoak.learning.update import Gradient, Stride, Update, gradients_together
from liveoak.signals import RewardSettings, reward

HeldTo = Callable[[Cast], Sequence[Example]]
"""Where the weights that a life ended with are to be the prior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exams:
    """What exams say of the slow weights, summed over lives."""

    gradient: Tensor
    """Of the true answers' loss and of anchors', each by its weight, at the fast weights; float32, laid out as
    `Slot.master`."""
    count: int
    losses: Mapping[str, float]
    """By signal, before weighing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """What came of some streams' lives, wherever they were lived: all lives of a stream are in one lot."""

    acts: tuple[Example, ...]
    """The acts with credit, a window each."""
    exams: Exams | None
    accounts: tuple[Account, ...]
    held: tuple[Held, ...]
    failures: tuple[str, ...]
    """Studies that broke off, and streams without credit."""


def lot_of(
    engine: Engine,
    outcomes: Sequence[Outcome],
    prices: Prices,
    settings: RewardSettings,
    *,
    exams: float,
    decided: bool = True,
    crowding: float = 0.0,
    held: HeldTo | None = None,
    anchor: float = 0.0,
) -> Lot:
    """What these lives say. `exams`: what true answers at their fast weights weigh, 0: those are not asked; `decided`:
    whether acts were chosen; `crowding`: what they pay for what they did to other lessons, as `Crowding.slope`;
    `held`: where the fast weights are to be the prior, of weight `anchor`."""
    streams: dict[int, list[Outcome]] = {}
    for one in outcomes:
        streams.setdefault(one.cast.stream, []).append(one)
    acts: list[Example] = []
    failures = [one.failure for one in outcomes if one.failure is not None]
    for lives in streams.values() if decided else ():
        lived = [rewarded(one, prices, crowding) for one in lives]
        done = reward([one.episode for one in lived], settings)
        failures += [done.silent] if done.silent else []
        for one, credit in zip(lived, done.credits, strict=True):
            example = credited(one.episode.rendered, credit, one.episode.acted)
            acts += map(_trimmed, by_window(one, example)) if example is not None else []
    return Lot(
        acts=tuple(acts),
        exams=_exams(engine, outcomes, held, {EXAM: exams, ANCHOR: anchor}) if exams else None,
        accounts=tuple(one.account for one in outcomes),
        held=tuple(found for one in outcomes if (found := held_of(one, prices)) is not None),
        failures=tuple(failures),
    )


def exams_together(lots: Sequence[Lot]) -> Gradient | None:
    """The mean over all lives that learned; None where none did."""
    found = [lot.exams for lot in lots if lot.exams is not None]
    if not found:
        return None
    count = sum(one.count for one in found)
    # In float64 and in the order given, so that it does not show who computed what.
    total = torch.stack([one.gradient.double() for one in found]).sum(0) / count
    losses = {signal: sum(one.losses[signal] for one in found) / count for signal in found[0].losses}
    return Gradient(flat=total.float(), losses=losses, credited=0, processed=0)


def _trimmed(example: Example) -> Example:
    """Without tokens after which nothing has credit."""
    return replace(example, ids=example.ids[: example.wanted[-1] + 1])


def gradient_of(
    engine: Engine, slot: Slot, acts: Sequence[Example], held: Sequence[Example] = (), anchor: float = 0.0
) -> Gradient:
    """Of the acts' objective at `slot`, whose weights and optimizer are not changed. `held` are anchors, of weight
    `anchor`.

    Raises:
        LearningError: no act has credit.
    """
    examples = sorted([*acts, *held], key=lambda example: example.ids)
    found = _gradients(engine, [(slot, examples)], {ANCHOR: anchor})[0]
    if isinstance(found, LearningError):
        raise found
    return found


def _exams(
    engine: Engine, outcomes: Sequence[Outcome], held: HeldTo | None, alphas: Mapping[str, float]
) -> Exams | None:
    asked: list[tuple[Slot, list[Example]]] = []
    for one in outcomes:
        if one.fast is not None and one.failure is None:
            examples = [*_answers(engine, one), *(held(one.cast) if held is not None else ())]
            asked.append((one.fast, sorted(examples, key=lambda example: example.ids)))
    found = [one for one in _gradients(engine, asked, alphas) if isinstance(one, Gradient)]
    if not found:
        return None
    return Exams(
        gradient=torch.stack([one.flat for one in found]).sum(0),
        count=len(found),
        losses={signal: sum(one.losses[signal] for one in found) for signal in found[0].losses},
    )


def _answers(engine: Engine, one: Outcome) -> list[Example]:
    """The true answers, to be more likely where the study ended, asked as they were in the exam."""
    questions = one.cast.material.questions
    return [answer_example(engine, text, question.answer) for text, question in zip(one.asked, questions, strict=True)]


def _gradients(
    engine: Engine, wanted: Sequence[tuple[Slot, list[Example]]], alphas: Mapping[str, float]
) -> list[Gradient | LearningError]:
    strides = [
        Stride(update=Update(engine, slot, alphas, AdamSettings()), examples=examples, rate=0.0)
        for slot, examples in wanted
    ]
    try:
        return gradients_together(strides)
    finally:
        for slot, _ in wanted:
            slot.freeze()
