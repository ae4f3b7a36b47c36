"""What an experiment is told, and where experiments are found. Imports none of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from liveoak.config import Settings
from liveoak.crew import Hire, Processes
from liveoak.errors import NotFound

if TYPE_CHECKING:
    from liveoak.lab.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run of an experiment."""

    settings: Settings
    """The home is not used: an experiment has a home of its own."""
    count: int
    """How many of the experiment's units: seeds, passages, repeats, or minutes."""
    folder: Path
    """Where results and finished parts go."""
    tell: Callable[[str], None]
    """Told what is under way, a line at a time."""
    first: int = 0
    """The first seed or passage, for work that nobody has looked at yet."""
    quick: bool = False
    """Do next to nothing of everything, to see that it works; experiments that know no such size refuse it."""
    jobs: int | None = None
    """Workers of one thread that live at once, in experiments on lives; None: one a core."""
    hire: Hire = Processes
    """Where they come from: processes of this machine, or a cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment by name. `module` holds `experiment(order) -> Results`."""

    name: str
    summary: str
    module: str
    unit: Literal["seeds", "passages", "repeats", "minutes"]
    """What it is repeated over."""
    count: int
    """How many of them, unless told otherwise."""
    has_quick: bool = False
    """Whether it knows a quick size."""
    has_crew: bool = False
    """Whether it has its work done by a crew, which may be a cluster's."""

    def run(self, order: Order) -> Results:
        found = importlib.import_module(self.module).experiment
        return cast("Callable[[Order], Results]", found)(order)


EXPERIMENTS = (
    Experiment(
        name="handbook",
        summary="recall of an invented handbook: frozen, in context, studied and taught, over effort and size",
        module="liveoak.lab.handbook",
        unit="seeds",
        count=5,
    ),
    Experiment(
        name="recipes",
        summary="ways to study a passage, plain next-token training among them (data of LIVEOAK_DATA)",
        module="liveoak.lab.recipes",
        unit="passages",
        count=20,
    ),
    Experiment(
        name="bits",
        summary="what reward, transition, both, selection and the naive loss make of the same lives, in bits too",
        module="liveoak.lab.lives.bits",
        unit="seeds",
        count=5,
        has_quick=True,
        has_crew=True,
    ),
    Experiment(
        name="learns",
        summary="every way to learn solves a task whose answer is known, and a frozen control does not",
        module="liveoak.lab.lives.learns",
        unit="seeds",
        count=3,
        has_crew=True,
    ),
    Experiment(
        name="prior-or-scratch",
        summary="a game and a text world from expert, mediocre and no demonstrations: where do the curves cross?",
        module="liveoak.lab.lives.prior_or_scratch",
        unit="seeds",
        count=5,
        has_quick=True,
        has_crew=True,
    ),
    Experiment(
        name="stages-or-stream",
        summary="a world model first and reward after, against both at once and an adaptive mix",
        module="liveoak.lab.lives.stages_or_stream",
        unit="seeds",
        count=5,
        has_quick=True,
        has_crew=True,
    ),
    Experiment(
        name="drift",
        summary="a world whose rules change: recovery, forgetting and plasticity, with remedies",
        module="liveoak.lab.lives.drift",
        unit="seeds",
        count=5,
        has_quick=True,
        has_crew=True,
    ),
    Experiment(
        name="ledger",
        summary="does an agent learn what to teach itself, when most of what it reads is of no use and learning costs?",
        module="liveoak.lab.outer.ledger",
        unit="seeds",
        count=5,
        has_quick=True,
        has_crew=True,
    ),
    Experiment(
        name="sequence",
        summary="passages one after another into one agent: what is left of the first? (data of LIVEOAK_DATA)",
        module="liveoak.lab.outer.sequence",
        unit="passages",
        count=8,
    ),
    Experiment(
        name="passages",
        summary="one passage a life, closed book, before and after the outer loop, and ten other ways (LIVEOAK_DATA)",
        module="liveoak.lab.outer.passages",
        unit="passages",
        count=20,
        has_quick=True,
    ),
    Experiment(
        name="book",
        summary="an article of many windows, asked about from beginning to end after the last (data of LIVEOAK_DATA)",
        module="liveoak.lab.outer.book",
        unit="passages",
        count=16,
        has_quick=True,
    ),
    Experiment(
        name="transfer",
        summary="what the outer loop learned in one world, tried in another (data of LIVEOAK_DATA)",
        module="liveoak.lab.outer.transfer",
        unit="seeds",
        count=5,
        has_quick=True,
        has_crew=True,
    ),
    Experiment(
        name="cluster-scaling",
        summary="lives an hour over 1, 2, 4 and more workers, as far as there is room",
        module="liveoak.lab.lives.scaling",
        unit="repeats",
        count=3,
        has_quick=True,
        has_crew=True,
    ),
    Experiment(
        name="bench-engine-cpu",
        summary="the engine on this processor against peft, transformers, TRL, llama.cpp and SEAL's inner loop",
        module="liveoak.lab.bench.engine_cpu",
        unit="repeats",
        count=5,
        has_quick=True,
    ),
    Experiment(
        name="bench-engine-gpu",
        summary="the same on one CUDA device, with more slots and replies",
        module="liveoak.lab.bench.engine_gpu",
        unit="repeats",
        count=5,
        has_quick=True,
    ),
    Experiment(
        name="soak",
        summary="mixed traffic, cancellations and lessons for a while, with memory watched",
        module="liveoak.lab.bench.soak",
        unit="minutes",
        count=30,
        has_quick=True,
    ),
    Experiment(
        name="versions",
        summary="thousands of versions on disk and hundreds in memory: hits, reloads, memory, and what grows with them",
        module="liveoak.lab.bench.versions",
        unit="repeats",
        count=3,
        has_quick=True,
    ),
)


def experiment_named(name: str) -> Experiment:
    """
    Raises:
        NotFound: no such experiment, with the names that there are.
    """
    for experiment in EXPERIMENTS:
        if experiment.name == name:
            return experiment
    names = ", ".join(experiment.name for experiment in EXPERIMENTS)
    raise NotFound(f"no experiment {name!r}; there are: {names}")
