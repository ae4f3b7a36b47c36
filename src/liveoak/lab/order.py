"""What an experiment is told, and where experiments are found. Imports none of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from liveoak.config import Settings
from liveoak.errors import NotFound

if TYPE_CHECKING:
    from liveoak.lab.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run of an experiment."""

    settings: Settings
    """The home is not used: an experiment has a home of its own."""
    count: int
    """How many of the experiment's units: seeds from 0 on, or passages from the first on."""
    folder: Path
    """Where results and finished parts go."""
    tell: Callable[[str], None]
    """Told what is under way, a line at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment by name. `module` holds `experiment(order) -> Results`."""

    name: str
    summary: str
    module: str
    unit: Literal["seeds", "passages"]
    """What it is repeated over."""
    count: int
    """How many of them, unless told otherwise."""

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
