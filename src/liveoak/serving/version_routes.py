"""GET /v1/models and the version chain: what is served, what was, and going back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from liveoak.errors import NotFound
from liveoak.records import Version
from liveoak.serving.encoding import JSONReply, as_json
from liveoak.serving.host import Host
from liveoak.serving.wire import ForgetBody, PromoteBody, RollbackBody, SessionName

InSession = Annotated[SessionName | None, Query()]


def version_routes(host: Host) -> APIRouter:
    router = APIRouter(tags=["versions"])
    agent = host.settings.agent

    @router.get("/v1/models")
    def models() -> Response:
        chain = host.versions()
        served = [_model(agent, chain[-1])] if chain else []
        return JSONReply({"object": "list", "data": served + [_model(f"{agent}@{one.id}", one) for one in chain]})

    @router.get("/v1/models/{model}")
    def model(model: str) -> Response:
        name, _, version = model.partition("@")
        if name != agent:
            raise NotFound(f"model {model!r}: this server serves {agent!r}; GET /v1/models lists its versions")
        return JSONReply(_model(model, host.experience.version(version) if version else host.current()))

    @router.get("/v1/versions")
    def versions(session: InSession = None) -> Response:
        chain = host.versions(session)
        current = host.current(session).id
        return JSONReply(
            {"object": "list", "agent": agent, "session": session, "current": current, "data": as_json(chain)}
        )

    @router.get("/v1/versions/{version}")
    def version(version: str) -> Response:
        return JSONReply(as_json(host.experience.version(version)))

    @router.post("/v1/versions/rollback")
    def rollback(body: RollbackBody) -> Response:
        return _served(host.rollback(body.to, body.session))

    @router.post("/v1/versions/promote")
    def promote(body: PromoteBody) -> Response:
        return _served(host.promote(body.version))

    @router.post("/v1/versions/forget")
    def forget(body: ForgetBody) -> Response:
        return _served(host.forget(body.session))

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
