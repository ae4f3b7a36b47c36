"""Options that every verb takes, before the verb or after it: `liveoak --home X ask` is `liveoak ask --home X`."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from liveoak.config import Settings, load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was said on the command line. None: not said, so environment, file or default decide."""

    home: Path | None = None
    cache: Path | None = None
    prior: str | None = None
    agent: str | None = None
    threads: int | None = None
    accept_licence: tuple[str, ...] | None = None
    author: str | None = None
    json: bool = False

    @property
    def who(self) -> str:
        """Who speaks."""
        return self.author or os.environ.get("LIVEOAK_AUTHOR") or "local"

    def settings(self, **more: Any) -> Settings:
        """
        Raises:
            BadSettings: a value out of range, or a settings file that cannot be read.
        """
        return load_settings(
            home=self.home,
            cache=self.cache,
            prior=self.prior,
            agent=self.agent,
            threads=self.threads,
            accept_licence=self.accept_licence,
            **more,
        )

    def over(self, earlier: Options) -> Options:
        """These options where they were said, else the earlier ones."""
        said = {name: getattr(self, name) for name in _ANNOTATIONS if getattr(self, name) not in (None, False)}
        return replace(earlier, **said)


def _shared(flag: str, kind: Any, help: str) -> Any:
    return Annotated[kind, typer.Option(flag, help=help, rich_help_panel="Shared options", show_default=False)]


_ANNOTATIONS: dict[str, Any] = {
    "home": _shared("--home", Path | None, "Folder of the record and the versions (LIVEOAK_HOME, else ~/.liveoak)."),
    "cache": _shared("--cache", Path | None, "Folder of fetched priors (LIVEOAK_CACHE, else ~/.cache/liveoak)."),
    "prior": _shared("--prior", str | None, "The model to start from (LIVEOAK_PRIOR, else smollm2-135m)."),
    "agent": _shared("--agent", str | None, "The agent's name (LIVEOAK_AGENT, else agent)."),
    "threads": _shared(
        "--threads", int | None, "CPU threads of the model (LIVEOAK_THREADS, else OMP_NUM_THREADS, else all cores)."
    ),
    "accept_licence": _shared(
        "--accept-licence", list[str] | None, "Name of a prior whose licence you accept; may be repeated."
    ),
    "author": _shared("--author", str | None, "Who you are (LIVEOAK_AUTHOR, else local)."),
    "json": _shared("--json", bool, "Print one JSON value instead of text."),
}


SHARED = tuple(_ANNOTATIONS)
"""Names of the options that every verb takes."""


def takes_options(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb whose parameter `options` is put together from the shared options, which its help then lists."""
    own = [one for one in inspect.signature(verb, eval_str=True).parameters.values() if one.name != "options"]

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        context: typer.Context = given.pop("context")
        said = {name: given.pop(name) for name in _ANNOTATIONS}
        said["accept_licence"] = tuple(said["accept_licence"] or ()) or None
        options = Options(**said)
        earlier = context.obj if isinstance(context.obj, Options) else Options()
        verb(options=options.over(earlier), **given)

    _sign(run, own)
    return run


def root(context: typer.Context, options: Options) -> None:
    """Keeps what was said before the verb."""
    context.obj = options


def root_callback(help: str) -> Callable[..., None]:
    """The application's callback, which takes the shared options and `--version`."""

    def run(**given: Any) -> None:
        context: typer.Context = given.pop("context")
        given.pop("version")
        given["accept_licence"] = tuple(given["accept_licence"] or ()) or None
        root(context, Options(**given))

    def show(value: bool) -> None:
        if value:
            from liveoak import __version__

            typer.echo(f"liveoak {__version__}")
            raise typer.Exit

    version = Annotated[bool, typer.Option("--version", help="Print the version.", callback=show, is_eager=True)]
    run.__doc__ = help
    _sign(run, [inspect.Parameter("version", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=version)])
    return run


def _sign(run: Callable[..., None], own: list[inspect.Parameter]) -> None:
    """Give a function the signature that typer reads: the context, its own parameters, the shared options."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    shared = [
        inspect.Parameter(name, keyword, default=False if name == "json" else None, annotation=annotation)
        for name, annotation in _ANNOTATIONS.items()
    ]
    parameters = [context, *(one.replace(kind=keyword) for one in own), *shared]
    function: Any = run
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {one.name: one.annotation for one in parameters}
