"""The durable record, to read and to erase; and whether the server is well."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from liveoak.records import Turn
from liveoak.serving.callers import AuthorHeader, author_of
from liveoak.serving.encoding import JSONReply, as_json
from liveoak.serving.host import Host
from liveoak.serving.wire import Limit, SessionName

_OF_TOKENS = ("ids", "logprobs", "spans")
NamedSession = Annotated[SessionName, Path()]


def experience_routes(host: Host) -> APIRouter:
    router = APIRouter(tags=["experience"])
    record = host.experience

    @router.get("/v1/experience/sessions")
    def sessions(
        limit: Limit = 100, before: Annotated[SessionName | None, Query()] = None, author: AuthorHeader = None
    ) -> Response:
        """Newest first; `before` is the last session of the page before. Teachers see those of all authors."""
        who = author_of(author)
        mine = None if host.rights.may_teach(who) else who
        return JSONReply({"object": "list", "data": as_json(record.sessions(author=mine, limit=limit, before=before))})

    @router.get("/v1/experience/sessions/{session}")
    def session(session: NamedSession, tokens: bool = False, author: AuthorHeader = None) -> Response:
        host.rights.need_keeper(session, author_of(author))
        found = record.session(session)
        turns = record.turns(session)
        return JSONReply(
            {
                "session": as_json(found),
                "turns": [_turn(turn, tokens) for turn in turns],
                "notes": as_json(record.notes(session)),
                "feedback": [as_json(one) for turn in turns for one in record.feedback_on(turn.id)],
                "lessons": as_json(record.lessons(session=session, limit=1000)),
            }
        )

    @router.delete("/v1/experience/sessions/{session}")
    def erase(session: NamedSession, author: AuthorHeader = None) -> Response:
        return JSONReply({"id": session, "erased": True, "retired": list(host.erase(session, author_of(author)))})

    @router.get("/v1/lessons")
    def lessons(
        session: Annotated[SessionName | None, Query()] = None, limit: Limit = 100, author: AuthorHeader = None
    ) -> Response:
        if session is None:
            host.rights.need_teacher(author_of(author), "list the lessons of everybody")
        else:
            host.rights.need_keeper(session, author_of(author))
        return JSONReply({"object": "list", "data": as_json(record.lessons(session=session, limit=limit))})

    @router.get("/healthz", tags=["health"])
    def healthz() -> Response:
        return JSONReply({"status": "ok", **host.health()})

    return router


def _turn(turn: Turn, tokens: bool) -> dict[str, Any]:
    """A turn without its tokens, which are long, unless asked for."""
    fields = as_json(turn)
    return fields if tokens else {key: value for key, value in fields.items() if key not in _OF_TOKENS}
