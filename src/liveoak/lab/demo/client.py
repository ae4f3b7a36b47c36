"""All that the demonstration may do: what any client could."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import httpx
from openai import APIConnectionError, APIStatusError, OpenAI
from openai.types.chat import ChatCompletion

from liveoak.errors import LiveoakError, Unavailable, UserError
from liveoak.lab.exam import MAX_TOKENS, ExamReply

_AT_ONCE = 16
"""Requests under way together: enough to fill a batch, fewer than any queue holds."""
_SECONDS = 900.0


class Repeatably:
    """An examinee that is asked one by one, with a seed: nothing that else is asked or cached moves a figure."""

    def __init__(self, ask: Callable[[str, str | None], ExamReply]) -> None:
        self._ask = ask

    def answer(self, prompts: Sequence[str], *, version: str | None = None) -> Sequence[ExamReply]:
        return [self._ask(prompt, version) for prompt in prompts]


class Client:
    """Talks to one server: chats through the official `openai` client, the rest over HTTP. A context manager."""

    def __init__(self, url: str, agent: str) -> None:
        self._agent = agent
        self._openai = OpenAI(base_url=f"{url}/v1", api_key="unused", timeout=_SECONDS, max_retries=0)
        self._http = httpx.Client(base_url=url, timeout=_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._openai.close()
        self._http.close()

    def answer(self, prompts: Sequence[str], *, version: str | None = None) -> Sequence[ExamReply]:
        """Greedy replies in the order of the prompts, asked side by side."""

        def ask(prompt: str) -> ExamReply:
            return _reply(self._complete(prompt, version))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(ask, prompts))

    @property
    def repeatably(self) -> Repeatably:
        """The same agent, asked so that the same version gives the same reply to the same prompt, to the last bit."""
        return Repeatably(lambda prompt, version: _reply(self._complete(prompt, version, seed=0)))

    def logprobs(self, prompts: Sequence[str], *, version: str | None = None) -> tuple[tuple[float, ...], ...]:
        """The exact log-probabilities of greedy replies, with those of the runners-up, asked one by one."""
        found: list[tuple[float, ...]] = []
        for prompt in prompts:
            content = self._complete(prompt, version, logprobs=True, top_logprobs=5).choices[0].logprobs
            tokens = [] if content is None or content.content is None else content.content
            found.append(
                tuple(x for token in tokens for x in (token.logprob, *(t.logprob for t in token.top_logprobs)))
            )
        return tuple(found)

    def learn(self, lesson: dict[str, Any], on_progress: Callable[[str, int, int], None]) -> dict[str, Any]:
        """POST /v1/learn, with progress; gives the proof.

        Raises:
            LiveoakError: what the server says is wrong with the lesson.
        """
        with self._http.stream("POST", "/v1/learn", json={**lesson, "stream": True}) as response:
            if response.is_error:
                response.read()
                raise _refusal(response.status_code, response.text)
            for event, data in _events(response.iter_lines()):
                if event == "proof":
                    return data
                if event == "error":
                    raise _fault(422, data)
                on_progress(str(data["stage"]), int(data["done"]), int(data["total"]))
        raise Unavailable("the server closed the connection before the lesson was through; its log says why")

    def versions(self) -> list[dict[str, Any]]:
        """The chain that leads to what is served, oldest first."""
        return self._said(self._http.get("/v1/versions"))["data"]

    def rollback(self, to: str) -> None:
        if self.versions()[-1]["id"] != to:
            self._said(self._http.post("/v1/versions/rollback", json={"to": to}))

    def promote(self, version: str) -> None:
        self._said(self._http.post("/v1/versions/promote", json={"version": version}))

    def health(self) -> dict[str, Any]:
        return self._said(self._http.get("/healthz"))

    def _complete(self, prompt: str, version: str | None, **more: Any) -> ChatCompletion:
        model = self._agent if version is None else f"{self._agent}@{version}"
        try:
            return self._openai.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": prompt}],
                temperature=0,
                max_tokens=MAX_TOKENS,
                tool_choice="none",
                **more,
            )
        except APIStatusError as error:
            raise _refusal(error.status_code, error.response.text) from None
        except APIConnectionError as error:
            raise Unavailable(f"the server does not answer: {error}; its log says why") from None

    def _said(self, response: httpx.Response) -> dict[str, Any]:
        if response.is_error:
            raise _refusal(response.status_code, response.text)
        return response.json()


def _reply(done: ChatCompletion) -> ExamReply:
    version = done.model.partition("@")[2]
    if not version:
        raise LiveoakError(f"the reply's model is {done.model!r}; expected AGENT@VERSION")
    prompt_tokens = 0 if done.usage is None else done.usage.prompt_tokens
    return ExamReply(text=done.choices[0].message.content or "", version=version, prompt_tokens=prompt_tokens)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events that carry JSON."""
    name = ""
    for line in lines:
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:") and (text := line.removeprefix("data:").strip()) != "[DONE]":
            yield name, json.loads(text)


def _refusal(status: int, text: str) -> LiveoakError:
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    return _fault(status, body)


def _fault(status: int, body: Any) -> LiveoakError:
    """The server's error as ours, by its code; so the exit code is the same on both sides."""
    match body:
        case {"error": {"message": str(message), "code": str(code)}}:
            return _KINDS.get(code.replace("_", ""), UserError if status < 500 else LiveoakError)(message)
        case _:
            return LiveoakError(f"the server answered with status {status}: {body!r}; expected an error object")


def _tree(kind: type[LiveoakError]) -> Iterator[type[LiveoakError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


_KINDS = {kind.__name__.lower(): kind for kind in _tree(LiveoakError)}
