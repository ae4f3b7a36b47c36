"""Where an outer loop begins from a prior that does not know how acts are written: it imitates somebody mediocre.

Whoever is imitated acts at random most of the time. A prior that knows nothing at all is shown the form of exams too:
answers at random where an answer cannot be known, so that only those that stand in the notes before a question are
true.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from liveoak.adapters import Slot
from liveoak.engine import Engine
from liveoak.learning.adam import AdamSettings
from liveoak.learning.anchoring import Anchors
from liveoak.learning.crediting import credited
from liveoak.learning.general import as_prior
from liveoak.learning.lived import Lived, by_window, sequences
from liveoak.learning.objective import ANCHOR, Example
from liveoak.learning.outer.exam import answer_example
from liveoak.learning.outer.life import Cast, Lives
from liveoak.learning.outer.policies import mediocre
from liveoak.learning.outer.tools import Notes
from liveoak.learning.update import Update
from liveoak.records import Origin
from liveoak.signals import imitation
from liveoak.worlds import Material, seed_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginningSettings:
    """How much is shown."""

    steps: int = 60
    skill: float = 0.0
    """How often whoever shows acts knows what the exam asks about; else the act is a random one."""
    lives: int = 2
    """Lives whose acts are shown in each step."""
    opening: float = 1.0
    """Credit of the first token of each act, where that of others is 1: long acts are told apart by it."""
    exams: bool = True
    """Whether the form of exams is shown; it would teach a prior that can answer to answer at random."""
    noted: int = 3
    """Questions of each step whose answers stand in the notes before them."""
    rate: float = 2e-3
    """Highest learning rate; it falls to 0."""
    anchor: float = 0.0
    """Weight of staying the prior where it is held."""
    first: int = 1_000_000
    """The stream that it begins at: far from those that are lived."""


def begin(
    lives: Lives,
    slow: Slot,
    material: Callable[[int], Material],
    settings: BeginningSettings,
    *,
    anchors: Anchors | None = None,
    seed: int = 0,
) -> None:
    """Imitate what is shown, into `slow`, which stays the prior where `anchors` hold it.

    Raises:
        LearningError: a step diverged.
    """
    update = Update(lives.engine, slow, {ANCHOR: settings.anchor}, AdamSettings())
    rng = random.Random(f"beginning/{seed}")
    for step in range(settings.steps):
        start = settings.first + (settings.lives + 1) * step
        cast = [
            Cast(stream=one, number=seed, material=material(seed_of("train", one)))
            for one in range(start, start + settings.lives)
        ]
        shown = lives.shown(cast, mediocre(settings.skill))
        examples = [example for lived in shown for example in _acts(lives.engine, lived, settings.opening)]
        if settings.exams:
            examples += _exam(lives, material(seed_of("train", start + settings.lives)), settings.noted, rng)
        if settings.anchor and anchors is not None:
            examples += anchors.examples(examples, step)
        update.step(sorted(examples, key=lambda one: one.ids), settings.rate * (1 - step / settings.steps))
    slow.freeze()
    slow.forget_steps()


def _acts(engine: Engine, lived: Lived, opening: float) -> list[Example]:
    """What was demonstrated, and where the prior was left to speak, how it does: all that it could have said, and not
    one reply by chance."""
    rendered = lived.episode.rendered
    credit = imitation(rendered)
    first = {span.start for span in rendered.spans if span.origin is Origin.DEMONSTRATED}
    weights = tuple(opening * one if place in first else one for place, one in enumerate(credit.weights))
    example = credited(rendered, replace(credit, weights=weights))
    shown = by_window(lived, example) if example is not None else []
    spoken = [as_prior(engine, tokens.ids, tokens.wanted) for _, tokens in sequences(lived, lived.episode.places)]
    return [*shown, *(replace(one, signal=credit.signal, credit=(opening,) * len(one.wanted)) for one in spoken)]


def _exam(lives: Lives, made: Material, noted: int, rng: random.Random) -> list[Example]:
    examples = [
        answer_example(lives.engine, question.text, rng.choice(question.choices or (question.answer,)))
        for question in made.questions
    ]
    entries = [entry for page in made.parts for entry in page if entry.taught is not None]
    chosen = rng.sample(entries, min(noted, len(entries)))
    notes = Notes(len(chosen))
    for entry in chosen:
        notes.take(entry.text, 1)
    for entry in chosen:
        assert entry.taught is not None
        examples.append(answer_example(lives.engine, notes.before(entry.taught.prompt), entry.taught.reply))
    return examples
