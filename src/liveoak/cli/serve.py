"""`liveoak serve`: the agent over HTTP, until it is stopped."""

from __future__ import annotations

import contextlib
import os
from typing import Annotated

import typer

from liveoak.cli.options import Options, takes_options
from liveoak.cli.screen import loading, notice, print_json


def register(app: typer.Typer) -> None:
    app.command()(takes_options(serve))


def serve(
    options: Options,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (default 8321); 0 takes a free one.")] = None,
    window: Annotated[int | None, typer.Option("--context", help="Most tokens of prompt and reply together.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
) -> None:
    """Serve the agent over HTTP.

    The API is OpenAI-compatible, and it learns. Ctrl-C or SIGTERM stops it.
    """
    settings = options.settings(host=host, port=port, context=window, device=device, dtype=dtype)
    from liveoak.serving import server

    if not server.is_loopback(settings.host):
        notice(f"warning: {settings.host!r} can be reached from other machines, and this server asks for no password")

    def ready(url: str) -> None:
        loaded.close()
        if options.json:
            print_json({"url": url, "pid": os.getpid(), "agent": settings.agent, "prior": settings.prior})
        else:
            print(f"{settings.agent} ({settings.prior}) answers at {url}/v1; Ctrl-C stops it", flush=True)

    notice(f"loading {settings.prior}")
    with contextlib.ExitStack() as loaded:
        on_fetch = loaded.enter_context(loading(settings.prior))
        server.serve(settings, on_ready=ready, on_fetch=on_fetch)
