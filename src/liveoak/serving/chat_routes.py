"""POST /v1/chat/completions: a reply, whole or as a stream. The client that leaves early cancels its reply.

So does one that does not read: decoding waits for nobody, and what it wrote ahead is bounded. A request holds its place
until its answer has been sent.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from liveoak.errors import NotFound, Overloaded
from liveoak.records import Chat, Failed, Finished, ReplyEvent
from liveoak.serving.asked import chat_of
from liveoak.serving.callers import AuthorHeader, SessionHeader, author_of, session_of
from liveoak.serving.encoding import JSONReply, json_text
from liveoak.serving.faults import body_of, stopped_early
from liveoak.serving.host import Host, RunningReply
from liveoak.serving.mailbox import Gone, Held, Mailbox, ServerSentEvents, take_while_connected
from liveoak.serving.replies import Answer
from liveoak.serving.wire import ChatBody

MOST_UNREAD = 1024
"""Pieces of a reply that may wait for its client, beyond what its connection holds."""


def chat_routes(host: Host) -> APIRouter:
    router = APIRouter(tags=["chat"])
    places = threading.BoundedSemaphore(host.settings.max_waiting)

    @router.post("/v1/chat/completions")
    async def complete(
        body: ChatBody, request: Request, session: SessionHeader = None, author: AuthorHeader = None
    ) -> Response:
        if not places.acquire(blocking=False):
            raise Overloaded(f"{host.settings.max_waiting} requests are under way: try again in a moment")
        try:
            return Held(await answered(body, request, session, author), places.release)
        except BaseException:
            places.release()
            raise

    async def answered(body: ChatBody, request: Request, session: str | None, author: str | None) -> Response:
        chat = chat_of(
            body, author=author_of(author, body.user), session=session_of(session, body.session, body.metadata)
        )
        options = body.stream_options
        answer = Answer(
            agent=host.settings.agent,
            model=await run_in_threadpool(_expected_model, host, chat),
            with_logprobs=bool(body.logprobs),
            with_usage=options is not None and options.include_usage,
        )
        box: Mailbox[ReplyEvent] = Mailbox()
        # The turn is made durable in here, which may wait for the disk.
        reply = await run_in_threadpool(host.chat, chat, box.post)
        box.bound(MOST_UNREAD, reply.cancel)
        if body.stream:
            return ServerSentEvents(_stream(answer, box, reply))
        return await _whole(answer, box, reply, request)

    return router


async def _whole(answer: Answer, box: Mailbox[ReplyEvent], reply: RunningReply, request: Request) -> Response:
    try:
        while True:
            match await take_while_connected(box, request):
                case Finished(finish="cancelled"):
                    raise stopped_early()
                case Finished() as end:
                    headers = {
                        "x-liveoak-version": end.version,
                        "x-liveoak-session": end.session,
                        "x-liveoak-turn": end.turn,
                    }
                    return JSONReply(answer.whole(end), headers=headers)
                case Failed(error=error):
                    raise error
                case event:
                    answer.take(event)
    except Gone:
        reply.cancel()
        return Response(status_code=499)
    except BaseException:
        reply.cancel()
        raise


async def _stream(answer: Answer, box: Mailbox[ReplyEvent], reply: RunningReply) -> AsyncGenerator[str, None]:
    ended = False
    try:
        yield _data(answer.opening())
        while not ended:
            event = await box.take()
            ended = isinstance(event, Finished | Failed)
            match event:
                case Failed(error=error):
                    yield _data(body_of(error)[1])
                case Finished(finish="cancelled"):
                    yield _data(body_of(stopped_early())[1])
                case Finished() as end:
                    for chunk in answer.closing(end):
                        yield _data(chunk)
                    yield "data: [DONE]"
                case _:
                    answer.take(event)
                    yield _data(answer.piece(event))
    finally:
        if not ended:
            reply.cancel()


def _data(value: Any) -> str:
    return f"data: {json_text(value)}"


def _expected_model(host: Host, chat: Chat) -> str:
    """The version that a stream's first chunks name. Its last chunk is the authority, as a lesson may come between."""
    if "@" in chat.model:
        return chat.model
    try:
        return f"{host.settings.agent}@{host.current(chat.session, chat.author).id}"
    except NotFound:
        # A session that begins with this request is served what the agent is.
        return f"{host.settings.agent}@{host.current().id}"
