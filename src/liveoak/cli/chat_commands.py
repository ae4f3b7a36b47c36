"""The commands within `liveoak chat`, those lines that begin with a slash."""

from __future__ import annotations

from pathlib import Path

from liveoak.cli.connection import Connection
from liveoak.cli.proofs import summary
from liveoak.cli.screen import bar, notice, print_table
from liveoak.cli.versions import VERSION_COLUMNS, chain_rows
from liveoak.errors import NotFound, UserError
from liveoak.records import Lesson

HELP = """/learn TEXT or /learn FILE   teach this session a fact, or a document
/forget                      drop what this session learned
/notes                       what the agent keeps before it here
/versions                    the versions that lead to what is served here
/rollback [VERSION]          serve an earlier version here; without one, the parent
/help                        this list
/quit                        leave"""


def obey(line: str, connection: Connection, session: str) -> bool:
    """Carry a command out. False: the person wants to leave.

    Raises:
        UserError: no such command.
    """
    command, _, rest = line.strip().partition(" ")
    match command:
        case "/quit" | "/exit":
            return False
        case "/help":
            notice(HELP)
        case "/learn":
            lesson = _lesson(rest.strip())
            with bar("learning") as progress:
                proof = connection.learn(lesson, session=session, on_progress=progress)
            notice(summary(proof))
        case "/forget":
            notice(f"forgotten; version {connection.forget(session).id} is served here from now on")
        case "/notes":
            notice(_notes(connection, session))
        case "/versions":
            print_table(VERSION_COLUMNS, chain_rows(connection.versions(session)))
        case "/rollback":
            notice(f"version {connection.rollback(rest.strip() or None, session).id} is served here from now on")
        case _:
            raise UserError(f"no command is called {command!r}; /help lists those that there are")
    return True


def _lesson(said: str) -> Lesson:
    """A document where a file's name is said, else a lesson of one statement."""
    from liveoak.experience import new_id

    if not said:
        raise UserError("/learn needs a text or a file: /learn The office opens at seven.")
    path = Path(said).expanduser()
    looks_like_file = " " not in said and (path.suffix != "" or "/" in said) and not said.endswith(".")
    if looks_like_file or _is_file(path):
        from liveoak.learning.documents import lesson_from_document

        return lesson_from_document(path)
    return Lesson(id=new_id("lesson"), topic=said[:80], statements=(said,))


def _notes(connection: Connection, session: str) -> str:
    try:
        kept = [f"- {note.text}" for note in connection.record(session).notes if note.dropped is None]
    except NotFound:  # nothing was said yet
        kept = []
    return "\n".join(kept) or "no notes here"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a text too long for a file's name
        return False
