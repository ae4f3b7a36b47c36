"""One process that serves one home: bind, load, listen, and leave no trace when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType

import uvicorn

from liveoak.config import Settings
from liveoak.errors import BadSettings, Conflict
from liveoak.serving.app import create_app
from liveoak.serving.host import Host
from liveoak.serving.limits import LOOPBACK

_GRACE_SECONDS = 5
"""How long replies under way may go on after a signal; a lesson takes longer, and is not waited for."""


def serve(
    settings: Settings,
    *,
    on_ready: Callable[[str], None] | None = None,
    on_fetch: Callable[[str, int, int], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. `on_ready` is told the address once requests are answered.

    `on_fetch` is told how far the fetching of the prior has come: what, bytes done, bytes in all.

    Raises:
        Conflict: the port or the home is in use.
        BadSettings: the address is not one of this machine's.
    """
    with _stop_on_sigterm(), contextlib.closing(bind(settings.host, settings.port)) as listener:
        # Not before the port is ours: loading a model only to find the port taken wastes a minute.
        from liveoak.runtime import Runtime

        with Runtime(settings, on_fetch=on_fetch) as runtime:
            serve_on(listener, runtime, on_ready=on_ready)


def serve_on(listener: socket.socket, host: Host, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve a host on a bound socket until a signal; HOME/server.json tells other processes where meanwhile."""
    address = url_of(listener)
    server = _server(host, listener)

    async def run() -> None:
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not (server.started or serving.done()):
            await asyncio.sleep(0.01)
        with announced(host.settings.home, address):
            if on_ready is not None and not serving.done():
                on_ready(address)
            await serving

    asyncio.run(run())


@contextlib.contextmanager
def served(host: Host) -> Generator[str]:
    """Serve a host from a thread for as long as the block runs, on the address that its settings say; gives the URL."""
    with contextlib.closing(bind(host.settings.host, host.settings.port)) as listener:
        address = url_of(listener)
        server = _server(host, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server", daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            with announced(host.settings.home, address):
                yield address
        finally:
            server.should_exit = True
            thread.join(_GRACE_SECONDS + 5)


def _server(host: Host, listener: socket.socket) -> uvicorn.Server:
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # What is broken off has filled the connection: to close it would wait for its client to read.
        milliseconds = int(1000 * host.settings.send_seconds)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    known = {*LOOPBACK, host.settings.host} if is_loopback(host.settings.host) else None
    return uvicorn.Server(
        uvicorn.Config(
            create_app(host, known_hosts=known),
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=_GRACE_SECONDS,
            server_header=False,
        )
    )


def bind(host: str, port: int) -> socket.socket:
    """
    Raises:
        Conflict: somebody listens there.
        BadSettings: no such address here, or not ours to take.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise BadSettings(f"setting 'host' = {host!r}: {error.strerror or error}; 127.0.0.1 is this machine") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} of {host!r} is in use: stop what listens there, "
                "or choose another port with --port (0 takes a free one)"
            ) from None
        raise BadSettings(
            f"cannot listen on port {port} of {host!r}: {error.strerror}; choose another with --host and --port"
        ) from None
    return listener


def is_loopback(host: str) -> bool:
    return host in LOOPBACK or host.startswith("127.")


def url_of(listener: socket.socket) -> str:
    """The address that a client on this machine uses."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def announced(home: Path, url: str) -> Generator[None]:
    """HOME/server.json for as long as the server runs. After a kill it stays, so readers check that it answers."""
    path = home.expanduser() / "server.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps({"pid": os.getpid(), "url": url, "since": time.time()}), encoding="utf-8")
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _stop_on_sigterm() -> Generator[None]:
    """SIGTERM as a plain exit, so that every `with` on the way out closes what it holds."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
