"""From what was asked for to results, plot and report: the server's whole life around one story."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from liveoak.config import Settings
from liveoak.lab.demo.client import Client
from liveoak.lab.demo.document import tell_document
from liveoak.lab.demo.outcome import Outcome
from liveoak.lab.demo.server import Killable, Server
from liveoak.lab.demo.story import Plan, tell_handbook
from liveoak.lab.demo.teller import Teller
from liveoak.lab.machine import Machine, describe_machine
from liveoak.lab.report import write_report
from liveoak.lab.results import Results, new_results, save


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """Where and with what the demonstration plays."""

    settings: Settings
    plan: Plan
    home: Path | None
    """None: a home of its own, removed afterwards."""
    folder: Path
    """Where results, plot and report go."""
    document: tuple[str, str] | None = None
    """Topic and text of a real document; None plays the handbook's story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What is left when the curtain falls."""

    results: Results
    outcome: Outcome
    files: tuple[Path, ...]


def stage(staging: Staging, teller: Teller, *, encore: Callable[[Killable, str, Teller], None] | None = None) -> Ended:
    """Start a server, tell the story, write the files, stop the server. No process and no home of ours is left behind.

    `encore` is played on the same server when the story and its figures are through.

    Raises:
        LiveoakError: the server does not start, or refuses what the story needs.
    """
    with ExitStack() as stack:
        home = staging.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liveoak-demo-")))
        settings = staging.settings.model_copy(update={"home": home})
        server = stack.enter_context(start(settings, teller))
        if staging.document is None:
            outcome = tell_handbook(staging.plan, server, settings.agent, teller)
        else:
            topic, text = staging.document
            outcome = tell_document(topic, text, staging.plan.effort, server, settings.agent, teller)
        with Client(server.url, settings.agent) as client:
            health = client.health()
        ended = _write(staging, outcome, describe_machine(device=health["device"], dtype=health["dtype"]))
        teller.chapter("What it came to")
        teller.figures(outcome.metrics)
        teller.claims(outcome.claims)
        teller.say("written: " + ", ".join(str(file) for file in ended.files))
        if encore is not None:
            encore(server, settings.agent, teller)
    return ended


def _write(staging: Staging, outcome: Outcome, machine: Machine) -> Ended:
    plan, settings = staging.plan, staging.settings
    config = {
        "prior": settings.prior,
        "seed": plan.seed,
        "facts": plan.facts,
        "budget": plan.budget,
        "effort": plan.effort,
        "claims": dict(outcome.claims),
        **outcome.details,
    }
    results = new_results("demo", machine=machine, config=config, metrics=outcome.metrics, arms=outcome.arms)
    files = (save(results, staging.folder), *write_report(results, staging.folder))
    return Ended(results=results, outcome=outcome, files=files)


def start(settings: Settings, teller: Teller) -> Server:
    """A started server, to be used as a context manager."""
    with teller.waiting(f"starting the server with {settings.prior}") as waiting:
        server = Server(settings, on_wait=waiting)
        try:
            server.start()
        except BaseException:
            server.stop()
            raise
    return server
