"""Taking a session out of the record, within one transaction of the caller."""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, func, or_, select, update

from liveoak.experience import schema
from liveoak.experience.access import add, first, needed, rows
from liveoak.experience.entries import Erased
from liveoak.experience.rows import from_erased, to_erased

_erasures, _versions, _lineage = schema.erasures, schema.versions, schema.lineage


def erase(connection: Connection, session: str, *, created: float) -> Erased:
    """Delete the session and leave a tombstone. An erased session gives its tombstone again: whoever was cut off
    before the versions were retired can ask once more."""
    tombstone = first(connection, select(_erasures).where(_erasures.c.session == session))
    if tombstone is not None:
        return to_erased(tombstone)
    needed(connection, schema.sessions, session)
    versions = _touched(connection, session)
    turns = select(schema.turns.c.id).where(schema.turns.c.session == session)
    feedback = connection.execute(delete(schema.feedback).where(schema.feedback.c.turn.in_(turns))).rowcount
    _drop(connection, schema.notes, session)
    erased = Erased(
        session=session,
        created=created,
        feedback=feedback,
        turns=_drop(connection, schema.turns, session),
        lessons=_drop(connection, schema.lessons, session),
        versions=versions,
        scrubbed=False,
    )
    _drop(connection, schema.heads, session)
    connection.execute(delete(schema.sessions).where(schema.sessions.c.id == session))
    add(connection, _erasures, from_erased(erased))
    return erased


def erasures(connection: Connection) -> list[Erased]:
    return [to_erased(row) for row in rows(connection, select(_erasures).order_by(_erasures.c.created))]


def unscrubbed(connection: Connection) -> list[str]:
    query = select(_erasures.c.session).where(_erasures.c.scrubbed.is_(False))
    return list(connection.execute(query).scalars())


def mark_scrubbed(connection: Connection, sessions: list[str]) -> None:
    connection.execute(update(_erasures).where(_erasures.c.session.in_(sessions)).values(scrubbed=True))


def counts(connection: Connection) -> dict[str, int]:
    tables = (
        *(schema.sessions, schema.turns, schema.notes, schema.feedback, schema.lessons, schema.versions),
        _erasures,
    )
    return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}


def _drop(connection: Connection, table: Table, session: str) -> int:
    return connection.execute(delete(table).where(table.c.session == session)).rowcount


def _touched(connection: Connection, session: str) -> tuple[str, ...]:
    """Versions whose weights saw the session, oldest first: by lesson, or as the session's own fast weights."""
    lessons = select(schema.lessons.c.id).where(schema.lessons.c.session == session)
    learned = (
        select(_lineage.c.version, _lineage.c.place)
        .where(_lineage.c.lesson.in_(lessons))
        .cte("learned", recursive=True)
    )
    inherited = select(_versions.c.id, learned.c.place).join(learned, learned.c.version == _versions.c.parent)
    learned = learned.union(inherited.where(_versions.c.inherited > learned.c.place))
    query = select(_versions.c.id).where(
        or_(_versions.c.id.in_(select(learned.c.version)), _versions.c.session == session)
    )
    return tuple(connection.execute(query.order_by(_versions.c.seq)).scalars())
