"""Messages in the form that a template takes.

A template that knows tools gets them as they are. For one that does not, the tools and the way to call them go into
the system message, calls into the assistant's text, and results into what the template does take.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from liveoak.errors import UserError
from liveoak.priors.template import Draft, Part, Traits
from liveoak.records import Message, Origin, Role, ToolSpec

_OF_ROLE: dict[Role, Origin] = {
    "system": Origin.GIVEN,
    "user": Origin.GIVEN,
    "tool": Origin.OBSERVED,
    "assistant": Origin.ACTED,
}


def lower(
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    traits: Traits,
    origins: Sequence[Origin | None] | None = None,
) -> tuple[tuple[Draft, ...], tuple[ToolSpec, ...]]:
    """Drafts for the template, and the tools that it is to be given.

    Raises:
        UserError: the roles are in no order that can be meant, or `origins` is of another length.
    """
    check_order(messages)
    if origins is not None and len(origins) != len(messages):
        raise UserError(f"got {len(origins)!r} origins for {len(messages)!r} messages; expected one for each, or none")
    given = origins or [None] * len(messages)
    drafts = [_draft(message, origin, traits) for message, origin in zip(messages, given, strict=True)]
    if tools and not traits.native_tools:
        drafts = _with_system(drafts, tools_text(tools))
    if not traits.system:
        drafts = _fold_system(drafts)
    if traits.alternates:
        drafts = _merge(drafts)
    return tuple(drafts), tuple(tools) if traits.native_tools else ()


def check_order(messages: Sequence[Message]) -> None:
    """Refuses what no template could mean.

    Raises:
        UserError: with the index of the message at fault.
    """
    if not messages:
        raise UserError("got no messages; expected at least one")
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        where = f"message {index} (role {message.role!r})"
        if any("\ud800" <= letter <= "\udfff" for letter in message.content):
            raise UserError(f"{where}: holds half of a character (a lone surrogate); expected valid Unicode text")
        if message.role == "system" and index:
            raise UserError(f"{where}: a system message may only be the first; move its text to the front")
        if message.tool_calls and message.role != "assistant":
            raise UserError(f"{where}: has tool calls; only an assistant message may have them")
        if message.role != "tool":
            open_calls = {call.id for call in message.tool_calls}
        elif not open_calls:
            raise UserError(f"{where}: answers no tool call; expected an assistant message with tool_calls before it")
        elif message.tool_call_id is not None and message.tool_call_id not in open_calls:
            raise UserError(
                f"{where}: tool_call_id {message.tool_call_id!r} is not among the calls before it, "
                f"{sorted(open_calls)!r}"
            )


def tools_text(tools: Iterable[ToolSpec]) -> str:
    """The tools and how to call them, short: the window of a small prior is narrow."""
    lines = [f"- {tool.name}({signature(tool.parameters)}): {tool.description}".rstrip(": ") for tool in tools]
    call = '<tool_call>{"name": NAME, "arguments": {...}}</tool_call>'
    return "\n".join(["Tools:", *lines, f"To use one, write {call}"])


def signature(schema: dict[str, Any]) -> str:
    """A JSON schema of an object as a list of parameters; `?` marks those that may be left out."""
    required = set(schema.get("required", ()))
    properties: dict[str, Any] = schema.get("properties", {})
    return ", ".join(f"{name}{'' if name in required else '?'}: {_kind(value)}" for name, value in properties.items())


def _kind(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "any"
    if "enum" in schema:
        return "|".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    if kind == "object" and schema.get("properties"):
        return f"{{{signature(schema)}}}"
    return kind if isinstance(kind, str) else "any"


def _draft(message: Message, origin: Origin | None, traits: Traits) -> Draft:
    hand = origin or _OF_ROLE[message.role]
    if message.role == "tool" and not traits.native_tools and not traits.tool_role:
        wrapped = (
            Part(text="<tool_response>", origin=Origin.SCAFFOLD),
            Part(text=message.content, origin=hand),
            Part(text="</tool_response>", origin=Origin.SCAFFOLD),
        )
        return Draft(role="user", parts=wrapped, origin=hand)
    if message.role != "assistant" or not message.tool_calls or traits.native_tools:
        reasoning, content = _split_reasoning(message, traits)
        parts = (Part(text=content, origin=hand),)
        return Draft(
            role=message.role,
            parts=parts,
            calls=message.tool_calls,
            call_id=message.tool_call_id,
            origin=hand,
            reasoning=reasoning,
        )
    pieces = [message.content] if message.content else []
    text = "\n".join([*pieces, *(traits.format.write(call) for call in message.tool_calls)])
    return Draft(role="assistant", parts=(Part(text=text, origin=hand),), origin=hand)


def _split_reasoning(message: Message, traits: Traits) -> tuple[str, str]:
    """Thinking and the rest, for templates that take them apart: where a reply ends its thinking twice, what lies
    between is neither to them."""
    if message.role != "assistant" or not traits.reasoning or "</think>" not in message.content:
        return "", message.content
    head, *_, content = message.content.split("</think>")
    return head.rpartition("<think>")[2].strip("\n"), content.lstrip("\n")


def _with_system(drafts: list[Draft], text: str) -> list[Draft]:
    part = Part(text=text, origin=Origin.GIVEN)
    if drafts[0].role != "system":
        return [Draft(role="system", parts=(part,), origin=Origin.GIVEN), *drafts]
    first = drafts[0]
    gap = Part(text="\n\n" if first.content else "", origin=first.origin)
    return [Draft(role="system", parts=(*first.parts, gap, part), origin=first.origin), *drafts[1:]]


def _fold_system(drafts: list[Draft]) -> list[Draft]:
    """The system message as the beginning of the first user message."""
    if drafts[0].role != "system":
        return drafts
    system, rest = drafts[0], drafts[1:]
    if not rest or rest[0].role != "user":
        return [Draft(role="user", parts=system.parts, origin=system.origin), *rest]
    gap = Part(text="\n\n" if system.content else "", origin=system.origin)
    user = rest[0]
    return [Draft(role="user", parts=(*system.parts, gap, *user.parts), origin=user.origin), *rest[1:]]


def _merge(drafts: list[Draft]) -> list[Draft]:
    """Neighbours of one role as one message. Tool results with native tools stay apart: templates take them so."""
    merged: list[Draft] = []
    for draft in drafts:
        last = merged[-1] if merged else None
        if last is None or last.role != draft.role or draft.role == "tool" or last.calls or draft.calls:
            merged.append(draft)
            continue
        gap = Part(text="\n" if last.content and draft.content else "", origin=Origin.SCAFFOLD)
        merged[-1] = Draft(role=draft.role, parts=(*last.parts, gap, *draft.parts), origin=draft.origin)
    return merged
