"""Sessions, their turns, and what was said of them, within one transaction of the caller."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, func, select, update

from liveoak.errors import Conflict, UserError
from liveoak.experience import schema
from liveoak.experience.access import add, already, by_id, missing, needed, rows
from liveoak.experience.entries import Stretch
from liveoak.experience.rows import Row, from_feedback, from_session, from_turn, to_feedback, to_session, to_turn
from liveoak.records import Feedback, Session, Turn

_sessions, _turns, _feedback = schema.sessions, schema.turns, schema.feedback


def add_session(connection: Connection, session: Session) -> None:
    row = from_session(session)
    if already(connection, _sessions, row, lambda row: from_session(to_session(row))):
        return
    erased = schema.erasures.c
    if connection.execute(select(erased.session).where(erased.session == session.id)).first():
        raise Conflict(f"session {session.id!r} was erased, and its id is not given out again; take a new id")
    add(connection, _sessions, row)


def session(connection: Connection, id: str) -> Session:
    return to_session(needed(connection, _sessions, id))


def sessions(
    connection: Connection, *, agent: str | None, author: str | None, limit: int | None, before: str | None
) -> list[Session]:
    query = select(_sessions).order_by(_sessions.c.seq.desc()).limit(not_negative("limit", limit))
    if agent is not None:
        query = query.where(_sessions.c.agent == agent)
    if author is not None:
        query = query.where(_sessions.c.author == author)
    if before is not None:
        query = query.where(_sessions.c.seq < needed(connection, _sessions, before)["seq"])
    return [to_session(row) for row in rows(connection, query)]


def append(connection: Connection, turn: Turn) -> None:
    row = from_turn(turn)
    if already(connection, _turns, row, lambda row: from_turn(to_turn(row))):
        return
    last = last_index(connection, turn.session)
    due = 0 if last is None else last + 1
    if turn.index != due:
        raise Conflict(
            f"turn {turn.id!r} has index {turn.index!r} in session {turn.session!r}; expected {due}, the next one: "
            "read the session's turns again"
        )
    add(connection, _turns, row)


def last_index(connection: Connection, session: str) -> int | None:
    last = connection.execute(select(func.max(_turns.c["index"])).where(_turns.c.session == session)).scalar()
    if last is None and by_id(connection, _sessions, session) is None:
        raise missing(connection, _sessions, session)
    return last


def turn(connection: Connection, id: str) -> Turn:
    return to_turn(needed(connection, _turns, id))


def turns(connection: Connection, session: str, *, start: int, limit: int | None) -> list[Turn]:
    query = select(_turns).where(_turns.c.session == session, _turns.c["index"] >= start).order_by(_turns.c["index"])
    found = rows(connection, query.limit(not_negative("limit", limit)))
    if not found and by_id(connection, _sessions, session) is None:
        raise missing(connection, _sessions, session)
    return [to_turn(row) for row in found]


def since(connection: Connection, cursor: int, *, limit: int) -> Stretch:
    if limit < 1:
        raise UserError(f"limit {limit!r}: expected at least 1, else no reader would get on")
    query = select(_turns).where(_turns.c.seq > cursor).order_by(_turns.c.seq).limit(limit)
    found = rows(connection, query)
    return Stretch(turns=tuple(to_turn(row) for row in found), cursor=found[-1]["seq"] if found else cursor)


def add_feedback(connection: Connection, feedback: Feedback) -> None:
    if already(connection, _feedback, from_feedback(feedback), _said):
        return
    needed(connection, _turns, feedback.turn)
    add(connection, _feedback, from_feedback(feedback))


def _said(row: Row) -> dict[str, object]:
    """Without trust, which is not part of what was said: a retry may come after the confirmation."""
    return {name: value for name, value in from_feedback(to_feedback(row)).items() if name != "trusted"}


def confirm_feedback(connection: Connection, id: str) -> Feedback:
    needed(connection, _feedback, id)
    connection.execute(update(_feedback).where(_feedback.c.id == id).values(trusted=True))
    return to_feedback(needed(connection, _feedback, id))


def feedback(
    connection: Connection,
    *,
    trusted: bool | None,
    turn: str | None,
    session: str | None,
    author: str | None,
    limit: int | None,
) -> list[Feedback]:
    query = select(_feedback).order_by(_feedback.c.seq).limit(not_negative("limit", limit))
    if trusted is not None:
        query = query.where(_feedback.c.trusted == trusted)
    if turn is not None:
        query = query.where(_feedback.c.turn == turn)
    if author is not None:
        query = query.where(_feedback.c.author == author)
    if session is not None:
        query = query.join(_turns, _turns.c.id == _feedback.c.turn).where(_turns.c.session == session)
    found = rows(connection, query)
    if not found and turn is not None:
        needed(connection, _turns, turn)
    return [to_feedback(row) for row in found]


def unharvested(connection: Connection, agent: str) -> dict[str, list[str]]:
    query = (
        select(_turns.c.session, _feedback.c.id)
        .join(_turns, _turns.c.id == _feedback.c.turn)
        .join(_sessions, _sessions.c.id == _turns.c.session)
        .where(_sessions.c.agent == agent, _feedback.c.trusted.is_(True), _feedback.c.harvested.is_(False))
        .order_by(_feedback.c.seq)
    )
    found: dict[str, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row[0], []).append(row[1])
    return found


def harvest(connection: Connection, ids: Collection[str]) -> None:
    if ids:
        marked = update(_feedback).where(_feedback.c.id == bindparam("word")).values(harvested=True)
        connection.execute(marked, [{"word": id} for id in ids])


def not_negative(name: str, value: int | None) -> int | None:
    """SQLite reads a negative limit as none at all."""
    if value is not None and value < 0:
        raise UserError(f"{name} {value!r}: expected 0 or more, or None for all")
    return value
