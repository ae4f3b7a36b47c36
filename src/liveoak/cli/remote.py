"""The agent in a running server, over its HTTP face. Records arrive as records and errors as errors."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from liveoak import errors
from liveoak.cli.connection import OnProgress, SessionRecord, stage_of
from liveoak.cli.screen import error_code
from liveoak.errors import LiveoakError, Unavailable
from liveoak.records import (
    Chat,
    Delta,
    Finished,
    Harvest,
    Learned,
    LearnStarted,
    Lesson,
    Message,
    Note,
    Noted,
    Proof,
    ReplyEvent,
    Session,
    ToolCall,
    Turn,
    Version,
)

_PAGE = 1000
"""Versions that are asked for at once."""
_KINDS = {
    error_code(kind): kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, LiveoakError)
}
T = TypeVar("T")


class Remote:
    """A connection to the server at `url`."""

    def __init__(self, url: str, *, agent: str, author: str) -> None:
        self.agent, self.author = agent, author
        self._url = url
        # Lessons and long replies take the time they take; only reaching the server is bounded.
        self._http = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(None, connect=10),
            trust_env=False,
            headers=[(b"X-Liveoak-Author", author.encode())],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def chat(self, request: Chat) -> Generator[ReplyEvent]:
        parts: list[str] = []
        usage: dict[str, int] = {}
        finish, about = "stop", cast(dict[str, Any], {})
        for _, chunk in self._events("/v1/chat/completions", _chat_body(request)):
            usage = chunk.get("usage") or usage
            told: dict[str, Any] = chunk.get("liveoak", {})
            match told.get("event"):
                case "learn_started":
                    yield LearnStarted(call=_as(ToolCall, told["call"]))
                case "learned":
                    proof = None if told["proof"] is None else _proof(told["proof"])
                    yield Learned(call=_as(ToolCall, told["call"]), proof=proof, error=told["error"])
                case "noted":
                    note = None if told["note"] is None else _as(Note, told["note"])
                    yield Noted(call=_as(ToolCall, told["call"]), note=note, error=told["error"])
                case "finished":
                    about, finish = told, chunk["choices"][0]["finish_reason"]
                case _ if chunk["choices"] and (text := chunk["choices"][0]["delta"].get("content")):
                    parts.append(text)
                    yield Delta(text=text)
                case _:
                    pass
        if not about:
            raise Unavailable(f"the server at {self._url} closed the reply before its end; ask again")
        yield Finished(
            finish=cast(Any, finish),
            message=Message(role="assistant", content="".join(parts)),
            version=about["version"],
            session=about["session"],
            turn=about["turn"],
            prompt_tokens=usage.get("prompt_tokens", 0),
            completion_tokens=usage.get("completion_tokens", 0),
        )

    def learn(self, lesson: Lesson, *, session: str | None, on_progress: OnProgress) -> Proof:
        body = {
            "topic": lesson.topic,
            "statements": list(lesson.statements),
            "questions": [{"question": one.question, "answer": one.answer} for one in lesson.questions],
            "demonstrations": [{"prompt": one.prompt, "reply": one.reply} for one in lesson.demonstrations],
            "source": lesson.source,
            "effort": lesson.effort,
            "session": session,
            "stream": True,
        }
        return _proof(self._ended("proof", "/v1/learn", body, on_progress))

    def consolidate(self, session: str, *, on_progress: OnProgress) -> Proof:
        body = {"session": session, "stream": True}
        return _proof(self._ended("proof", "/v1/versions/consolidate", body, on_progress))

    def learn_from_feedback(self, *, on_progress: OnProgress) -> Harvest:
        told = self._ended("harvest", "/v1/feedback/learn", {"stream": True}, on_progress)
        proof = None if told["proof"] is None else _proof(told["proof"])
        return _as(Harvest, {**told, "proof": proof})

    def _ended(self, end: str, path: str, body: dict[str, Any], on_progress: OnProgress) -> Any:
        """The value of the event that ends a study."""
        for name, value in self._events(path, body):
            if name == end:
                return value
            on_progress(stage_of(value["stage"], value["note"]), value["done"], value["total"])
        raise Unavailable(f"the server at {self._url} went away before the lesson was through; see `liveoak versions`")

    def versions(self, session: str | None = None) -> tuple[Version, ...]:
        line: list[Version] = []
        params = {"limit": _PAGE} if session is None else {"limit": _PAGE, "session": session}
        while not line or line[0].parent is not None:
            page = params if not line else {**params, "before": line[0].id}
            line[:0] = (_version(one) for one in self._ask("GET", "/v1/versions", params=page)["data"])
        return tuple(line)

    def version(self, id: str) -> Version:
        return _version(self._ask("GET", f"/v1/versions/{quote(id, safe='')}"))

    def rollback(self, to: str | None, session: str | None) -> Version:
        return _version(self._ask("POST", "/v1/versions/rollback", json={"to": to, "session": session}))

    def promote(self, version: str) -> Version:
        return _version(self._ask("POST", "/v1/versions/promote", json={"version": version}))

    def forget(self, session: str) -> Version:
        return _version(self._ask("POST", "/v1/versions/forget", json={"session": session}))

    def sessions(self, limit: int, before: str | None = None) -> tuple[Session, ...]:
        page = {"limit": limit} if before is None else {"limit": limit, "before": before}
        told = self._ask("GET", "/v1/experience/sessions", params=page)
        return tuple(_as(Session, one) for one in told["data"])

    def record(self, session: str) -> SessionRecord:
        told = self._ask("GET", f"/v1/experience/sessions/{quote(session, safe='')}", params={"tokens": True})
        return SessionRecord(
            session=_as(Session, told["session"]),
            turns=tuple(_as(Turn, one) for one in told["turns"]),
            notes=tuple(_as(Note, one) for one in told["notes"]),
            feedback=told["feedback"],
            lessons=told["lessons"],
        )

    def erase(self, session: str) -> tuple[str, ...]:
        return tuple(self._ask("DELETE", f"/v1/experience/sessions/{quote(session, safe='')}")["retired"])

    def _ask(self, method: str, path: str, **fields: Any) -> Any:
        try:
            answer = self._http.request(method, path, **fields)
        except httpx.HTTPError as error:
            raise self._lost(error) from None
        if answer.is_error:
            raise _error_of(answer.status_code, answer.content)
        return answer.json()

    def _events(self, path: str, body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """(event name, value) of a stream; an error in it is raised."""
        try:
            with self._http.stream("POST", path, json=body) as answer:
                if answer.is_error:
                    raise _error_of(answer.status_code, answer.read())
                name = "message"
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: ") and line != "data: [DONE]":
                        value = json.loads(line.removeprefix("data: "))
                        if "error" in value and "message" in (value["error"] or {}):
                            raise _error_of(500, line.removeprefix("data: ").encode())
                        yield name, value
        except httpx.HTTPError as error:
            raise self._lost(error) from None

    def _lost(self, error: httpx.HTTPError) -> Unavailable:
        return Unavailable(f"the server at {self._url} went away ({type(error).__name__}); start it and try again")


def _chat_body(request: Chat) -> dict[str, Any]:
    sampling = request.sampling
    return {
        "model": request.model,
        "messages": [{"role": one.role, "content": one.content} for one in request.messages],
        "session": request.session,
        "tool_choice": request.tool_choice,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _as(kind: type[T], value: Any) -> T:
    return TypeAdapter(kind).validate_python(value)


def _version(value: dict[str, Any]) -> Version:
    return _as(Version, value)


def _proof(value: dict[str, Any]) -> Proof:
    """A proof; figures of a diverged lesson, which JSON can only write as null, are NaN again."""
    probes = [_numbered(probe) for probe in value["verdict"]["probes"]]
    return _as(Proof, {**_numbered(value), "verdict": {**value["verdict"], "probes": probes}})


def _numbered(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in fields.items()}


def _error_of(status: int, body: bytes) -> LiveoakError:
    try:
        told = json.loads(body)["error"]
        message, code = str(told["message"]), str(told["code"])
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"the server answered {status} without a reason; its log may have one")
    kind = _KINDS.get(code)
    if kind is None:
        kind = next((one for one in _KINDS.values() if one.status == status), LiveoakError)
    return kind(message)
