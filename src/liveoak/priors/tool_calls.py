"""How a family writes tool calls in an assistant's text, and how they are read back."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from liveoak.records import Message, ToolCall

_BLOCK = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFormat:
    """A call is `open`, a JSON object with `name` and `arguments_key`, and `close`."""

    open: str
    close: str
    arguments_key: Literal["arguments", "parameters"]

    @property
    def marker(self) -> str:
        """The text that begins a call and nothing else."""
        return self.open.strip() or '{"name":'

    def write(self, call: ToolCall) -> str:
        """The call as text, with its arguments as the agent wrote them."""
        arguments = call.arguments.strip() if _is_json(call.arguments) else json.dumps(call.arguments)
        name = json.dumps(call.name, ensure_ascii=False)
        return f'{self.open}{{"name": {name}, "{self.arguments_key}": {arguments}}}{self.close}'

    def read(self, text: str, *, new_id: Callable[[], str]) -> Message:
        """A reply as content and calls. What cannot be read as a call stays content: a bad reply is data."""
        if self.open.strip():
            return self._read_blocks(text, new_id)
        body = text.strip().removeprefix("<|python_tag|>").strip()
        call = _read_call(body, new_id)
        return _assistant(text.strip(), ()) if call is None else _assistant("", (call,))

    def _read_blocks(self, text: str, new_id: Callable[[], str]) -> Message:
        calls: list[ToolCall] = []

        def take(block: re.Match[str]) -> str:
            call = _read_call(block[1].strip(), new_id)
            if call is None:
                return block[0]
            calls.append(call)
            return ""

        content = _BLOCK.sub(take, text)
        return _assistant(content.strip(), tuple(calls))


LOWERED = ToolFormat(open="<tool_call>", close="</tool_call>", arguments_key="arguments")
"""The form for templates that know no tools."""


def fresh_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"


def _assistant(content: str, calls: tuple[ToolCall, ...]) -> Message:
    return Message(role="assistant", content=content, tool_calls=calls)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _read_call(text: str, new_id: Callable[[], str]) -> ToolCall | None:
    try:
        fields = _members(text)
    except ValueError:
        return None
    name, _ = fields.get("name", (None, ""))
    value, raw = fields.get("arguments") or fields.get("parameters") or ({}, "{}")
    if isinstance(value, str):  # some models write the object as a string of JSON
        value, raw = _parsed(value), value
    if not isinstance(name, str) or not name or not isinstance(value, dict):
        return None
    return ToolCall(id=new_id(), name=name, arguments=raw)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _members(text: str) -> dict[str, tuple[Any, str]]:
    """The members of a JSON object, each with its value and the very text of the value.

    Raises:
        ValueError: `text` is not one JSON object.
    """
    whole: object = json.loads(text)
    if not isinstance(whole, dict):
        raise ValueError("not an object")
    found: dict[str, tuple[Any, str]] = {}
    at = _skip(text, 0) + 1
    for _ in whole:
        key, at = _DECODER.raw_decode(text, _skip(text, at))
        start = _skip(text, _skip(text, at) + 1)
        value, at = _DECODER.raw_decode(text, start)
        found[str(key)] = (value, text[start:at])
        at = _skip(text, at) + 1
    return found


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
