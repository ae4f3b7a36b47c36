"""Held-out episodes that somebody else lived, and what they cost under some weights: what the bit meter reads.

Answers are those to somebody who is as often an expert as guessing, so that right and wrong actions are among them;
choices are an expert's. A choice costs what it costs among the possible actions alone, as whoever acts is held to
them: to know that actions are made of letters is no knowledge of the world.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from liveoak.adapters import Slot
from liveoak.engine import Engine
from liveoak.learning.arms import EVERYBODYS
from liveoak.learning.demonstrating import demonstrated
from liveoak.learning.lived import Lived, sequences
from liveoak.learning.scoring import costs
from liveoak.learning.transcript import Layout
from liveoak.records import Origin
from liveoak.runtime.bit_meter import Kind
from liveoak.signals import TransitionSettings, answers
from liveoak.worlds import Choices, World, expert, play, seeds

_AFTER_ANYBODY = TransitionSettings(after=EVERYBODYS).after
_TOGETHER = 8
"""Episodes scored at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An expert's episode. `allowed` are the tokens that were possible, at each place where there was a choice."""

    lived: Lived
    allowed: Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibits:
    """Held-out episodes of one world."""

    answered: tuple[Lived, ...]
    shown: tuple[Shown, ...]


def exhibits(layout: Layout, world: World, count: int, *, window: int, start: int = 0) -> Exhibits:
    """`count` episodes of each sort, on held-out seeds.

    Raises:
        WorldError: the world failed, or knows no expert.
    """
    held_out = seeds("held_out", count, start)
    return Exhibits(
        answered=tuple(demonstrated(layout, world, held_out, skill=0.5, window=window)),
        shown=tuple(
            _shown(layout, world, seed, lived)
            for seed, lived in zip(held_out, demonstrated(layout, world, held_out, window=window), strict=True)
        ),
    )


def nats(engine: Engine, slot: Slot | None, held_out: Exhibits) -> dict[Kind, float]:
    """Loss an episode, by kind."""
    places = [_answers(one) for one in held_out.answered]
    costs_of = costs(engine, slot, held_out.answered, [[place for own in each for place in own] for each in places])
    endings = [sum(cost[place] for place in own[-1]) for own, cost in zip(places, costs_of, strict=True) if own]
    return {
        "answers": math.fsum(math.fsum(cost.values()) for cost in costs_of) / len(costs_of),
        "choices": _choice_nats(engine, slot, held_out.shown) / len(held_out.shown),
        "endings": math.fsum(endings) / len(costs_of),
    }


def _answers(lived: Lived) -> list[tuple[int, ...]]:
    return [tuple(answer.places) for answer in answers(lived.episode.rendered, _AFTER_ANYBODY)]


def _shown(layout: Layout, world: World, seed: int, lived: Lived) -> Shown:
    """The same episode again, to see what was possible at each step."""
    offered: list[tuple[str, ...]] = []

    def looking(world: World, seen: str) -> str:
        offered.append(world.actions() if isinstance(world, Choices) else ())
        return expert(world, seen)

    play(world, seed, looking)
    said = [span for span in lived.episode.rendered.spans if span.origin is Origin.DEMONSTRATED]
    allowed: dict[int, tuple[int, ...]] = {}
    for span, possible in zip(said, offered, strict=True):
        options = [layout.said(action) for action in possible]
        chosen = lived.episode.rendered.ids[span.start : span.end]
        for offset in range(len(chosen)):
            options = [option for option in options if option[:offset] == chosen[:offset]]
            following = {option[offset] for option in options if len(option) > offset}
            if len(following) > 1:
                allowed[span.start + offset] = tuple(sorted(following))
    return Shown(lived=lived, allowed=allowed)


def _choice_nats(engine: Engine, slot: Slot | None, shown: Sequence[Shown]) -> float:
    found = 0.0
    for start in range(0, len(shown), _TOGETHER):
        batch = [
            (one, mine, tokens)
            for one in shown[start : start + _TOGETHER]
            for mine, tokens in sequences(one.lived, sorted(one.allowed))
        ]
        if not batch:
            continue
        routed = [replace(tokens, slot=slot) for _, _, tokens in batch]
        rows = iter(engine.infer(lambda routed=routed: engine.logits(routed).float()))
        for one, mine, _ in batch:
            for place in mine:
                row, options = next(rows), one.allowed[place]
                chosen = options.index(one.lived.episode.rendered.ids[place])
                found -= float(row[list(options)].log_softmax(-1)[chosen])
    return found
