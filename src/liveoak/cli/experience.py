"""`liveoak experience`: read, export and erase the record."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

from liveoak.cli.connection import Books, SessionRecord, open_books
from liveoak.cli.options import Options, takes_options
from liveoak.cli.screen import notice, print_json, print_table
from liveoak.errors import Conflict, UserError

_PAGE = 200


def register(app: typer.Typer) -> None:
    app.command()(takes_options(experience))


def experience(
    options: Options,
    action: Annotated[
        Literal["list", "show", "export", "erase"], typer.Argument(help="list, show, export or erase.")
    ] = "list",
    session: Annotated[str | None, typer.Argument(help="A session; export without one takes all.")] = None,
    limit: Annotated[int, typer.Option(help="Most sessions to list.", min=1, max=1000)] = 50,
    out: Annotated[Path | None, typer.Option(help="File to export to; else standard output.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
) -> None:
    """The record of what the agent lived through.

    List the sessions, show one, export them (a JSON object a line), or erase one and retire what learned from it.
    """
    if action in ("show", "erase") and session is None:
        raise UserError(f"`experience {action}` needs a session: `liveoak experience` lists them")
    if action == "erase":
        _confirm(session or "", yes)
    if out is not None and out.exists():
        raise Conflict(f"--out {str(out)!r} exists: remove it or name another file")
    with open_books(options) as books:
        match action:
            case "list":
                _list(books, limit, options)
            case "show":
                _show(books.record(session or ""), options)
            case "export":
                _export(books, session, out)
            case "erase":
                _erase(books, session or "", options)


def _confirm(session: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UserError(f"erasing {session!r} cannot be undone: say --yes where nobody can be asked")
    typer.confirm(f"Erase session {session!r} and retire every version that learned from it?", abort=True, err=True)


def _list(books: Books, limit: int, options: Options) -> None:
    sessions = books.sessions(limit)
    if options.json:
        print_json({"sessions": [asdict(session) for session in sessions]})
        return
    print_table(
        ("session", "author", "begun"),
        [(session.id, session.author, _when(session.created)) for session in sessions],
    )


def _show(record: SessionRecord, options: Options) -> None:
    if options.json:
        print_json(_as_json(record))
        return
    print(f"session {record.session.id} of {record.session.author}, begun {_when(record.session.created)}")
    for turn in record.turns:
        by = f" [{turn.version}]" if turn.version else ""
        calls = "".join(f"\n  calls {call.name}({call.arguments})" for call in turn.message.tool_calls)
        print(f"\n{turn.index} {turn.message.role}{by}  {turn.id}\n  {turn.message.content}{calls}")
    for note in record.notes:
        print(f"\nnote{'' if note.dropped is None else ' (dropped)'}: {note.text}")
    for lesson in record.lessons:
        print(f"\nlesson {lesson['lesson']['id']} {lesson['lesson']['topic']!r}: {lesson['status']}")
    for feedback in record.feedback:
        trust = "" if feedback["trusted"] else " (in quarantine)"
        said = feedback["text"] if feedback["value"] is None else feedback["value"]
        print(f"\n{feedback['kind']} of {feedback['author']} on {feedback['turn']}{trust}: {said}")


def _export(books: Books, session: str | None, out: Path | None) -> None:
    names = [session] if session is not None else _all_names(books)
    if out is None:
        _write(books, names, sys.stdout)
        return
    draft = out.with_name(out.name + ".partial")
    with draft.open("w", encoding="utf-8") as file:
        _write(books, names, file)
    draft.replace(out)
    notice(f"{len(names)} sessions written to {out}")


def _all_names(books: Books) -> list[str]:
    """Every session, oldest first."""
    names: list[str] = []
    while page := books.sessions(_PAGE, before=names[-1] if names else None):
        names += [session.id for session in page]
    return names[::-1]


def _write(books: Books, names: list[str], file: TextIO) -> None:
    import json

    for name in names:
        file.write(json.dumps(_as_json(books.record(name)), ensure_ascii=False) + "\n")


def _erase(books: Books, session: str, options: Options) -> None:
    retired = books.erase(session)
    if options.json:
        print_json({"erased": session, "retired": list(retired)})
        return
    print(f"erased session {session}; versions retired: {', '.join(retired) or 'none'}")


def _as_json(record: SessionRecord) -> dict[str, Any]:
    return asdict(record)


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
