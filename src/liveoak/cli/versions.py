"""`liveoak versions`: what is served, what was, and going back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

import typer

from liveoak.cli.connection import connect, open_books
from liveoak.cli.options import Options, takes_options
from liveoak.cli.proofs import adopted_as_json, print_adopted, print_proof, proof_as_json
from liveoak.cli.screen import bar, loading, print_json, print_table
from liveoak.errors import LearningError, UserError
from liveoak.records import Version


def register(app: typer.Typer) -> None:
    app.command()(takes_options(versions))


def versions(
    options: Options,
    action: Annotated[
        Literal["list", "show", "rollback", "promote", "consolidate", "import"],
        typer.Argument(help="list, show, rollback, promote, consolidate or import."),
    ] = "list",
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION|SESSION|ADAPTER]",
            help="A version's id; rollback without one takes the parent. To consolidate: a session's. To import: a "
            "PEFT directory, or builtin:NAME.",
        ),
    ] = None,
    session: Annotated[str | None, typer.Option(help="The session's fast weights instead of the agent's.")] = None,
) -> None:
    """What is served, and going back.

    List the versions that lead to what is served, show one, roll back, or promote any kept one to the agent's.
    To consolidate a session is to distil what it learned into the agent's own weights; to import an adapter is to serve
    it as the agent's first version over the prior. Both are under the gate: exit code 0 if kept, 7 if refused.
    """
    if action == "consolidate":
        _consolidate(options, version, session)
        return
    if action == "import":
        _import(options, version, session)
        return
    if action in ("show", "promote") and version is None:
        raise UserError(f"`versions {action}` needs a version: `liveoak versions` lists them")
    if action in ("show", "promote") and session is not None:
        raise UserError(f"`versions {action}` takes no --session: a version's id says where it is from")
    if action == "list" and version is not None:
        raise UserError(f"`versions list` takes no version; for one, `liveoak versions show {version}`")
    with open_books(options) as books:
        if action == "list":
            _print_chain(books.versions(session), options)
        elif action == "rollback":
            _print_served(books.rollback(version, session), options)
        elif action == "promote":
            _print_served(books.promote(version or ""), options)
        else:
            _print_version(books.version(version or ""), options)


def _consolidate(options: Options, named: str | None, given: str | None) -> None:
    session = named or given
    if session is None or (named is not None and given is not None):
        raise UserError("`versions consolidate` needs one session: `liveoak experience` lists them")
    with connect(options) as connection, bar(session) as progress:
        proof = connection.consolidate(session, on_progress=progress)
    if options.json:
        print_json(proof_as_json(proof))
    else:
        print_proof(proof)
    if not proof.verdict.kept:
        raise typer.Exit(LearningError.exit_code)


def _import(options: Options, named: str | None, session: str | None) -> None:
    if named is None or session is not None:
        raise UserError("`versions import` needs one adapter, a PEFT directory or builtin:NAME, and takes no --session")
    from liveoak.runtime.training.adopting import adopt, check_home, imported

    settings = options.settings()
    offer = imported(named, settings.prior)
    check_home(settings, options.who)
    with loading(settings.prior) as on_fetch:
        adopted = adopt(offer, settings, author=options.who, on_fetch=on_fetch)
    if options.json:
        print_json(adopted_as_json(adopted))
    else:
        print_adopted(adopted)
    if not adopted.verdict.kept:
        raise typer.Exit(LearningError.exit_code)


def chain_rows(chain: tuple[Version, ...]) -> list[tuple[str, ...]]:
    """Rows of `VERSION_COLUMNS`, oldest first; the last one is served."""
    return [
        (
            version.id,
            "served" if version is chain[-1] else "",
            datetime.fromtimestamp(version.created).strftime("%Y-%m-%d %H:%M:%S"),
            version.session or "",
            str(len(version.lessons)),
        )
        for version in chain
    ]


VERSION_COLUMNS = ("version", "", "made", "session", "lessons")


def _print_chain(chain: tuple[Version, ...], options: Options) -> None:
    if options.json:
        print_json({"current": chain[-1].id, "versions": [asdict(version) for version in chain]})
    else:
        print_table(VERSION_COLUMNS, chain_rows(chain))


def _print_served(version: Version, options: Options) -> None:
    if options.json:
        print_json(asdict(version))
    else:
        print(f"version {version.id} is served from now on")


def _print_version(version: Version, options: Options) -> None:
    if options.json:
        print_json(asdict(version))
        return
    verdict = version.verdict
    rows = [
        ("version", version.id),
        ("parent", version.parent or "none: it is the prior itself"),
        ("agent", version.agent),
        ("session", version.session or "none: the agent's own"),
        ("made", datetime.fromtimestamp(version.created).strftime("%Y-%m-%d %H:%M:%S")),
        ("prior", version.prior),
        ("lessons", "\n".join(version.lessons) or "none"),
    ]
    if verdict is not None:
        rows.append(("gate", "kept" if verdict.kept else f"refused: {'; '.join(verdict.reasons)}"))
        rows += [
            (f"probe {probe.name}", f"{probe.before:.4g} -> {probe.after:.4g} {probe.unit} (n = {probe.n})")
            for probe in verdict.probes
        ]
    print_table(("", ""), rows)
