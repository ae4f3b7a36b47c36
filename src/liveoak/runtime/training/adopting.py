"""Trained weights become a version: judged in the agent's own home, in the numbers that they are served in."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from liveoak.adapters import Bank, Slot, import_peft, load_snapshot
from liveoak.config import Settings
from liveoak.engine import Decoder, only_team
from liveoak.errors import Conflict
from liveoak.experience import Experience
from liveoak.gate import Chain, Gate, judge
from liveoak.learning.recipe import Recipe
from liveoak.records import Verdict, Version
from liveoak.runtime.device import load_engine
from liveoak.runtime.home import Home
from liveoak.runtime.rights import Rights
from liveoak.runtime.training.made import folder_of, made_of
from liveoak.runtime.training.orders import TrainOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What the gate said, and what is served from now on."""

    version: Version
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Weights that an agent may take over."""

    load: Callable[[Bank], Slot]
    prior: str
    """What they are loaded over."""
    fingerprint: str | None
    """Of the prior that they were trained over; None: nobody told."""
    why: str
    """What the record of what was served when says of them."""


def checkpoint(weights: Path, order: TrainOrder) -> Offer:
    """What a training left in a checkpoint."""
    return Offer(
        load=lambda bank: load_snapshot(bank, weights),
        prior=order.prior,
        fingerprint=order.fingerprint,
        why=f"train {order.world}: {order.model_dump_json()}",
    )


def imported(named: str, prior: str) -> Offer:
    """An adapter that comes with the package (`builtin:NAME`), or that of a PEFT directory, over a prior.

    Raises:
        NotFound: no such adapter.
        StorageError: it was damaged.
    """
    folder = folder_of(named)
    made = made_of(folder)
    told = "" if made is None else f": {made.rounds} rounds of train {made.order.model_dump_json()}"
    return Offer(
        load=lambda bank: import_peft(bank, folder),
        prior=prior,
        fingerprint=None if made is None else made.order.fingerprint,
        why=f"import {named}{told}",
    )


def adopt(
    offer: Offer,
    settings: Settings,
    *,
    author: str,
    clock: Callable[[], float] = time.time,
    on_fetch: Callable[[str, int, int], None] | None = None,
) -> Adopted:
    """Probe the weights of an offer, and serve them to the agent of `settings` if the gate keeps them.

    They are neither tempered nor mixed with what the agent learned: the version is what was trained, to the bit, or the
    same change with the room that a lesson asks for. The record of what was served when says where it came from.

    Raises:
        Conflict: the home is in use, its agent stands on another prior or has learned something, or the weights were
            trained over another prior.
        NotAllowed: the author is no teacher.
        UserError: a PEFT adapter of a kind that cannot be imported.
        StorageError: the weights cannot be read, or the version cannot be written.
    """
    with ExitStack() as stack:
        home = stack.enter_context(closing(Home(settings.home.expanduser())))
        experience = stack.enter_context(Experience(home.database, clock=clock))
        rights = Rights(experience, agent=settings.agent, teachers=settings.teachers)
        rights.need_teacher(author, "give the agent trained weights")
        scheduler = stack.enter_context(only_team(settings.team))
        engine = scheduler.run(lambda: load_engine(settings, scheduler, on_fetch, prior=offer.prior))
        prior = engine.prior
        if offer.fingerprint is not None and offer.fingerprint != prior.fingerprint:
            raise Conflict(
                f"prior {offer.prior!r} has fingerprint {prior.fingerprint[:12]}, and the weights were trained over "
                f"{offer.fingerprint[:12]}: name the prior that they were trained over"
            )
        chain = Chain(
            experience, engine.bank, home.versions, agent=settings.agent, prior=prior.fingerprint, clock=clock
        )
        lesson = Recipe()
        slot = offer.load(engine.bank).roomier(rank=lesson.rank, first=engine.bank.layout.upper(lesson.depth))
        served = chain.current()
        gate = Gate(engine, Decoder(engine, kind="study"), settings.gate, settings.cache)
        verdict = judge(gate.probe(chain.slot(served), slot, (), ()), enabled=settings.gate.enabled)
        if verdict.kept:
            served = chain.adopt(slot, verdict=verdict, why=offer.why)
        return Adopted(version=served, verdict=verdict)


def check_home(settings: Settings, author: str) -> None:
    """Refuse before any work what would be refused after it, as far as it can be known without the prior.

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
