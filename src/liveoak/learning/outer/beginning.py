"""Where an outer loop begins from a prior that knows nothing: it imitates somebody mediocre, and the form of exams.

Whoever is imitated acts at random most of the time, and answers at random where an answer cannot be known. Only answers
that stand in the notes before a question are true ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from liveoak.adapters import Slot
from liveoak.learning.adam import AdamSettings
from liveoak.learning.crediting import credited
from liveoak.learning.lived import Lived, by_window
from liveoak.learning.objective import Example
from liveoak.learning.outer.exam import answer_example
from liveoak.learning.outer.life import Cast, Lives
from liveoak.learning.outer.policies import mediocre
from liveoak.learning.outer.tools import Notes
from liveoak.learning.update import Update
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
    noted: int = 3
    """Questions of each step whose answers stand in the notes before them."""
    rate: float = 2e-3
    """Highest learning rate; it falls to 0."""
    first: int = 1_000_000
    """The stream that it begins at: far from those that are lived."""


def begin(
    lives: Lives, slow: Slot, material: Callable[[int], Material], settings: BeginningSettings, *, seed: int = 0
) -> None:
    """Imitate what is shown, into `slow`.

    Raises:
        LearningError: a step diverged.
    """
    update = Update(lives.engine, slow, {}, AdamSettings())
    rng = random.Random(f"beginning/{seed}")
    for step in range(settings.steps):
        start = settings.first + (settings.lives + 1) * step
        cast = [
            Cast(stream=one, number=seed, material=material(seed_of("train", one)))
            for one in range(start, start + settings.lives)
        ]
        examples = [example for lived in lives.shown(cast, mediocre(settings.skill)) for example in _acts(lived)]
        examples += _exam(lives, material(seed_of("train", start + settings.lives)), settings.noted, rng)
        update.step(sorted(examples, key=lambda one: one.ids), settings.rate * (1 - step / settings.steps))
    slow.freeze()
    slow.forget_steps()


def _acts(lived: Lived) -> list[Example]:
    example = credited(lived.episode.rendered, imitation(lived.episode.rendered))
    return by_window(lived, example) if example is not None else []


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
