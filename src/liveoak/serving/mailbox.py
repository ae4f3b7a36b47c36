"""From the runtime's threads to the event loop, and from the event loop to the client."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
_KEEP_ALIVE_SECONDS = 15.0


class Mailbox(Generic[T]):
    """Messages posted from any thread, read in order on the event loop that made the box."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[T] = asyncio.Queue()
        self._most, self._give_up = math.inf, lambda: None

    def post(self, item: T) -> None:
        # The loop may be closed when the server stops in the middle: nobody is left to read.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._put, item)

    def bound(self, most: int, give_up: Callable[[], None]) -> None:
        """Whoever posts cannot wait, so that it is told to end once more than `most` messages are unread."""
        self._most, self._give_up = most, give_up

    async def take(self) -> T:
        return await self._queue.get()

    def _put(self, item: T) -> None:
        self._queue.put_nowait(item)
        if self._queue.qsize() > self._most:
            self._give_up()


class Gone(Exception):
    """The client closed its connection before the answer."""


async def take_while_connected(box: Mailbox[T], request: Request) -> T:
    """The next message.

    Raises:
        Gone: the client left first.
    """
    message = asyncio.ensure_future(box.take())
    leaving = asyncio.ensure_future(_until_gone(request.receive))
    try:
        await asyncio.wait({message, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not message.done():
            raise Gone
        return message.result()
    finally:
        message.cancel()
        leaving.cancel()


class Held(Response):
    """An answer that holds a place until it has been sent or given up."""

    def __init__(self, answer: Response, leave: Callable[[], None]) -> None:
        super().__init__(status_code=answer.status_code)
        self._answer, self._leave = answer, leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        finally:
            self._leave()


class ServerSentEvents(Response):
    """A stream of `data:` lines. Whatever ends it, the generator is closed, so that its work can be cancelled."""

    media_type = "text/event-stream"

    def __init__(self, lines: AsyncGenerator[str, None], headers: dict[str, str] | None = None) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.ensure_future(_until_gone(receive))
        following = None
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while True:
                following = following or asyncio.ensure_future(anext(self._lines, None))
                await asyncio.wait(
                    {following, leaving}, timeout=_KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if leaving.done():
                    return
                # A comment line keeps proxies from closing a stream that waits for a lesson.
                line: str | None = ": still here"
                if following.done():
                    line, following = following.result(), None
                if line is None:
                    break
                await send({"type": "http.response.body", "body": f"{line}\n\n".encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            if following is not None:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await following
            await self._lines.aclose()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
