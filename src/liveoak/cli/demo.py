"""`liveoak demo`: a model fails a question, studies, loses its context, answers, survives a kill, is rolled back."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from liveoak.cli.options import Options, takes_options
from liveoak.cli.screen import print_json
from liveoak.errors import LearningError
from liveoak.records import Effort


def register(app: typer.Typer) -> None:
    app.command()(takes_options(demo))


def demo(
    options: Options,
    file: Annotated[str | None, typer.Option(help="Study this document instead of an invented handbook.")] = None,
    seed: Annotated[int, typer.Option(help="Which invented handbook.")] = 0,
    facts: Annotated[int, typer.Option(min=1, max=60, help="Facts in the handbook; each is asked about.")] = 20,
    budget: Annotated[int, typer.Option(min=64, help="Tokens that the truncated context may hold.")] = 512,
    effort: Annotated[Effort, typer.Option(help="How long to study.")] = "high",
    out: Annotated[Path, typer.Option(help="Folder of demo.json, demo.html and demo.png.")] = Path("results"),
) -> None:
    """Watch an agent learn and remember.

    It fails an exam, studies, loses its context and sits the exam again; survives SIGKILL; is rolled back. Plays in a
    home of its own unless --home is given. Exit code 0: it learned; 7: it did not.
    """
    from liveoak.lab import demo as play

    teller = play.Teller(sys.stderr if options.json else sys.stdout)
    staging = play.Staging(
        settings=options.settings(),
        plan=play.Plan(seed=seed, facts=facts, budget=budget, effort=effort),
        home=options.home,
        folder=out,
        document=None if file is None else _document(file),
    )
    # A document's reader wants to ask something too; a program or a pipe does not.
    talks = file is not None and sys.stdin.isatty() and not options.json
    with _leaving_on_sigterm():
        ended = play.stage(staging, teller, encore=play.converse if talks else None)
    if options.json:
        print_json(ended.results.model_dump(mode="json"))
    if not ended.outcome.succeeded:
        raise typer.Exit(LearningError.exit_code)


@contextlib.contextmanager
def _leaving_on_sigterm() -> Generator[None]:
    """SIGTERM as a plain exit, so that the server does not outlive its demonstration."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _document(file: str) -> tuple[str, str]:
    from liveoak.learning import documents

    lesson = documents.lesson_from_document(file)
    return lesson.topic, lesson.source
