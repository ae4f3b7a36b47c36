"""Trained slow weights become a version: judged in the agent's own home, in the numbers that they are served in."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from liveoak.adapters import load_snapshot
from liveoak.config import Settings
from liveoak.engine import Decoder, only_team
from liveoak.errors import Conflict
from liveoak.experience import Experience
from liveoak.gate import Chain, Gate, judge
from liveoak.records import Verdict, Version
from liveoak.runtime.device import load_engine
from liveoak.runtime.home import Home
from liveoak.runtime.rights import Rights
from liveoak.runtime.training.orders import TrainOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What the gate said, and what is served from now on."""

    version: Version
    verdict: Verdict


def adopt(
    weights: Path,
    order: TrainOrder,
    settings: Settings,
    *,
    author: str,
    clock: Callable[[], float] = time.time,
    on_fetch: Callable[[str, int, int], None] | None = None,
) -> Adopted:
    """Probe the weights in a checkpoint, and serve them to the agent of `settings` if the gate keeps them.

    They are neither tempered nor mixed with what the agent learned: the version is what was trained, to the bit. The
    record of what was served when says which training it came from.

    Raises:
        Conflict: the home is in use, or its agent stands on another prior or has learned something.
        NotAllowed: the author is no teacher.
        StorageError: the weights cannot be read, or the version cannot be written.
    """
    with ExitStack() as stack:
        home = stack.enter_context(closing(Home(settings.home.expanduser())))
        experience = stack.enter_context(Experience(home.database, clock=clock))
        rights = Rights(experience, agent=settings.agent, teachers=settings.teachers)
        rights.need_teacher(author, "give the agent trained weights")
        scheduler = stack.enter_context(only_team(settings.team))
        engine = scheduler.run(lambda: load_engine(settings, scheduler, on_fetch, prior=order.prior))
        prior = engine.prior
        if prior.fingerprint != order.fingerprint:
            raise Conflict(
                f"prior {order.prior!r} has fingerprint {prior.fingerprint[:12]}, and the weights were trained over "
                f"{order.fingerprint[:12]}: name the prior that they were trained over"
            )
        chain = Chain(
            experience, engine.bank, home.versions, agent=settings.agent, prior=prior.fingerprint, clock=clock
        )
        slot = load_snapshot(engine.bank, weights)
        served = chain.current()
        gate = Gate(engine, Decoder(engine, kind="study"), settings.gate, settings.cache)
        verdict = judge(gate.probe(chain.slot(served), slot, (), ()), enabled=settings.gate.enabled)
        if verdict.kept:
            served = chain.adopt(slot, verdict=verdict, why=f"train {order.world}: {order.model_dump_json()}")
        return Adopted(version=served, verdict=verdict)


def check_home(settings: Settings, author: str) -> None:
    """Refuse before a training what would be refused after it, as far as it can be known without the prior.

    Raises:
        Conflict: the home is in use, or its agent was taught.
        NotAllowed: the author is no teacher.
    """
    with closing(Home(settings.home.expanduser())) as home, Experience(home.database) as experience:
        rights = Rights(experience, agent=settings.agent, teachers=settings.teachers)
        rights.need_teacher(author, "give the agent trained weights")
        head = experience.head(settings.agent, None)
        if head is not None and experience.version(head).lessons:
            raise Conflict(
                f"agent {settings.agent!r} was taught, and serves version {head!r}, which has learned what trained "
                "weights have not: take another --agent or --home, or go back to the prior with `liveoak versions "
                "rollback`"
            )
