"""Notes that the agent keeps in the prompt of a session, within one transaction of the caller."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select, update

from liveoak.errors import UserError
from liveoak.experience import schema
from liveoak.experience.access import add, already, by_id, missing, needed, rows
from liveoak.experience.rows import Row, from_note, to_note
from liveoak.records import Note

_notes = schema.notes


def add_note(connection: Connection, note: Note, dropped: Collection[str]) -> None:
    """Record a note, and that these earlier ones of its session made room for it."""
    row = from_note(note)
    if already(connection, _notes, row, _written):
        return
    if note.dropped is not None:
        raise UserError(f"note {note.id!r} is dropped already ({note.dropped!r}); expected one for the prompt")
    turn = needed(connection, schema.turns, note.turn)
    if turn["session"] != note.session:
        raise UserError(f"note {note.id!r} of session {note.session!r} names turn {note.turn!r} of another session")
    add(connection, _notes, row)
    mine = (_notes.c.session == note.session) & (_notes.c.id != note.id) & _notes.c.dropped.is_(None)
    done = connection.execute(update(_notes).where(mine, _notes.c.id.in_(dropped)).values(dropped=note.id)).rowcount
    if done != len(set(dropped)):
        raise UserError(
            f"notes {sorted(dropped)!r} cannot make room for {note.id!r}: expected earlier ones of session "
            f"{note.session!r} that are in its prompt"
        )


def notes(connection: Connection, session: str) -> list[Note]:
    """Oldest first, dropped ones too."""
    found = rows(connection, select(_notes).where(_notes.c.session == session).order_by(_notes.c.seq))
    if not found and by_id(connection, schema.sessions, session) is None:
        raise missing(connection, schema.sessions, session)
    return [to_note(row) for row in found]


def _written(row: Row) -> dict[str, object]:
    """Without its end: a retry of the writing may come after it."""
    return {name: value for name, value in from_note(to_note(row)).items() if name != "dropped"}
