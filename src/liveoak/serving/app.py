"""The application: routes over one host, errors in one shape."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI

from liveoak import __version__
from liveoak.serving import faults
from liveoak.serving.chat_routes import chat_routes
from liveoak.serving.experience_routes import experience_routes
from liveoak.serving.host import Host
from liveoak.serving.learn_routes import learn_routes
from liveoak.serving.limits import MAX_BODY_BYTES, BodyLimit, KnownHosts, Patience
from liveoak.serving.version_routes import version_routes


def create_app(
    runtime: Host, *, known_hosts: Collection[str] | None = None, max_body_bytes: int = MAX_BODY_BYTES
) -> FastAPI:
    """The HTTP face of a runtime.

    `known_hosts`: host names that it answers to; None answers to any.
    """
    app = FastAPI(title="liveoak", version=__version__, description="A language-model agent that learns on the job.")
    faults.install(app)
    for routes in (chat_routes, learn_routes, version_routes, experience_routes):
        app.include_router(routes(runtime))
    app.add_middleware(BodyLimit, limit=max_body_bytes)
    if known_hosts is not None:
        app.add_middleware(KnownHosts, hosts=known_hosts)
    app.add_middleware(Patience, seconds=runtime.settings.send_seconds)
    return app
