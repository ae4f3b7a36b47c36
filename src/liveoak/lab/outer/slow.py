"""Slow weights that the outer loop has taught to be taught, made by the same training that `liveoak train` runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liveoak.lab.order import Order
from liveoak.lab.passages import passages_file
from liveoak.learning.recipe import Recipe

if TYPE_CHECKING:
    from liveoak.runtime.training.orders import TrainOrder


ROUNDS = 14
"""The texts of the training split, once: read again and again, slow weights learn them by heart (docs/log.md)."""
STEPS = 12
"""Of a study, in the outer loop and in what is reported of it: half of what a passage takes at medium effort."""
STUDIED = Recipe()
"""How lessons are studied, before the outer loop and after it: as users' are. Slow weights have the same form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training left."""

    told: dict[str, Any]
    """The orders, for whoever reports of it."""
    weights: Path
    rounds: tuple[dict[str, Any], ...]
    """The lines of its metrics."""

    @property
    def seconds(self) -> float:
        """Of all rounds."""
        return sum(float(line["seconds"]) for line in self.rounds)


def _texts_order(prior: str, file: Path, *, quick: bool) -> TrainOrder:
    """How slow weights are trained on texts with questions. Chosen on the training selection alone."""
    from liveoak.runtime.training.orders import TrainOrder

    return TrainOrder(
        world="texts",
        options={"file": str(file), "questions": "1" if quick else "8"},
        prior=prior,
        streams=1 if quick else 5,
        lives=1,
        decides=False,
        steps=STEPS,
        graded=False,
        exam=1.0,
        rate=3e-3,
        begin=False,
        note_room=64,
        examined=1,
        rank=STUDIED.rank,
        depth=STUDIED.depth,
        activated=STUDIED.activated,
        anchor=STUDIED.anchor_weight,
    )


def trained(order: Order) -> Trained:
    """Weights that texts have taught. A training that broke off goes on, and one that is over is not run again.

    Raises:
        UserError: the texts are not there; and what `open_training` raises.
    """
    train = _texts_order(order.settings.prior, passages_file("train"), quick=order.quick)
    rounds = 1 if order.quick else ROUNDS
    from liveoak.runtime.diary import read_metrics
    from liveoak.runtime.training.training import open_training

    told = json.dumps(train.model_dump(), sort_keys=True)
    folder = order.folder / "parts" / "outer" / hashlib.sha256(told.encode()).hexdigest()[:12]
    with open_training(folder, train, order.settings) as training:
        for line in training.rounds(rounds):
            order.tell(f"outer loop, round {line['rounds']} of {rounds}: reward {line['reward']:.3f}")
        # Where the texts lay is nobody's business: their form and split are the same everywhere.
        return Trained(
            told=train.model_dump() | {"rounds": rounds, "options": {}},
            weights=training.weights,
            rounds=tuple(read_metrics(training.diary.path)),
        )
