"""Many cells carried out by a crew: each handed on when it is done, and failing alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from liveoak.crew import Crew, Failure

Cell = TypeVar("Cell")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Figures by cell, and why the others have none."""

    figures: Mapping[str, Mapping[str, float]]
    failed: tuple[dict[str, str], ...]
    """`part` and `error` of each."""


def run_cells(
    cells: Mapping[str, Cell],
    work: Callable[[Cell], Mapping[str, float]],
    *,
    keep: Callable[[str, Mapping[str, float]], None],
    crew: Crew,
    tell: Callable[[str], None],
) -> Done:
    """Figures of every cell by its name, given to `keep` as soon as they are there.

    `work` is a function that a new process can import. A cell that fails is told of, and the others go on.

    Raises:
        Unavailable: the crew has lost all its workers.
    """
    names = list(cells)
    figures: dict[str, Mapping[str, float]] = {}
    failed: dict[str, str] = {}
    for ended, (place, result) in enumerate(crew.map(work, list(cells.values())), 1):
        name = names[place]
        if isinstance(result, Failure):
            failed[name] = result.error
            tell(f"{name} failed: {result.error}")
            continue
        figures[name] = result
        keep(name, result)
        tell(f"{name} ({ended} of {len(cells)})")
    return Done(
        figures={name: figures[name] for name in cells if name in figures},
        failed=tuple({"part": name, "error": failed[name]} for name in cells if name in failed),
    )
