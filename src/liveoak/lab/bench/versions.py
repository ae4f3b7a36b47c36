"""Thousands of versions on disk, hundreds in memory: what a request pays, what is held, and what grows with them.

An experiment, over the prior without weights: adapters of a larger one would fill the disk to show the same.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import torch

from liveoak.adapters import Slot
from liveoak.config import Settings
from liveoak.engine import Engine, only_team
from liveoak.experience import Experience, new_id
from liveoak.gate import Chain
from liveoak.lab.bench.ledger import Ledger
from liveoak.lab.bench.setting import dryness
from liveoak.lab.bench.visiting import ANSWER, Visits, asked, timed
from liveoak.lab.machine import describe_machine
from liveoak.lab.order import Order
from liveoak.lab.results import Results, new_results
from liveoak.learning.recipe import Recipe
from liveoak.records import Lesson, Proof, Verdict, Version
from liveoak.runtime import Home, Runtime
from liveoak.runtime.device import load_engine

_KEPT = Verdict(kept=True, reasons=(), probes=())
_TRIES = 9
"""Times that what may grow with the versions is timed; the median counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    counts: tuple[int, ...] = (100, 500, 2000)
    """Versions, each made from the one before, at which what may grow with their number is timed."""
    in_memory: int = 300
    """About as many as there is room for: whole MiB are."""
    visits: Visits = field(default_factory=Visits)


_QUICK = Sizes(counts=(4, 12), in_memory=5, visits=Visits(requests=20, checked=2, flying=300))


def experiment(order: Order) -> Results:
    """`liveoak lab run versions --repeats 3`."""
    sizes, ledger = _QUICK if order.quick else Sizes(), Ledger()
    with tempfile.TemporaryDirectory(prefix="liveoak-versions-") as folder:
        settings = order.settings.model_copy(update={"home": Path(folder) / "home", "prior": "scratch"})
        bytes_each = 0
        for count in sizes.counts:
            order.tell(f"{count} versions")
            kept, bytes_each = _fill(settings, count)
            ledger.arm(f"{count} versions", {"keep_ms": [median(kept)], **_growing(settings)})
        room = -(-sizes.in_memory * bytes_each // 2**20)
        with Runtime(settings.model_copy(update={"adapter_memory_mib": room})) as runtime:
            sizes.visits.make(runtime, ledger, order.count, order.tell)
            health = runtime.health()
    dry = dryness(order, health["device"])
    return new_results(
        "versions",
        machine=describe_machine(device=health["device"], dtype=health["dtype"]),
        config={
            **({"dry_run": dry} if dry else {}),
            "prior": settings.prior,
            "sizes": asdict(sizes),
            "adapter_bytes": bytes_each,
            "adapter_memory_mib": room,
            **ledger.notes,
        },
        metrics=ledger.metrics,
        arms=ledger.arms,
    )


def _fill(settings: Settings, count: int) -> tuple[list[float], int]:
    """Have `count` versions; gives the ms that keeping each of the last ones took, and the bytes of one in memory."""
    with (
        closing(Home(settings.home)) as home,
        Experience(home.database) as experience,
        only_team(settings.team) as scheduler,
    ):
        engine = scheduler.run(lambda: load_engine(settings, scheduler))
        chain = Chain(
            experience,
            engine.bank,
            home.versions,
            agent=settings.agent,
            prior=engine.prior.fingerprint,
            clock=time.time,
            room=0,
        )
        kept, bytes_each, parent = list[float](), 0, chain.current()
        for number in range(len(experience.versions(settings.agent)), count):
            lesson = Lesson(id=new_id("lesson"), topic=f"lesson {number}", statements=(ANSWER,))
            experience.add_lesson(lesson, session=None, author="local", created=time.time())
            slot = _drawn(engine, number)
            keep = partial(chain.keep, slot, parent, session=None, lesson=lesson.id, verdict=_KEPT)
            took, version = timed(keep)
            experience.finish_lesson(lesson.id, _proof(lesson, version))
            kept, bytes_each, parent = [*kept, took][-_TRIES:], slot.weights.nbytes, version
        return kept, bytes_each


def _drawn(engine: Engine, seed: int) -> Slot:
    """Weights that say something of their own, with an optimizer's state as a lesson leaves one."""
    slot = Recipe().fresh(engine.bank, engine.tokenizer)
    slot.train()
    slot.freeze()
    generator = torch.Generator().manual_seed(seed)
    slot.master.copy_(0.1 * torch.randn(slot.master.shape, generator=generator))
    slot.publish()
    return slot


def _proof(lesson: Lesson, version: Version) -> Proof:
    return Proof(
        lesson=lesson.id,
        topic=lesson.topic,
        version=version.id,
        parent=str(version.parent),
        questions_trained=0,
        tokens_trained=0,
        tokens_processed=0,
        steps=0,
        loss_before=0.0,
        loss_after=0.0,
        recall_before=0.0,
        recall_after=0.0,
        recall_n=0,
        retention_nats=0.0,
        kl_prior=0.0,
        seconds=0.0,
        verdict=_KEPT,
    )


def _growing(settings: Settings) -> dict[str, list[float]]:
    """What opening the home, a request without a pin, listing and promoting take."""
    opened, runtime = timed(lambda: Runtime(settings))
    with runtime:
        line = runtime.versions()
        ways: dict[str, Callable[[], object]] = {
            "ask_ms": partial(runtime.ask, asked(settings.agent, tokens=1)),
            "list_versions_ms": runtime.versions,
            "promote_ms": partial(runtime.promote, line[-1].id),
        }
        return {
            "open_seconds": [opened / 1000],
            **{key: [median(timed(way)[0] for _ in range(_TRIES))] for key, way in ways.items()},
        }
