"""GET /v1/models and the version chain: what is served, what was, and going back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from liveoak.errors import NotFound
from liveoak.records import Version
from liveoak.serving.callers import AuthorHeader, author_of
from liveoak.serving.encoding import JSONReply, as_json
from liveoak.serving.host import Host
from liveoak.serving.wire import ForgetBody, Limit, PromoteBody, RollbackBody, SessionName

InSession = Annotated[SessionName | None, Query()]
VersionName = Annotated[str | None, Query()]


def version_routes(host: Host) -> APIRouter:
    router = APIRouter(tags=["versions"])
    agent = host.settings.agent

    @router.get("/v1/models")
    def models() -> Response:
        chain = host.versions()
        served = [_model(agent, chain[-1])] if chain else []
        return JSONReply({"object": "list", "data": served + [_model(f"{agent}@{one.id}", one) for one in chain]})

    @router.get("/v1/models/{model}")
    def model(model: str, author: AuthorHeader = None) -> Response:
        name, _, version = model.partition("@")
        if name != agent:
            raise NotFound(f"model {model!r}: this server serves {agent!r}; GET /v1/models lists its versions")
        return JSONReply(_model(model, host.version(version, author_of(author)) if version else host.current()))

    @router.get("/v1/versions")
    def versions(
        session: InSession = None, limit: Limit = 100, before: VersionName = None, author: AuthorHeader = None
    ) -> Response:
        """The newest of the chain, oldest first; `before` is the first version of the page after."""
        chain = host.versions(session, author_of(author))
        end = next((place for place, one in enumerate(chain) if one.id == before), None)
        if before is not None and end is None:
            raise NotFound(f"version {before!r} is not in the chain that leads to what is served")
        page = chain[:end][-limit:]
        return JSONReply(
            {"object": "list", "agent": agent, "session": session, "current": chain[-1].id, "data": as_json(page)}
        )

    @router.get("/v1/versions/{version}")
    def version(version: str, author: AuthorHeader = None) -> Response:
        return JSONReply(as_json(host.version(version, author_of(author))))

    @router.post("/v1/versions/rollback")
    def rollback(body: RollbackBody, author: AuthorHeader = None) -> Response:
        return _served(host.rollback(body.to, body.session, author_of(author, body.user)))

    @router.post("/v1/versions/promote")
    def promote(body: PromoteBody, author: AuthorHeader = None) -> Response:
        return _served(host.promote(body.version, author_of(author, body.user)))

    @router.post("/v1/versions/forget")
    def forget(body: ForgetBody, author: AuthorHeader = None) -> Response:
        return _served(host.forget(body.session, author_of(author, body.user)))

    return router


def _served(version: Version) -> Response:
    return JSONReply(as_json(version), headers={"x-liveoak-version": version.id})


def _model(name: str, version: Version) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": int(version.created),
        "owned_by": "liveoak",
        "liveoak": {"version": version.id, "parent": version.parent, "session": version.session},
    }
