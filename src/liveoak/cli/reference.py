"""The reference of the command line, written from the command line itself so that it cannot lie.

`python -m liveoak.cli.reference docs/cli.md` rewrites what stands between the two marks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from liveoak.cli import build_app
from liveoak.cli.options import SHARED

BEGIN = "<!-- reference: begin -->"
END = "<!-- reference: end -->"


def reference() -> str:
    """Every verb with its arguments and options, as Markdown. Shared options are told once."""
    root: Any = typer.main.get_command(build_app())
    parts = ["## Shared options\n", _table([one for one in root.params if one.name in SHARED])]
    for name, command in root.commands.items():
        parts += _command(f"liveoak {name}", command)
    return "\n".join(parts)


def renewed(page: str) -> str:
    """The page with the reference as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def _command(path: str, command: Any) -> list[str]:
    own = [one for one in command.params if one.name not in (*SHARED, "help")]
    parts = [f"## `{path}`\n", _paragraphs(command.help or "")]
    if own:
        parts.append(_table(own))
    for name, child in getattr(command, "commands", {}).items():
        parts += _command(f"{path} {name}", child)
    return parts


def _paragraphs(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"


def _table(parameters: list[Any]) -> str:
    rows = [f"| {_name(one)} | {(one.help or '').strip()} | {_default(one)} |" for one in parameters]
    return "\n".join(["| | | default |", "|---|---|---|", *rows]) + "\n"


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return "required"
    return "" if value is None or value is False or callable(value) else f"`{value}`"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(encoding="utf-8")), encoding="utf-8")
