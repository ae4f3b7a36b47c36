"""What is refused at the door: bodies too large, callers that came by another name, and clients that do not read.

A page in a browser can make its visitor's machine call a loopback address under a host name of the page's own
(DNS rebinding). Such a page could teach the agent, so a loopback server answers to loopback names alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liveoak.serving.encoding import JSONReply
from liveoak.serving.faults import error_body

_LOG = logging.getLogger(__name__)
MAX_BODY_BYTES = 4 * 1024 * 1024
_MOST_TAKEN = 16 * MAX_BODY_BYTES
"""Bytes of a refused body that are taken in and dropped."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _TooLarge(Exception):
    pass


class _TooSlow(Exception):
    pass


class BodyLimit:
    """Answers 413 to a body over `limit` bytes, by its declared length or, undeclared, as it arrives."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen, more = 0, True
        answered = False

        async def counted() -> Message:
            nonlocal seen, more
            message = await receive()
            seen += len(message.get("body", b""))
            more = message.get("more_body", False)
            return message

        async def bounded() -> Message:
            message = await counted()
            if seen > self._limit:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            # The framework turns an exception while reading a body into its own 400: ours is the truer answer.
            if seen > self._limit and not answered:
                raise _TooLarge
            answered = True
            await send(message)

        declared = _header(scope, b"content-length")
        try:
            if declared.isdigit() and int(declared) > self._limit:
                raise _TooLarge
            await self._app(scope, bounded, watched)
        except _TooLarge:
            # What is closed with bytes unread is reset, and its sender may never hear why.
            while more and seen < _MOST_TAKEN:
                await counted()
            message = f"the body is over the limit of {self._limit} bytes: send the document in parts"
            body = error_body(413, message, code="body_too_large")
            await JSONReply(body, status_code=413, headers={"connection": "close"})(scope, receive, send)


class Patience:
    """Breaks an answer off of which the client has left something unread for `seconds`."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            try:
                async with asyncio.timeout(self._seconds):
                    await send(message)
            except TimeoutError:
                raise _TooSlow from None

        try:
            await self._app(scope, receive, sent)
        except _TooSlow:
            _LOG.warning("an answer to %s was broken off: nobody read it for %g s", scope["path"], self._seconds)


class KnownHosts:
    """Answers 403 to requests whose Host header is not one of `hosts`."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = _header(scope, b"host")
            if _name(given) not in self._hosts:
                message = f"host {given!r} is not this server: it answers to {', '.join(sorted(self._hosts))}"
                body = error_body(403, message, code="unknown_host")
                await JSONReply(body, status_code=403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
