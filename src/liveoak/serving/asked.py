"""From a chat body to the record that the runtime takes."""

from __future__ import annotations

from typing import Any

from liveoak.errors import UserError
from liveoak.records import Chat, Message, Sampling, ToolCall, ToolSpec
from liveoak.serving.wire import ChatBody, WireMessage

BUILT_IN_TOOLS = ("learn", "note")
"""Tools that the runtime carries out itself; a client may force one without listing it."""
_ANY_OBJECT: dict[str, Any] = {"type": "object"}


def chat_of(body: ChatBody, *, author: str, session: str | None) -> Chat:
    """
    Raises:
        UserError: a tool result without its call, a tool_choice that no tool has, or a format beside a forced tool.
    """
    _check_results(body.messages)
    return Chat(
        messages=tuple(_message(message) for message in body.messages),
        model=body.model,
        author=author,
        session=session,
        tools=_tools(body),
        tool_choice=_tool_choice(body),
        sampling=_sampling(body),
    )


def _message(message: WireMessage) -> Message:
    return Message(
        role=message.role,
        content=message.content,
        tool_calls=tuple(
            ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
            for call in message.tool_calls or ()
        ),
        tool_call_id=message.tool_call_id if message.role == "tool" else None,
    )


def _check_results(messages: list[WireMessage]) -> None:
    called: set[str] = set()
    for place, message in enumerate(messages):
        called.update(call.id for call in message.tool_calls or ())
        if message.role == "tool" and message.tool_call_id not in called:
            raise UserError(
                f"messages[{place}] answers tool call {message.tool_call_id!r}, which no earlier assistant message made"
            )


def _tools(body: ChatBody) -> tuple[ToolSpec, ...]:
    return tuple(
        ToolSpec(name=tool.function.name, description=tool.function.description, parameters=tool.function.parameters)
        for tool in body.tools or ()
    )


def _tool_choice(body: ChatBody) -> str:
    if not body.tool_choice.startswith(":"):
        return body.tool_choice
    name = body.tool_choice[1:]
    listed = [tool.function.name for tool in body.tools or ()]
    if name in ("auto", "none", "required") or name not in (*listed, *BUILT_IN_TOOLS):
        raise UserError(f"tool_choice names {name!r}: expected one of {sorted({*listed, *BUILT_IN_TOOLS})!r}")
    if body.response_format is not None and body.response_format.type != "text":
        raise UserError(f"tool_choice {name!r} and response_format exclude each other: send one of them")
    return name


def _sampling(body: ChatBody) -> Sampling:
    default = Sampling()
    longest = body.max_completion_tokens or body.max_tokens
    return Sampling(
        temperature=default.temperature if body.temperature is None else body.temperature,
        top_p=default.top_p if body.top_p is None else body.top_p,
        max_tokens=default.max_tokens if longest is None else longest,
        stop=tuple(body.stop),
        seed=body.seed,
        top_logprobs=body.top_logprobs or 0,
        schema=_schema(body),
        # Who asks for figures, or for the same reply twice, must not get what an earlier request left in the cache.
        exact=bool(body.logprobs) or body.seed is not None,
    )


def _schema(body: ChatBody) -> dict[str, Any] | None:
    match body.response_format:
        case None:
            return None
        case wanted if wanted.json_schema is not None:
            return wanted.json_schema.definition
        case wanted:
            return _ANY_OBJECT if wanted.type == "json_object" else None
