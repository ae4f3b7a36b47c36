"""The few questions that every table is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Select, Table, insert, select

from liveoak.errors import Conflict, NotFound
from liveoak.experience import schema
from liveoak.experience.rows import Row

_AT_ONCE = 500
"""Ids that one statement names."""


def rows(connection: Connection, query: Select[Any]) -> list[Row]:
    return cast(list[Row], connection.execute(query).mappings().all())


def first(connection: Connection, query: Select[Any]) -> Row | None:
    return cast("Row | None", connection.execute(query).mappings().first())


def by_id(connection: Connection, table: Table, id: str) -> Row | None:
    return first(connection, select(table).where(table.c.id == id))


def needed(connection: Connection, table: Table, id: str) -> Row:
    """
    Raises:
        NotFound: no such row, with a word on erasure where that is why.
    """
    row = by_id(connection, table, id)
    if row is None:
        raise missing(connection, table, id)
    return row


def present(connection: Connection, table: Table, ids: Sequence[str]) -> set[str]:
    """Those of the ids that the table has rows of."""
    found: set[str] = set()
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        found.update(connection.execute(select(table.c.id).where(table.c.id.in_(some))).scalars())
    return found


def missing(connection: Connection, table: Table, id: str) -> NotFound:
    noun = table.name.removesuffix("s")
    erased = schema.erasures.c
    if table is schema.sessions and connection.execute(select(erased.session).where(erased.session == id)).first():
        return NotFound(f"session {id!r} was erased; start another")
    return NotFound(f"no {noun} {id!r} in the record; expected the id of one that was recorded and not erased")


def already(
    connection: Connection, table: Table, row: dict[str, Any], canonical: Callable[[Row], dict[str, Any]]
) -> bool:
    """Whether the row is there: a retry after a lost acknowledgement is no second event.

    `canonical` reads a row and writes it again, so that two spellings of one record (1 and 1.0) compare equal.

    Raises:
        Conflict: the id is there with other content.
    """
    stored = by_id(connection, table, row["id"])
    if stored is None:
        return False
    before, now = canonical(stored), canonical(row)
    if before == now:
        return True
    differing = sorted(name for name in now if before[name] != now[name])
    raise Conflict(
        f"{table.name.removesuffix('s')} {row['id']!r} is in the record with other content (differs in "
        f"{', '.join(differing)}); what is recorded does not change: take a new id"
    )


def add(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    connection.execute(insert(table).values(row))
