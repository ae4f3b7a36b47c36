"""`make bench`: the engine on this machine's processor, against its peers and the machine's ceilings."""

from __future__ import annotations

from dataclasses import replace

from liveoak.lab.bench.decoding import (
    MANY,
    ONE,
    decode_many,
    decode_one,
    decode_plain,
    latency,
    training_speed,
    while_learning,
)
from liveoak.lab.bench.growing import grow
from liveoak.lab.bench.outcome import Row, outcome, run_rows
from liveoak.lab.bench.rig import build, profile
from liveoak.lab.bench.setting import dryness, setup_for
from liveoak.lab.bench.sizes import CPU, quick
from liveoak.lab.bench.soak import soak
from liveoak.lab.bench.training import LESSON, TRAINING, lesson_vs_seal, one_lesson_with_trl, train_many
from liveoak.lab.order import Order
from liveoak.lab.results import Results

NAME = "bench-engine-cpu"
ROWS: dict[str, Row] = {
    "train_8_slots_vs_peft": lambda rig: train_many(rig, "train_8_slots_vs_peft"),
    "TRL": one_lesson_with_trl,
    "lesson_vs_seal": lambda rig: lesson_vs_seal(rig, "lesson_vs_seal", "lesson_loss_over_seal"),
    "decode_1_vs_transformers": lambda rig: decode_one(rig, "decode_1_vs_transformers", "decode_1_of_bandwidth_floor"),
    "decode_8_adapters_vs_peft": lambda rig: decode_many(rig, "decode_8_adapters_vs_peft"),
    "decode_8_no_adapters": decode_plain,
    "decode_latency_while_learning": lambda rig: while_learning(
        rig,
        {"decode_latency_while_learning": latency, "train_speed_while_serving": training_speed},
        replies=1,
    ),
    "profile": profile,
    "growth": grow,
    "soak": soak,
}
"""In this order, so that sides leave as soon as they can."""
WORK_OF = {
    "train_8_slots_vs_peft": TRAINING,
    "lesson_vs_seal": LESSON,
    "decode_1_vs_transformers": ONE,
    "decode_1_of_bandwidth_floor": ONE,
    "decode_8_adapters_vs_peft": MANY,
    "decode_latency_while_learning": TRAINING,
    "train_speed_while_serving": TRAINING,
}


def experiment(order: Order) -> Results:
    """All rows; `count` is how often each is repeated."""
    sizes = quick(CPU) if order.quick else replace(CPU, repeats=order.count)
    with build(setup_for(order, "cpu"), sizes, order.tell) as rig:
        run_rows(rig, ROWS)
        return outcome(rig, NAME, WORK_OF, dry=dryness(order, rig.stand.setup.device))
