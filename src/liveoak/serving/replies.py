"""From the runtime's events to OpenAI completions and chunks."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from liveoak.records import Delta, Finished, Learned, LearnStarted, Note, Noted, Proof, TokenLogprob, ToolCall
from liveoak.serving.encoding import as_json

Happening = Delta | LearnStarted | Learned | Noted
"""What a reply tells before it ends."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """One reply as it comes in, told as a whole or piece by piece."""

    agent: str
    model: str
    """What the request named, until the reply says which version made it."""
    with_logprobs: bool
    with_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    tokens: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    learned: list[Proof] = field(default_factory=list[Proof])
    failed: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    noted: list[Note] = field(default_factory=list[Note])
    not_noted: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def take(self, event: Happening) -> None:
        match event:
            case Delta(tokens=tokens) if self.with_logprobs:
                self.tokens.extend(tokens)
            case Learned(proof=None, error=error, call=call):
                self.failed.append({"call": call.id, "error": error})
            case Learned(proof=proof) if proof is not None:
                self.learned.append(proof)
            case Noted(note=None, error=error, call=call):
                self.not_noted.append({"call": call.id, "error": error})
            case Noted(note=note) if note is not None:
                self.noted.append(note)
            case _:
                pass

    def whole(self, end: Finished) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": end.message.content or None, "refusal": None}
        if end.message.tool_calls:
            message["tool_calls"] = [_call(call) for call in end.message.tool_calls]
        elif message["content"] is None:
            message["content"] = ""
        logprobs = _logprobs(self.tokens) if self.with_logprobs else None
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": f"{self.agent}@{end.version}",
            "choices": [{"index": 0, "message": message, "finish_reason": end.finish, "logprobs": logprobs}],
            "usage": _usage(end),
            "liveoak": self._about(end),
        }

    def opening(self) -> dict[str, Any]:
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, event: Happening) -> dict[str, Any]:
        match event:
            case Delta():
                logprobs = _logprobs(event.tokens) if self.with_logprobs and event.tokens else None
                return self._chunk({"content": event.text}, logprobs=logprobs)
            case LearnStarted():
                return self._chunk({}, liveoak={"event": "learn_started", "call": as_json(event.call)})
            case Learned():
                return self._chunk({}, liveoak={"event": "learned", **as_json(event)})
            case Noted():
                return self._chunk({}, liveoak={"event": "noted", **as_json(event)})

    def closing(self, end: Finished) -> list[dict[str, Any]]:
        """The last chunks: tool calls, the finish with its version, and usage where asked for."""
        chunks: list[dict[str, Any]] = []
        if end.message.tool_calls:
            calls = [{"index": place, **_call(call)} for place, call in enumerate(end.message.tool_calls)]
            chunks.append(self._chunk({"tool_calls": calls}))
        self.model = f"{self.agent}@{end.version}"
        chunks.append(self._chunk({}, finish=end.finish, liveoak={"event": "finished", **self._about(end)}))
        if self.with_usage:
            chunks.append({**self._chunk({}), "choices": [], "usage": _usage(end)})
        return chunks

    def _about(self, end: Finished) -> dict[str, Any]:
        return {
            "version": end.version,
            "session": end.session,
            "turn": end.turn,
            "learned": [as_json(proof) for proof in self.learned],
            "not_learned": self.failed,
            "noted": as_json(self.noted),
            "not_noted": self.not_noted,
        }

    def _chunk(
        self,
        delta: dict[str, Any],
        *,
        finish: str | None = None,
        logprobs: dict[str, Any] | None = None,
        liveoak: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        chunk: dict[str, Any] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}],
        }
        if self.with_usage:
            chunk["usage"] = None
        if liveoak is not None:
            chunk["liveoak"] = liveoak
        return chunk


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(end: Finished) -> dict[str, int]:
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.completion_tokens,
        "total_tokens": end.prompt_tokens + end.completion_tokens,
    }


def _logprobs(tokens: list[TokenLogprob] | tuple[TokenLogprob, ...]) -> dict[str, Any]:
    entries = [
        {
            **_token(token.token, token.logprob),
            "top_logprobs": [_token(text, logprob) for text, logprob in token.top],
        }
        for token in tokens
    ]
    return {"content": entries, "refusal": None}


def _token(text: str, logprob: float) -> dict[str, Any]:
    # JSON has no infinity: the OpenAI API writes a token of (almost) no probability as -9999.
    return {
        "token": text,
        "logprob": max(logprob, -9999.0),
        "bytes": list(text.encode("utf-8", errors="replace")),
    }
