"""Sides for tests of the bench: made in a process of their own by `module:Class`, as the real ones are."""

from __future__ import annotations

import os
import sys
import time

from liveoak.errors import Unavailable
from liveoak.lab.bench import jobs


class Loud:
    """Answers, and prints as libraries do."""

    def __init__(self, setup: jobs.Setup) -> None:
        self._setup = setup
        print("a line that is no answer", flush=True)

    def decode(self, job: jobs.DecodeJob) -> jobs.Decoded:
        print("another", file=sys.stderr, flush=True)
        return jobs.Decoded(times=tuple(tuple(0.5 * (n + 1) for n in range(job.tokens)) for _ in job.prompts))

    def train(self, job: jobs.TrainJob) -> jobs.Trained:
        if job.rank == 1:
            raise Unavailable("rank 1 is not for me")
        if job.rank == 2:
            print("out of cheese", file=sys.stderr, flush=True)
            os._exit(3)
        if job.rank == 3:
            time.sleep(60)
        held = bytearray(64 * 2**20) if job.rank == 4 else bytearray(8)
        held[::4096] = b"x" * len(held[::4096])
        return jobs.Trained(seconds=float(os.environ["OMP_NUM_THREADS"]))


class Absent:
    """Cannot be made."""

    def __init__(self, setup: jobs.Setup) -> None:
        raise Unavailable(f"no side with prior {setup.prior!r}")
