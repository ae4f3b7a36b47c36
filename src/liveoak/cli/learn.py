"""`liveoak learn`: teach the agent documents, or what was said of its replies."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from liveoak.cli.connection import connect
from liveoak.cli.options import Options, takes_options
from liveoak.cli.proofs import print_proof, proof_as_json
from liveoak.cli.screen import bar, error_object, notice, print_json
from liveoak.errors import LearningError, LiveoakError, UserError
from liveoak.records import Effort, Lesson


def register(app: typer.Typer) -> None:
    app.command()(takes_options(learn))


def learn(
    options: Options,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Text, Markdown, HTML or PDF files; - reads standard input.", metavar="FILE..."),
    ] = None,
    effort: Annotated[Effort, typer.Option(help="How long to study.")] = "medium",
    topic: Annotated[
        str | None, typer.Option(help="What it is about; else the first heading or the file's name.")
    ] = None,
    session: Annotated[str | None, typer.Option(help="Teach this session only, instead of the agent.")] = None,
    from_feedback: Annotated[
        bool, typer.Option("--from-feedback", help="Learn what was said of replies since the last time, and no files.")
    ] = False,
) -> None:
    """Teach the agent documents, or what trusted people said of its replies.

    It studies each one, and the gate keeps or refuses what came of it.
    Exit code 0: all kept, or nothing new was said; 7: one was refused or could not be learned.
    """
    if from_feedback:
        if files or topic or session:
            raise UserError("--from-feedback takes no files, --topic or --session: feedback says itself what it is of")
        _harvest(options)
        return
    if not files:
        raise typer.BadParameter("give files, - for standard input, or --from-feedback", param_hint="FILE...")
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


def _harvest(options: Options) -> None:
    with connect(options) as connection, bar("feedback") as progress:
        done = connection.learn_from_feedback(on_progress=progress)
    if options.json:
        print_json(asdict(done))
    elif done.proof is None:
        print(f"nothing new was said of replies; version {done.version} stays")
    else:
        print_proof(done.proof)
        for why in done.refused:
            print(f"not imitated: {why}")
        print(f"{len(done.sessions)} sessions were learned from, {done.left} wait for the next time")
    if done.proof is not None and not done.proof.verdict.kept:
        raise typer.Exit(LearningError.exit_code)


def _lesson(file: str, effort: Effort, topic: str | None) -> Lesson:
    from liveoak.learning import documents

    if file != "-":
        return documents.lesson_from_document(file, effort, topic)
    text = documents.document_text(sys.stdin.buffer.read(), "standard input")
    lesson = documents.lesson_from_text(text, effort, topic)
    return lesson if lesson.topic != "untitled" else replace(lesson, topic="standard input")
