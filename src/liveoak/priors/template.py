"""A tokenizer's chat template as text, and what it can be found out to support.

Knows how to call the template and what its output looks like. Knows nothing of tokens or origins.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import jinja2

from liveoak.errors import UserError
from liveoak.priors.tool_calls import LOWERED, ToolFormat
from liveoak.records import Origin, Role, ToolCall, ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a message's content, by one hand."""

    text: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message in the form that one template takes."""

    role: Role
    parts: tuple[Part, ...]
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    origin: Origin
    """Of the calls and, for an assistant, of the token that ends its turn."""
    reasoning: str = ""
    """Thinking that the template takes apart from the content."""

    @property
    def content(self) -> str:
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a template does, found by trying it."""

    system: bool
    """Takes a system message."""
    tool_role: bool
    """Takes messages of the role tool."""
    alternates: bool
    """Refuses two messages of one role in a row."""
    native_tools: bool
    """Lists tools, writes calls in a form that we read back, and shows results."""
    reasoning: bool
    """Takes an assistant's thinking apart."""
    format: ToolFormat
    header: str
    """What opens an assistant's turn; empty if nothing does."""


class ChatTemplate:
    """Calls the chat template of a Hugging Face tokenizer."""

    def __init__(self, hf: Any) -> None:
        self._hf = hf
        self.traits = self._find_traits()

    @property
    def source(self) -> str:
        return str(self._hf.chat_template)

    def text(self, drafts: Sequence[Draft], tools: Sequence[ToolSpec] = (), *, generate: bool = False) -> str:
        """The rendered chat.

        Raises:
            UserError: the template refuses these messages.
        """
        messages = [as_hf(draft) for draft in drafts]
        given = [tool_as_hf(tool) for tool in tools] or None
        try:
            return self._call(messages, given, generate)
        except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
            roles = [draft.role for draft in drafts]
            raise UserError(
                f"the prior's chat template refuses these messages (roles {roles!r}): {error}. "
                "Expected an optional system message, then user and assistant in turn, "
                "with tool results after the calls that they answer"
            ) from error

    def _call(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, generate: bool) -> str:
        return cast(
            str,
            self._hf.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=generate),
        )

    def _try(self, *messages: dict[str, Any], tools: list[dict[str, Any]] | None = None) -> str:
        """The rendered probe, or nothing if the template refuses it."""
        try:
            return self._call(list(messages), tools, False)
        except (jinja2.TemplateError, TypeError, ValueError, KeyError):
            return ""

    def _find_traits(self) -> Traits:
        user, again = _say("user", "probe0"), _say("user", "probe1")
        reply, result = _say("assistant", "probe2"), _say("tool", "probe3")
        native = self._native_format()
        both = self._try(user, again)
        return Traits(
            system="probe4" in self._try(_say("system", "probe4"), user),
            tool_role="probe3" in self._try(user, reply, result, reply),
            alternates="probe0" not in both or "probe1" not in both,
            native_tools=native is not None,
            reasoning="reasoning_content" in self.source,
            format=native or LOWERED,
            header=self._header(),
        )

    def _header(self) -> str:
        """What stands before an assistant's content, both when it is asked for and when it is history."""
        user = _say("user", "probe0")
        closed, asked = self._try(user), self._call([user], None, True)
        full = self._try(user, _say("assistant", "probe1"))
        if not (asked.startswith(closed) and full.startswith(closed)):
            return ""
        prompt, turn = asked[len(closed) :], full[len(closed) :].split("probe1")[0]
        same = 0
        while same < min(len(prompt), len(turn)) and prompt[same] == turn[same]:
            same += 1
        return prompt[:same]

    def _native_format(self) -> ToolFormat | None:
        """The form of the template's own tool calls, if it has one and it is among those that we read."""
        tool = tool_as_hf(ToolSpec(name="probe5", description="", parameters={"type": "object", "properties": {}}))
        arguments = {"probe6": "probe7"}
        call = {"type": "function", "function": {"name": "probe8", "arguments": arguments}}
        call = {"id": "probe00x1", **call}
        asks = {"role": "assistant", "content": "", "tool_calls": [call]}
        answers = {"role": "tool", "content": "probe9", "tool_call_id": "probe00x1", "name": "probe8"}
        user = _say("user", "probe0")
        text = self._try(user, asks, answers, _say("assistant", "done"), tools=[tool])
        if "probe5" not in text or "probe9" not in text or "probe5" not in self._try(user, tools=[tool]):
            return None
        for key in ("arguments", "parameters"):
            written = f'{{"name": "probe8", "{key}": {json.dumps(arguments)}}}'
            before, found, after = text.partition(written)
            if not found:
                continue
            if before.rstrip().endswith("<tool_call>") and after.lstrip().startswith("</tool_call>"):
                return ToolFormat(open="<tool_call>\n", close="\n</tool_call>", arguments_key=key)
            if not before.rstrip().endswith((">>", "[", "]", "```", "json")) and not before.endswith("_call>"):
                return ToolFormat(open="", close="", arguments_key=key)
        return None


def as_hf(draft: Draft) -> dict[str, Any]:
    """The message as Hugging Face templates take it: arguments as an object where they are one."""
    message: dict[str, Any] = {"role": draft.role, "content": draft.content}
    if draft.reasoning:
        message["reasoning_content"] = draft.reasoning
    if draft.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments_of(call)}}
            for call in draft.calls
        ]
    if draft.call_id is not None:
        message["tool_call_id"] = draft.call_id
    return message


def arguments_of(call: ToolCall) -> dict[str, Any] | str:
    """The call's arguments as an object, or its text where that is none."""
    try:
        value: object = json.loads(call.arguments)
    except ValueError:
        return call.arguments
    return cast(dict[str, Any], value) if isinstance(value, dict) else call.arguments


def tool_as_hf(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _say(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}
