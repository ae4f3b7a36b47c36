"""What imitating each source would gain, measured on rewards without living by it.

Rewards of two rounds differ by chance far more than one update can move them, and one update imitates everybody at
once. So each source is tried apart: a copy of the agent takes one step towards what it showed, and the agent's own
rewarded actions, which everybody is tried on, tell whether that made the better ones likelier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from liveoak.adapters import Slot
from liveoak.engine import Engine
from liveoak.learning.lived import Lived
from liveoak.learning.objective import Example
from liveoak.learning.scoring import costs
from liveoak.learning.update import Update
from liveoak.records import Credit
from liveoak.signals import Source

DOUBT = 16
"""How many rewarded episodes the expectation that imitating anybody gains nothing counts as."""


def gains(
    update: Update,
    shown: Mapping[Source, Sequence[Example]],
    lived: Sequence[Lived],
    advantages: Sequence[Credit],
    rate: float,
) -> dict[Source, float]:
    """By source, from -1 to 1, what imitating it gains; none where rewards tell nothing. The slot of `update` stays as
    it is.

    To first order, a step that moves the log-probability of each turn by d moves the expected return by the mean of
    A d, with A the advantage. What is given is their correlation, which has no scale, so that sources can be compared.

    Raises:
        LearningError: a step diverged.
    """
    judged = [
        (one, credit)
        for one, credit in zip(lived, advantages, strict=True)
        if one.episode.rewarded and one.episode.acted
    ]
    worths = [credit.weights[turn.places[0]] for one, credit in judged for turn in one.episode.acted]
    if not shown or _spread(worths) == 0:
        return {}
    engine, episodes = update.engine, [one for one, _ in judged]
    before = _turns(engine, update.slot, episodes)
    found: dict[Source, float] = {}
    for source, examples in shown.items():
        if not examples:
            continue
        pupil = engine.run(update.slot.fork)
        pupil.forget_steps()
        Update(engine, pupil, {}, update.adam).step(sorted(examples, key=lambda one: one.ids), rate)
        shifts = [now - was for now, was in zip(_turns(engine, pupil, episodes), before, strict=True)]
        if _spread(shifts):
            found[source] = agreement(worths, shifts, len(judged))
    return found


def heeding(lived: Sequence[Lived], advantages: Sequence[Credit]) -> float | None:
    """From -1 to 1, how much better turns fared that did what the world's answers named than those that did not.

    None where all did, or none, or rewards tell nothing.
    """
    turns = [
        (credit.weights[turn.places[0]], float(turn.heeded))
        for one, credit in zip(lived, advantages, strict=True)
        for turn in one.episode.acted
        if one.episode.rewarded and turn.heeded is not None
    ]
    worths, heeded = [worth for worth, _ in turns], [did for _, did in turns]
    if not (_spread(worths) and _spread(heeded)):
        return None
    return agreement(worths, heeded, sum(any(t.heeded is not None for t in one.episode.acted) for one in lived))


def agreement(worths: Sequence[float], shifts: Sequence[float], episodes: int) -> float:
    """The correlation of what turns were worth with what became of their log-probability, by so many episodes.

    Of few episodes little is believed. What all turns have in common tells nothing: imitation draws probability from
    everything that was not shown, good or bad.
    """
    middle, centre = (sum(values) / len(values) for values in (worths, shifts))
    together = sum((worth - middle) * (shift - centre) for worth, shift in zip(worths, shifts, strict=True))
    return together / (_spread(worths) * _spread(shifts)) * episodes / (episodes + DOUBT)


def _spread(values: Sequence[float]) -> float:
    """The length of what is left of the values without their mean."""
    middle = sum(values) / len(values) if values else 0.0
    return math.sqrt(sum((value - middle) ** 2 for value in values))


def _turns(engine: Engine, slot: Slot, lived: Sequence[Lived]) -> list[float]:
    """The log-probability of each turn."""
    found = costs(engine, slot, lived, [one.episode.places for one in lived])
    return [
        -sum(own[place] for place in turn.places if place in own)
        for one, own in zip(lived, found, strict=True)
        for turn in one.episode.acted
    ]
