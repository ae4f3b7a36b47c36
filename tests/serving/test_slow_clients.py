"""Clients that do not read what is sent to them hold a place, memory and a cache for a while, and no longer."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from liveoak.config import Settings
from liveoak.records import Chat, Delta, Finished, ReplyEvent
from liveoak.serving import create_app, served
from liveoak.serving.chat_routes import MOST_UNREAD
from liveoak.serving.host import Host
from liveoak.serving.mailbox import Mailbox
from liveoak.serving.scripted import ScriptedHost
from liveoak.serving.scripted.replies import ScriptedReply

HI = {"model": "agent", "messages": [{"role": "user", "content": "Hi"}]}
LONG = 10_000
"""More seconds than a test takes."""


@dataclass
class Client:
    """Asks an application without a server between. Reads `most` messages of the answer, and the rest when told."""

    app: Any
    most: int = 1_000_000
    got: list[Message] = field(default_factory=list[Message])
    stuck: asyncio.Event = field(default_factory=asyncio.Event)
    reads_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, **fields: Any) -> int:
        """The status; what was read is in `got`."""
        body = json.dumps({**HI, **fields}).encode()
        requests = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if requests:
                return requests.pop()
            return await asyncio.get_running_loop().create_future()  # it never leaves

        async def send(message: Message) -> None:
            if len(self.got) >= self.most:
                self.stuck.set()
                await self.reads_on.wait()
            self.got.append(message)

        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b""}
        scope |= {"headers": [(b"content-type", b"application/json")]}
        await self.app(scope, receive, send)
        return self.got[0]["status"] if self.got else 0

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.got).decode()


def scripted(tmp_path: Path, **settings: Any) -> ScriptedHost:
    return ScriptedHost(Settings(home=tmp_path, port=0, **settings))


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_holds_its_place_until_its_answer_is_sent(tmp_path: Path, stream: bool) -> None:
    async def play() -> None:
        app = create_app(scripted(tmp_path, max_waiting=1, send_seconds=LONG))
        slow = Client(app, most=1)
        answer = asyncio.ensure_future(slow.ask(stream=stream))
        await slow.stuck.wait()
        refused = Client(app)
        assert await refused.ask() == 429
        assert json.loads(refused.text)["error"]["code"] == "overloaded"
        slow.reads_on.set()
        assert await answer == 200
        assert "that." in slow.text, "the end of what is said"
        assert await Client(app).ask() == 200

    asyncio.run(play())


@pytest.mark.parametrize("bad", [{"tool_choice": "fly"}, {"messages": []}, {"model": "nobody"}])
def test_a_request_that_is_refused_holds_no_place(tmp_path: Path, bad: dict[str, Any]) -> None:
    async def play() -> None:
        app = create_app(scripted(tmp_path, max_waiting=1))
        assert await Client(app).ask(**bad) in (400, 404)
        assert await Client(app).ask() == 200

    asyncio.run(play())


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_does_not_read_is_given_up(tmp_path: Path, stream: bool) -> None:
    async def play() -> None:
        host = scripted(tmp_path, max_waiting=1, send_seconds=0.05)
        app = create_app(host)
        slow = Client(app, most=1)
        asked = "stall" if stream else "Hi"
        assert await slow.ask(messages=[{"role": "user", "content": asked}], stream=stream) == 200
        assert len(slow.got) == 1 and slow.stuck.is_set()
        assert host.replies[-1].cancelled.is_set()
        assert await Client(app).ask() == 200

    asyncio.run(play())


def test_what_is_decoded_ahead_of_a_client_is_bounded(tmp_path: Path) -> None:
    """A reply without end, as fast as it is taken in: it ends once so much of it is unread."""
    host = scripted(tmp_path, send_seconds=LONG)
    told: list[int] = []

    def endless(request: Chat, on_event: Callable[[ReplyEvent], None]) -> ScriptedReply:
        reply = ScriptedReply()

        def speak() -> None:
            count = 0
            while not reply.cancelled.is_set() and count < 20 * MOST_UNREAD:
                on_event(Delta(text="on "))
                count += 1
                time.sleep(0.0001)
            told.append(count)
            said = {"message": None, "version": "v", "session": "s", "turn": "t"}
            on_event(Finished(finish="cancelled", prompt_tokens=1, completion_tokens=1, **said))  # type: ignore[arg-type]

        threading.Thread(target=speak, daemon=True).start()
        return reply

    host.chat = endless  # type: ignore[method-assign,assignment]

    async def play() -> None:
        slow = Client(create_app(host), most=3)
        answer = asyncio.ensure_future(slow.ask(stream=True))
        while not told:
            await asyncio.sleep(0.01)
        slow.reads_on.set()
        await answer
        assert MOST_UNREAD < told[0] < 20 * MOST_UNREAD
        assert "it was not read" in slow.text

    asyncio.run(play())


def test_a_mailbox_gives_up_when_more_is_unread_than_it_may_hold() -> None:
    async def play() -> None:
        box: Mailbox[int] = Mailbox()
        given_up: list[int] = []
        box.bound(2, lambda: given_up.append(1))
        for number in range(2):
            box.post(number)
        await asyncio.sleep(0)
        assert (await box.take(), given_up) == (0, [])
        for number in range(2):
            box.post(number)
        await asyncio.sleep(0)
        assert given_up == [1]

    asyncio.run(play())


def test_the_reply_of_a_client_that_is_given_up_leaves_the_decoder(tmp_path: Path) -> None:
    from liveoak.runtime import Runtime

    settings = Settings(home=tmp_path / "home", cache=tmp_path, prior="scratch", threads=1, send_seconds=0.05)
    with Runtime(settings) as host:
        decoder = host._decoder  # pyright: ignore[reportPrivateUsage]

        async def play(app: Host) -> None:
            slow = Client(create_app(app), most=2)
            words = {"type": "array", "items": {"type": "string", "minLength": 400}, "minItems": 4}
            form = {"type": "json_schema", "json_schema": {"name": "words", "schema": words}}
            await slow.ask(stream=True, session="s", max_tokens=1900, response_format=form)

        asyncio.run(play(host))
        while decoder.running or decoder.waiting or len(host.experience.turns("s")) < 2:
            time.sleep(0.001)
        assert len(host.experience.turns("s")[-1].ids) < 1900
        decoder.pool.take(decoder.pool.capacity)  # it holds none of it


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel cannot be told")
def test_the_connection_of_a_client_that_is_given_up_is_closed(tmp_path: Path) -> None:
    """Without a word to the kernel it would stay open, its buffers full, for as long as the client likes."""
    host = scripted(tmp_path, send_seconds=0.2)
    host._knowledge.answer = lambda *_: "x" * 20_000_000  # type: ignore[method-assign]
    body = json.dumps(HI).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    with served(host) as url, socket.socket() as client:
        before = files_open()
        client.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        client.sendall(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        assert client.recv(10) == b"HTTP/1.1 2"
        assert files_open() == before + 1, "the server's end"
        while files_open() != before:
            time.sleep(0.01)


def files_open() -> int:
    return len(os.listdir("/proc/self/fd"))
