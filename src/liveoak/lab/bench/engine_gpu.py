"""`make bench-gpu`: the same code on one CUDA device, with bigger sizes."""

from __future__ import annotations

from dataclasses import replace

import torch

from liveoak.errors import Unavailable
from liveoak.lab.bench.decoding import MANY, decode_with_and_without, throughput, while_learning
from liveoak.lab.bench.growing import grow
from liveoak.lab.bench.outcome import Row, outcome, run_rows
from liveoak.lab.bench.rig import build, profile
from liveoak.lab.bench.setting import dryness, setup_for
from liveoak.lab.bench.sizes import GPU, quick
from liveoak.lab.bench.soak import soak
from liveoak.lab.bench.training import TRAINING, train_many
from liveoak.lab.order import Order
from liveoak.lab.results import Results

NAME = "bench-engine-gpu"
REPLIES_BESIDE = 64
"""Replies under way while a lesson trains."""
ROWS: dict[str, Row] = {
    "train_64_slots_vs_peft": lambda rig: train_many(rig, "train_64_slots_vs_peft", "train_64_slots_mfu"),
    "decode_256_with_adapters_vs_without": lambda rig: decode_with_and_without(
        rig, "decode_256_with_adapters_vs_without"
    ),
    "decode_throughput_while_learning": lambda rig: while_learning(
        rig,
        {"decode_throughput_while_learning": throughput},
        replies=min(REPLIES_BESIDE, rig.sizes.replies),
    ),
    "profile": profile,
    "growth": grow,
    "soak": soak,
}
WORK_OF = {
    "train_64_slots_vs_peft": TRAINING,
    "train_64_slots_mfu": TRAINING,
    "decode_256_with_adapters_vs_without": MANY,
    "decode_throughput_while_learning": TRAINING,
}


def experiment(order: Order) -> Results:
    """All rows of a GPU; a quick run without one is a dry run on the processor.

    Raises:
        Unavailable: there is none.
    """
    if torch.cuda.is_available():
        return rows_on(order, "cuda")
    if order.quick:
        return rows_on(order, "cpu")
    raise Unavailable(
        "no CUDA device is available: run this bench on a machine with one, or `make bench` on this; "
        "--quick shows on a processor that it runs"
    )


def rows_on(order: Order, device: str) -> Results:
    """The rows on any device: on a processor they show that the code works, and nothing about a GPU."""
    sizes = quick(GPU) if order.quick else replace(GPU, repeats=order.count)
    with build(setup_for(order, device), sizes, order.tell) as rig:
        run_rows(rig, ROWS)
        return outcome(rig, NAME, WORK_OF, dry=dryness(order, rig.stand.setup.device, "cuda"))
