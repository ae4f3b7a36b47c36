"""SEAL's inner loop, from its description: one line a step, each padded to 2048 tokens, ten epochs.

Source: Self-Adapting Language Models (Zweiger et al. 2025). Rank 32 on the query and value projections, AdamW. Filled
in here: scale 2, no dropout, a rate of 1e-3 that falls linearly, gradients clipped to a norm of 1. Our side gets the
same schedule.
"""

from __future__ import annotations

from liveoak.lab.bench import jobs
from liveoak.lab.bench.peers.lora import Lora

RANK, EPOCHS, RATE, WIDTH = 32, 10, 1e-3, 2048
WAY = "single, f32"


def make(setup: jobs.Setup) -> Lora:
    """The side that trains as SEAL does; the schedule comes with the job."""
    return Lora(setup, targets=["q_proj", "v_proj"])
