"""The story on the terminal: colours, spinners and bars where there is one, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import IO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from liveoak.lab.exam import Mark, Sheet
from liveoak.lab.report import bound, shown, verdict_of
from liveoak.lab.results import Figure

_PIPE_WIDTH = 120


class Teller:
    """Tells what happens while it happens."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        where: IO[str] = sys.stdout if stream is None else stream
        self._live = where.isatty()
        width = None if self._live else _PIPE_WIDTH
        self._console = Console(file=where, width=width, highlight=False, markup=False, soft_wrap=not self._live)

    def chapter(self, title: str) -> None:
        self._console.print()
        self._console.print(title, style="bold green")

    def say(self, text: str) -> None:
        if self._live:
            # What a narrow terminal breaks stays indented.
            self._console.print(Padding(Text(text), (0, 0, 0, 2), expand=False))
        else:
            self._console.print(f"  {text}")

    @contextlib.contextmanager
    def waiting(self, text: str) -> Generator[Callable[[str], None]]:
        """A spinner with a line of its own; gives the function that changes the line."""
        if not self._live:
            self.say(f"{text} ...")
            yield lambda line: None
            return
        with self._console.status(text) as status:
            yield lambda line: status.update(f"{text} {line[-80:]}")

    @contextlib.contextmanager
    def bar(self, text: str) -> Generator[Callable[[str, int, int], None]]:
        """A progress bar; gives the function that moves it: (stage, done, total)."""
        if not self._live:
            self.say(f"{text} ...")
            yield lambda stage, done, total: None
            return
        columns = TextColumn("  {task.description}"), BarColumn(), TimeElapsedColumn()
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(text, total=None)
            yield lambda stage, done, total: progress.update(
                task, description=f"{text}: {stage}", completed=done, total=total or None
            )

    def exchange(self, mark: Mark) -> None:
        """One question with its reply."""
        self.say(f"? {mark.question}")
        sign, style = ("✓", "green") if mark.right else ("✗", "red")
        self._console.print(f"  {sign} {_one_line(mark.reply)}", style=style, end="")
        self._console.print("" if mark.right else f"   (true: {mark.answer})")

    def score(self, name: str, sheet: Sheet) -> None:
        right = sum(mark.right for mark in sheet.marks)
        cost = f"{sheet.prompt_tokens:.0f} tokens a prompt, {sheet.seconds:.1f} s"
        self.say(f"{name}: {right} of {len(sheet.marks)} right, {cost}")

    def figures(self, metrics: Mapping[str, Figure]) -> None:
        table = Table(box=box.SIMPLE_HEAD)
        for head in ("figure", "value", "unit", "wanted", ""):
            table.add_column(head, justify="right" if head == "value" else "left")
        for key, figure in metrics.items():
            verdict = verdict_of(key, figure.value)
            style = {"met": "green", "missed": "red"}.get(verdict, "")
            table.add_row(key, shown(figure), figure.unit, bound(key), verdict, style=style)
        self._console.print(table)

    def claims(self, claims: Mapping[str, bool]) -> None:
        for claim, holds in claims.items():
            self._console.print(f"  {'✓' if holds else '✗'} {claim}", style="green" if holds else "red")

    def marks(self, sheet: Sheet, places: Sequence[int]) -> None:
        for place in places:
            self.exchange(sheet.marks[place])


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat or "(nothing)"
