"""A soak: mixed traffic, cancellations and lessons for as long as is asked, with memory watched."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Sequence

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine, Request, Ticket
from liveoak.lab.bench.jobs import Soaked, SoakJob
from liveoak.lab.bench.remote import resident
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import Example
from liveoak.learning.update import Update
from liveoak.records import Sampling

AGENTS = 8
"""Slots that replies are given under; each lesson makes one of them anew."""
UNDER_WAY = 6
"""Replies asked for at once."""
CANCELLED = 0.2
"""Share of the replies that are given up, unless they end first."""
PATIENCE = 2.0
"""Seconds within which they are."""
SAMPLES = 240
_STEPS = 3
_RANK = 16


class Soak:
    """Two threads: one asks and cancels, one has lessons trained."""

    def __init__(self, engine: Engine, decoder: Decoder, job: SoakJob, lessons: Sequence[list[Example]]) -> None:
        self._engine, self._decoder, self._job, self._lessons = engine, decoder, job, lessons
        self._slots = [engine.bank.new_slot(rank=_RANK, seed=seed) for seed in range(AGENTS)]
        self._over = threading.Event()
        self._replies = self._cancelled = self._learned = 0
        self._errors: list[str] = []

    def run(self) -> Soaked:
        """For as many minutes as the job says."""
        learner = threading.Thread(target=self._learn)
        learner.start()
        try:
            samples = self._ask()
        finally:
            self._over.set()
            learner.join()
        return Soaked(
            samples=tuple(samples),
            replies=self._replies,
            cancelled=self._cancelled,
            lessons=self._learned,
            errors=len(self._errors),
            first_error=self._errors[0] if self._errors else "",
        )

    def _ask(self) -> list[tuple[float, float]]:
        rng = random.Random(self._job.seed)
        asked: list[tuple[Ticket, float]] = []
        samples: list[tuple[float, float]] = []
        length = self._job.minutes * 60
        began = time.monotonic()
        while (now := time.monotonic() - began) < length:
            if now >= len(samples) * length / SAMPLES:
                samples.append((now, resident()))
            while len(asked) < UNDER_WAY:
                patience = rng.uniform(0, PATIENCE) if rng.random() < CANCELLED else math.inf
                asked.append((self._submit(rng), now + patience))
            for ticket, end in asked:
                ticket.cancelled = ticket.cancelled or now >= end
            asked = [(ticket, end) for ticket, end in asked if not self._settled(ticket)]
            time.sleep(0.01)
        tickets = [ticket for ticket, _ in asked]
        for ticket in tickets:
            ticket.cancelled = True
        self._engine.scheduler.wake()
        for ticket in tickets:
            ticket.done.wait()
        return samples

    def _submit(self, rng: random.Random) -> Ticket:
        prompt = rng.choice(self._job.prompts)
        slot = rng.choice([None, *self._slots])
        sampling = Sampling(temperature=0.8, seed=rng.getrandbits(32), max_tokens=rng.randint(4, 96))
        ticket = self._decoder.submit(Request(ids=prompt, slot=slot, sampling=sampling))
        self._engine.scheduler.wake()
        return ticket

    def _settled(self, ticket: Ticket) -> bool:
        if not ticket.done.is_set():
            return False
        if ticket.error is not None:
            self._errors.append(repr(ticket.error))
        elif ticket.completion is not None and ticket.completion.finish == "cancelled":
            self._cancelled += 1
        else:
            self._replies += 1
        return True

    def _learn(self) -> None:
        rng = random.Random(self._job.seed + 1)
        while not self._over.is_set():
            place = rng.randrange(AGENTS)
            try:
                self._slots[place] = self._taught(self._slots[place], rng.choice(self._lessons))
                self._learned += 1
            except Exception as error:  # the border of the thread: counted, and shown with the figures
                self._errors.append(repr(error))
                time.sleep(0.1)

    def _taught(self, slot: Slot, lesson: list[Example]) -> Slot:
        candidate = slot.fork()
        update = Update(self._engine, candidate, {}, AdamSettings())
        for _ in range(_STEPS):
            update.step(lesson, 1e-4)
        candidate.freeze()
        return candidate


def growth(samples: Sequence[tuple[float, float]]) -> float | None:
    """Median memory in the last third over that in the middle third, minus 1. None with fewer than 6 samples."""
    held = [mib for _, mib in samples]
    third = len(held) // 3
    if third < 2:
        return None
    middle, last = sorted(held[third : 2 * third]), sorted(held[2 * third :])
    return last[len(last) // 2] / middle[len(middle) // 2] - 1
