"""Many cells on several cores: each in a process of one thread, handed on when it is done."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

Cell = TypeVar("Cell")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


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
    jobs: int,
    tell: Callable[[str], None],
) -> Done:
    """Figures of every cell by its name, given to `keep` as soon as they are there.

    `work` is a function that a new process can import. A cell that fails is told of, and the others go on.
    """
    figures: dict[str, Mapping[str, float]] = {}
    failed: dict[str, str] = {}
    if not cells:
        return Done(figures={}, failed=())
    with _processes(min(jobs, len(cells))) as pool:
        under_way: dict[Future[Mapping[str, float]], str] = {
            pool.submit(work, cell): name for name, cell in cells.items()
        }
        for number, future in enumerate(as_completed(under_way), 1):
            name = under_way[future]
            try:
                figures[name] = future.result()
            except Exception as error:  # the border of a cell: its fault must not lose the others
                failed[name] = f"{type(error).__name__}: {error}"
                tell(f"{name} failed: {failed[name]}")
                continue
            keep(name, figures[name])
            tell(f"{name} ({number} of {len(cells)})")
    return Done(
        figures={name: figures[name] for name in cells if name in figures},
        failed=tuple({"part": name, "error": failed[name]} for name in cells if name in failed),
    )


@contextmanager
def _processes(jobs: int) -> Generator[ProcessPoolExecutor]:
    """Processes of one thread each, begun anew, since a copy of one that has run torch may hang."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    pool = ProcessPoolExecutor(max_workers=jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        # Whoever interrupts does not wait for cells that have not begun.
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
