"""The command line, one verb a file.

Knows options, exit codes and what is shown. Knows nothing of models: verbs reach the agent through a `Connection`, and
import what is heavy only when they run, so that `liveoak --help` answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec

import typer

from liveoak import garbage
from liveoak.cli.options import root_callback
from liveoak.cli.screen import error_object, notice, print_json
from liveoak.errors import LiveoakError

VERBS = ("demo", "serve", "chat", "learn", "ask", "live", "train", "versions", "experience", "lab", "doctor")
"""Each is a module of this package with `register(app)`, light to import."""

_HELP = """A language-model agent that keeps learning on the job.

Verbs talk to the server of the same home if one runs, and else load the model themselves.
"""

__all__ = ["VERBS", "build_app", "main"]


def build_app() -> typer.Typer:
    """The whole command line. A verb whose module is not installed is left out."""
    app = typer.Typer(
        name="liveoak",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode=None,
    )
    app.callback()(root_callback(_HELP))
    for verb in VERBS:
        if find_spec(f"liveoak.cli.{verb}") is not None:
            importlib.import_module(f"liveoak.cli.{verb}").register(app)
    return app


def main() -> None:
    """Run one verb and exit with its code: those of `liveoak.errors`, 1 for a failed check, 130 for Ctrl-C."""
    garbage.look_seldom()
    code = run(sys.argv[1:])
    garbage.look_no_more()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    try:
        code = build_app()(args=arguments, prog_name="liveoak", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except LiveoakError as error:
        if "--json" in arguments:
            print_json({"error": error_object(error)})
        else:
            notice(f"error: {error}")
        return error.exit_code
    except typer.TyperException as error:
        return _misused(error, arguments)
    except typer.Abort:
        return 130
    except BrokenPipeError:
        # Whoever read us has enough; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _misused(error: typer.TyperException, arguments: list[str]) -> int:
    """A mistake in the command line itself."""
    # Help was asked for by saying nothing: it has been the message.
    if type(error).__name__ == "NoArgsIsHelpError":
        notice(error.format_message())
        return error.exit_code
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "liveoak"
    said = error.format_message().replace("Value error, ", "").rstrip(".")
    message = f"{said}{'' if said.endswith('?') else '.'} See `{command} --help`."
    if "--json" in arguments:
        print_json({"error": {"code": "usage", "message": message, "exit_code": error.exit_code}})
    else:
        notice(f"error: {message}")
    return error.exit_code
