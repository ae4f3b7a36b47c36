"""What a person or a program reads: results on stdout, everything else on stderr, colour and bars on terminals only."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Generator, Iterable
from typing import Any

from liveoak.errors import LiveoakError

_PIPE_WIDTH = 160


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str | None = None) -> None:
    """A table; in a pipe it is wide enough not to break its cells and has no colours."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False, highlight=False).print(table)


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
def waiting(text: str) -> Generator[None]:
    """A spinner on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


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
