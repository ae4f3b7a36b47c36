"""Versions, their lineage, and which of them was served when, within one transaction of the caller."""

from __future__ import annotations

from collections.abc import Generator
from itertools import groupby, takewhile
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from liveoak.errors import Conflict, NotFound, UserError
from liveoak.experience import schema
from liveoak.experience.access import add, already, by_id, first, needed, present, rows
from liveoak.experience.entries import HeadMove
from liveoak.experience.rows import Row, finite, from_version, to_head, to_version
from liveoak.records import Version

_versions, _lineage, _heads = schema.versions, schema.lineage, schema.heads


def add_version(connection: Connection, version: Version) -> None:
    row = from_version(version)
    if already(connection, _versions, row, lambda row: from_version(to_version(row, ()))):
        if _lessons_of(connection, version.id) != version.lessons:
            raise Conflict(f"version {version.id!r} is in the record with another lineage; a version never changes")
        return
    if version.session is not None:
        needed(connection, schema.sessions, version.session)
    # A lesson may be erased while it is studied. What came of it must not be served, so it is not recorded.
    known = present(connection, schema.lessons, version.lessons)
    for lesson in version.lessons:
        if lesson not in known:
            raise NotFound(
                f"version {version.id!r} cannot be recorded: lesson {lesson!r} of its lineage is not in the record; "
                "it was erased or never added: drop the version"
            )
    inherited = _inherited(connection, version)
    add(connection, _versions, {**row, "inherited": inherited})
    places = [
        {"version": version.id, "place": place, "lesson": lesson}
        for place, lesson in enumerate(version.lessons)
        if place >= inherited
    ]
    if places:
        connection.execute(insert(_lineage), places)


def version(connection: Connection, id: str) -> Version:
    return to_version(needed(connection, _versions, id), _lessons_of(connection, id))


def versions(connection: Connection, agent: str) -> list[Version]:
    return _with_lessons(connection, select(_versions.c.id).where(_versions.c.agent == agent))


def line(connection: Connection, id: str) -> list[Version]:
    needed(connection, _versions, id)
    found = {version.id: version for version in _with_lessons(connection, _ancestors(id, all_of_them=True))}
    line = [found[id]]
    while (parent := line[-1].parent) in found:
        line.append(found[parent])
    return line[::-1]


def retire_version(connection: Connection, id: str, why: str) -> None:
    """For good; the first reason stays."""
    if not why:
        raise UserError(f"version {id!r} cannot be retired without a reason: say why")
    if needed(connection, _versions, id)["retired"] is None:
        connection.execute(update(_versions).where(_versions.c.id == id).values(retired=why))


def retired(connection: Connection, id: str) -> str | None:
    return needed(connection, _versions, id)["retired"]


def move_head(connection: Connection, move: HeadMove) -> None:
    if move.session is not None:
        needed(connection, schema.sessions, move.session)
    if move.version is not None:
        _servable(needed(connection, _versions, move.version), move)
    row = {name: getattr(move, name) for name in ("agent", "session", "version", "why")}
    add(connection, _heads, {**row, "created": finite("created", move.created)})


def head(connection: Connection, agent: str, session: str | None) -> str | None:
    row = first(connection, _heads_of(agent, session).order_by(_heads.c.seq.desc()).limit(1))
    return row["version"] if row else None


def heads(connection: Connection, agent: str, session: str | None) -> list[HeadMove]:
    return [to_head(row) for row in rows(connection, _heads_of(agent, session).order_by(_heads.c.seq))]


def _heads_of(agent: str, session: str | None) -> Select[Any]:
    return select(_heads).where(_heads.c.agent == agent, _heads.c.session.is_not_distinct_from(session))


def _servable(version: Row, move: HeadMove) -> None:
    if version["agent"] != move.agent:
        raise Conflict(
            f"version {move.version!r} is of agent {version['agent']!r} and cannot be served as {move.agent!r}"
        )
    if version["retired"] is not None:
        raise Conflict(f"version {move.version!r} is retired ({version['retired']}) and cannot be served; take another")


def _inherited(connection: Connection, version: Version) -> int:
    """With how many lessons of its parent it begins."""
    parent = None if version.parent is None else by_id(connection, _versions, version.parent)
    if parent is None or parent["agent"] != version.agent:
        return 0
    pairs = zip(_lessons_of(connection, parent["id"]), version.lessons, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _ancestors(id: str, *, all_of_them: bool) -> Select[Any]:
    """Ids of a version and its ancestors: all of them, or those whose lessons it may have inherited."""
    begin = select(_versions.c.id, _versions.c.parent, _versions.c.inherited).where(_versions.c.id == id)
    found = begin.cte("ancestors", recursive=True)
    above = select(_versions.c.id, _versions.c.parent, _versions.c.inherited).join(
        found, found.c.parent == _versions.c.id
    )
    return select(found.union(above if all_of_them else above.where(found.c.inherited > 0)).c.id)


def _lessons_of(connection: Connection, id: str) -> tuple[str, ...]:
    """The lessons of a version, oldest first."""
    lessons: list[str] = []
    for row, own in _own_lessons(connection, _ancestors(id, all_of_them=False)):
        lessons[row["inherited"] :] = own
    return tuple(lessons)


def _with_lessons(connection: Connection, ids: Select[Any]) -> list[Version]:
    """These versions, oldest first. What one of them inherits comes from one of them."""
    lessons: dict[str, tuple[str, ...]] = {}
    for row, own in _own_lessons(connection, ids):
        before = lessons[row["parent"]][: row["inherited"]] if row["inherited"] else ()
        lessons[row["id"]] = before + own
    query = select(_versions).where(_versions.c.id.in_(ids)).order_by(_versions.c.seq)
    return [to_version(row, lessons[row["id"]]) for row in rows(connection, query)]


def _own_lessons(connection: Connection, ids: Select[Any]) -> Generator[tuple[Row, tuple[str, ...]]]:
    """Id, parent and `inherited` of each of these versions with the lessons that follow those, parents first: nothing
    is inherited but from what was recorded before."""
    query = select(_lineage).where(_lineage.c.version.in_(ids)).order_by(_lineage.c.version, _lineage.c.place)
    grouped = groupby(rows(connection, query), key=lambda row: str(row["version"]))
    own = {version: tuple(row["lesson"] for row in group) for version, group in grouped}
    columns = [_versions.c.id, _versions.c.parent, _versions.c.inherited]
    for row in rows(connection, select(*columns).where(_versions.c.id.in_(ids)).order_by(_versions.c.seq)):
        yield row, own.get(row["id"], ())
