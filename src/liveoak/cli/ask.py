"""`liveoak ask`: one question, one answer."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from liveoak.cli.connection import connect
from liveoak.cli.options import Options, takes_options
from liveoak.cli.screen import print_json
from liveoak.errors import UserError
from liveoak.records import Chat, Finished, Message, Sampling


def register(app: typer.Typer) -> None:
    app.command()(takes_options(ask))


def ask(
    options: Options,
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    version: Annotated[str | None, typer.Option(help="Answer with this version instead of the one served.")] = None,
    session: Annotated[str | None, typer.Option(help="Answer with what this session learned.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.", min=1)] = 128,
    temperature: Annotated[float, typer.Option(help="0 always takes the likeliest token.", min=0, max=2)] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Makes a temperature over 0 repeatable.")] = None,
) -> None:
    """Ask one question. The same question gets the same answer from the same version."""
    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise UserError(f"question {text!r} is empty: ask something")
    with connect(options) as connection:
        request = Chat(
            messages=(Message(role="user", content=text),),
            model=f"{connection.agent}@{version}" if version else connection.agent,
            author=connection.author,
            session=session,
            tool_choice="none",
            sampling=Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed),
        )
        *_, end = connection.chat(request)
    assert isinstance(end, Finished)
    if not options.json:
        print(end.message.content)
        return
    print_json(
        {
            "answer": end.message.content,
            "finish": end.finish,
            "version": end.version,
            "session": end.session,
            "turn": end.turn,
            "prompt_tokens": end.prompt_tokens,
            "completion_tokens": end.completion_tokens,
        }
    )
