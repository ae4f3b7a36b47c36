"""`liveoak doctor`: would this machine and this home serve? No model is loaded to find out."""

from __future__ import annotations

from dataclasses import asdict

import typer

from liveoak.cli.checks import all_checks
from liveoak.cli.options import Options, takes_options
from liveoak.cli.screen import print_json, print_table


def register(app: typer.Typer) -> None:
    app.command()(takes_options(doctor))


def doctor(options: Options) -> None:
    """Check the machine, the cache and the home. Exit code 1: something would keep the agent from being served."""
    checks = all_checks(options.settings())
    if options.json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        print_table(("check", "", "found"), [(check.name, check.state, check.found) for check in checks])
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(1)
