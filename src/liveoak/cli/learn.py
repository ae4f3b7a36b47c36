"""`liveoak learn`: teach the agent documents."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Annotated, Any

import typer

from liveoak.cli.connection import connect
from liveoak.cli.options import Options, takes_options
from liveoak.cli.proofs import print_proof, proof_as_json
from liveoak.cli.screen import bar, error_object, notice, print_json
from liveoak.errors import LearningError, LiveoakError
from liveoak.records import Effort, Lesson


def register(app: typer.Typer) -> None:
    app.command()(takes_options(learn))


def learn(
    options: Options,
    files: Annotated[
        list[str], typer.Argument(help="Text, Markdown, HTML or PDF files; - reads standard input.", metavar="FILE...")
    ],
    effort: Annotated[Effort, typer.Option(help="How long to study.")] = "medium",
    topic: Annotated[
        str | None, typer.Option(help="What it is about; else the first heading or the file's name.")
    ] = None,
    session: Annotated[str | None, typer.Option(help="Teach this session only, instead of the agent.")] = None,
) -> None:
    """Teach the agent documents.

    It studies each one, and the gate keeps or refuses what came of it.
    Exit code 0: all kept; 7: one was refused or could not be learned.
    """
    began = time.perf_counter()
    lessons = [(file, _lesson(file, effort, topic)) for file in files]
    told: list[dict[str, Any]] = []
    code = 0
    with connect(options) as connection:
        for file, lesson in lessons:
            try:
                with bar(file) as progress:
                    proof = connection.learn(lesson, session=session, on_progress=progress)
            except LiveoakError as error:
                # The lessons before it are learned and stay so: tell of them and go on.
                code = code or error.exit_code
                told.append({"file": file, "error": error_object(error)})
                notice(f"error: {file}: {error}")
                continue
            code = code or (0 if proof.verdict.kept else LearningError.exit_code)
            told.append({"file": file, "proof": proof_as_json(proof)})
            if not options.json:
                print_proof(proof)
    seconds = time.perf_counter() - began
    if options.json:
        print_json({"lessons": told, "seconds": seconds})
    else:
        print(f"{seconds:.1f} s in all, with loading", flush=True)
    if code:
        raise typer.Exit(code)


def _lesson(file: str, effort: Effort, topic: str | None) -> Lesson:
    from liveoak.learning import documents

    if file != "-":
        return documents.lesson_from_document(file, effort, topic)
    text = documents.document_text(sys.stdin.buffer.read(), "standard input")
    lesson = documents.lesson_from_text(text, effort, topic)
    return lesson if lesson.topic != "untitled" else replace(lesson, topic="standard input")
