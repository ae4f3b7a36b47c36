"""What a person or a program reads: results on stdout, everything else on stderr, colour and bars on terminals only."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from liveoak.errors import LiveoakError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

OnFetch = Callable[[str, int, int], None]
"""Told what is fetched, how many bytes of it are there, and how many there will be."""
_PIPE_WIDTH = 160
_NO_BOUND = 10_000
_MIB = 2**20


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str | None = None) -> None:
    """A table; in a pipe it is wide enough not to break its cells and has no colours."""
    _console().print(_table(columns, rows, title))


def print_wide_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of many columns as several, one under the other, so that no cell is broken where the screen has room for
    it beside the first column, which all of them begin with."""
    console = _console()
    start = 1
    while start < len(columns):
        end = start + 1
        while end < len(columns) and _fits(console, _part(columns, rows, start, end + 1)):
            end += 1
        console.print(_part(columns, rows, start, end))
        start = end


def _part(columns: Sequence[str], rows: Sequence[Sequence[str]], start: int, end: int) -> Table:
    return _table((columns[0], *columns[start:end]), [(row[0], *row[start:end]) for row in rows])


def _fits(console: Console, table: Table) -> bool:
    return table.__rich_measure__(console, console.options.update(max_width=_NO_BOUND)).maximum <= console.width


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str | None = None) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False, highlight=False)


def notice(text: str) -> None:
    """A line beside the results."""
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)


def error_object(error: LiveoakError) -> dict[str, Any]:
    return {"code": error_code(type(error)), "message": str(error), "exit_code": error.exit_code}


def error_code(kind: type[LiveoakError]) -> str:
    """`BadLesson` as `bad_lesson`, the name that the HTTP face gives it too."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


@contextlib.contextmanager
def loading(prior: str) -> Generator[OnFetch]:
    """While a prior is loaded: a spinner, and a bar for as long as it is fetched. Gives what moves the bar.

    Elsewhere than on a terminal it is a line for each thing that takes long.
    """
    told = set[str]()

    def line(what: str, done: int, total: int) -> None:
        if what not in told:
            told.add(what)
            notice(f"{what} ({total / _MIB:.0f} MiB)")

    if not sys.stderr.isatty():
        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    waits = Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TimeElapsedColumn()
    fetches = Progress(*columns, console=console, transient=True)
    bars = dict[str, TaskID]()

    def move(what: str, done: int, total: int) -> None:
        if what not in bars:
            waits.stop()
            fetches.start()
            bars[what] = fetches.add_task(what, total=total)
        fetches.update(bars[what], completed=done, total=total)

    waits.add_task(f"loading {prior}", total=None)
    waits.start()
    try:
        yield move
    finally:
        waits.stop()
        fetches.stop()


@contextlib.contextmanager
def bar(text: str) -> Generator[Callable[[str, int, int], None]]:
    """A progress bar on a terminal; gives the function that moves it: (stage, done, total)."""
    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(text, total=None)
        yield lambda stage, done, total: progress.update(
            task, description=f"{text}: {stage}", completed=done, total=total or None
        )
