"""Episodes that somebody better lives in the agent's place, to be imitated."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

from liveoak.learning.distilling import looking_back
from liveoak.learning.lived import Lived
from liveoak.learning.transcript import Layout, Transcript
from liveoak.signals import Source
from liveoak.worlds import World, guessing, mediocre, play, scale_of

EXPERT = Source(author="expert", kind="trace")
"""Whoever demonstrates in a world, however well."""


def demonstrated(
    layout: Layout,
    world: World,
    seeds: Iterable[int],
    *,
    skill: float = 1.0,
    chance: int = 0,
    window: int = 1024,
    told: bool = False,
) -> Iterator[Lived]:
    """One episode of each seed. `skill` is how often the expert acts, who else guesses; `chance` seeds the guesses.

    With `told`, somebody who guesses went first, and each episode holds what became of that.

    Raises:
        WorldError: the world failed, or knows no expert.
        UserError: instructions and first observation fill the window.
    """
    for seed in seeds:
        shown = play(world, seed, mediocre(skill, random.Random(f"{chance}/{seed}")))
        transcript = Transcript(layout, world.instructions, shown.opening, window=window)
        sight = 0
        for action, step in shown.deeds:
            transcript.demonstrate(action)
            before, sight = sight, step.info.get("window", 0)
            transcript.observe(step.observation, apart=sight != before, over=step.done)
        lived = transcript.lived(
            f"shown-{world.name}-{seed}",
            world=world.name,
            group=str(seed),
            told=_guessed(world, seed, chance) if told else "",
        )
        yield replace(lived, source=EXPERT)


def _guessed(world: World, seed: int, chance: int) -> str:
    tried = play(world, seed, guessing(random.Random(f"first/{chance}/{seed}")))
    scale = scale_of(world)
    return looking_back([(said, step.reward * scale, step.observation) for said, step in tried.deeds])
