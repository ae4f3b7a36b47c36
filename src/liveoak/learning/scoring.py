"""What tokens cost under some weights, measured without learning from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from liveoak.adapters import Slot
from liveoak.engine import Engine, portioned
from liveoak.engine import Sequence as Tokens
from liveoak.learning.arms import EVERYBODYS
from liveoak.learning.lived import Lived, sequences
from liveoak.records import Origin
from liveoak.signals import TransitionSettings, wanted
from liveoak.signals.episode import places_of

TOGETHER = 1024
"""Tokens run at once."""
Run = tuple[int, tuple[int, ...], Tokens]
"""An episode's number, places of it, and the tokens whose logits predict those."""
_ANYBODYS = TransitionSettings(after=EVERYBODYS)


def costs(
    engine: Engine, slot: Slot | None, lived: Sequence[Lived], places: Sequence[Sequence[int]]
) -> list[dict[int, float]]:
    """For each episode, -log p in nats of the tokens at its `places`, under the weights of `slot`."""
    found: list[dict[int, float]] = [{} for _ in lived]
    for batch in together(lived, places):
        _score(engine, slot, lived, batch, found)
    return found


def together(lived: Sequence[Lived], places: Sequence[Sequence[int]]) -> Iterator[list[Run]]:
    """What is to be run so that the tokens at each episode's `places` are predicted, in portions to be run at once."""
    runs = (
        (number, mine, tokens)
        for number, (one, own) in enumerate(zip(lived, places, strict=True))
        for mine, tokens in sequences(one, own)
    )
    return portioned(runs, TOGETHER, lambda run: len(run[2].ids))


def answer_loss(engine: Engine, slot: Slot | None, lived: Sequence[Lived]) -> float | None:
    """Nats per observed token that follows an action, whoever acted: how badly the world is known. None: no such."""
    return _mean(costs(engine, slot, lived, [_answers(one) for one in lived]))


def demonstration_loss(engine: Engine, slot: Slot | None, lived: Sequence[Lived]) -> float | None:
    """Nats per demonstrated token: how far the agent is from whoever showed it. None: nothing was shown."""
    return _mean(demonstration_costs(engine, slot, lived))


def demonstration_costs(engine: Engine, slot: Slot | None, lived: Sequence[Lived]) -> list[dict[int, float]]:
    """For each episode, -log p in nats of its demonstrated tokens, under the weights of `slot`."""
    shown = [tuple(places_of(one.episode.rendered, Origin.DEMONSTRATED)) for one in lived]
    return costs(engine, slot, lived, shown)


def _answers(lived: Lived) -> tuple[int, ...]:
    return wanted(lived.episode.rendered, _ANYBODYS)


def _mean(found: Sequence[dict[int, float]]) -> float | None:
    values = [value for one in found for value in one.values()]
    return sum(values) / len(values) if values else None


def _score(
    engine: Engine,
    slot: Slot | None,
    lived: Sequence[Lived],
    batch: Sequence[Run],
    found: list[dict[int, float]],
) -> None:
    targets = torch.tensor(
        [[lived[number].episode.rendered.ids[place]] for number, mine, _ in batch for place in mine],
        device=engine.device,
    )
    routed = [replace(tokens, slot=slot) for _, _, tokens in batch]
    logs = engine.infer(lambda: engine.logits(routed).log_softmax(-1).gather(1, targets).squeeze(1))
    values: list[float] = (-logs).tolist()
    start = 0
    for number, mine, _ in batch:
        found[number].update(zip(mine, values[start : start + len(mine)], strict=True))
        start += len(mine)
