"""The tools that the runtime itself carries out, and the grammar of calling a tool."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from liveoak.errors import BadLesson, UserError
from liveoak.experience import new_id
from liveoak.records import QA, Chat, Demonstration, Effort, Lesson, Proof, ToolCall, ToolSpec

MOST_STATEMENTS = 12
MOST_PAIRS = 6
_LINE = 240


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")
    question: str = Field(min_length=1, max_length=_LINE)
    answer: str = Field(min_length=1, max_length=_LINE)


class _Demonstration(BaseModel):
    model_config = ConfigDict(extra="forbid")
    prompt: str = Field(min_length=1, max_length=_LINE)
    reply: str = Field(min_length=1, max_length=_LINE)


class LearnArguments(BaseModel):
    """What the agent writes when it calls `learn`."""

    model_config = ConfigDict(extra="forbid")
    topic: str = Field(min_length=1, max_length=80)
    statements: list[str] = Field(default_factory=list[str], max_length=MOST_STATEMENTS)
    questions: list[_Question] = Field(default_factory=list[_Question], max_length=MOST_PAIRS)
    demonstrations: list[_Demonstration] = Field(default_factory=list[_Demonstration], max_length=MOST_PAIRS)
    effort: Effort = "medium"


class NoteArguments(BaseModel):
    """What the agent writes when it calls `note`."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1, max_length=_LINE)


def _schema() -> dict[str, Any]:
    """Written by hand, in the order in which a small model writes best: the topic, then full sentences.

    At least one statement is asked for, since a lesson without content is refused.
    """
    line = {"type": "string", "minLength": 3, "maxLength": _LINE}

    def pairs(*names: str) -> dict[str, Any]:
        one = {
            "type": "object",
            "properties": dict.fromkeys(names, line),
            "required": list(names),
            "additionalProperties": False,
        }
        return {"type": "array", "items": one, "maxItems": MOST_PAIRS}

    return {
        "type": "object",
        "properties": {
            "topic": {"type": "string", "minLength": 2, "maxLength": 80},
            "statements": {"type": "array", "items": line, "minItems": 1, "maxItems": MOST_STATEMENTS},
            "questions": pairs("question", "answer"),
            "demonstrations": pairs("prompt", "reply"),
            "effort": {"enum": ["low", "medium", "high"]},
        },
        "required": ["topic", "statements"],
        "additionalProperties": False,
    }


LEARN = ToolSpec(
    name="learn",
    description="Write facts to your own weights, so that you still know them when this conversation is gone.",
    parameters=_schema(),
)


NOTE = ToolSpec(
    name="note",
    description="Keep a short text before you for the rest of this conversation. Old notes make room for new ones.",
    parameters={
        "type": "object",
        "properties": {"text": {"type": "string", "minLength": 3, "maxLength": _LINE}},
        "required": ["text"],
        "additionalProperties": False,
    },
)
OWN = {tool.name: tool for tool in (LEARN, NOTE)}
"""The agent's own tools by name: the runtime carries them out."""


def lesson_of(call: ToolCall) -> Lesson:
    """The lesson that a `learn` call asks for.

    Raises:
        BadLesson: arguments that are no lesson; the message is for the agent to read.
    """
    try:
        arguments = LearnArguments.model_validate_json(call.arguments)
    except ValidationError as error:
        raise BadLesson(_problem(call, error)) from None
    return Lesson(
        id=new_id("lesson"),
        topic=arguments.topic,
        statements=tuple(statement.strip() for statement in arguments.statements if statement.strip()),
        questions=tuple(QA(question=pair.question, answer=pair.answer) for pair in arguments.questions),
        demonstrations=tuple(Demonstration(prompt=pair.prompt, reply=pair.reply) for pair in arguments.demonstrations),
        effort=arguments.effort,
    )


def note_of(call: ToolCall) -> str:
    """The text that a `note` call asks to keep, in one line.

    Raises:
        UserError: arguments that hold no text; the message is for the agent to read.
    """
    try:
        text = " ".join(NoteArguments.model_validate_json(call.arguments).text.split())
    except ValidationError as error:
        raise UserError(_problem(call, error)) from None
    if not text:
        raise UserError("note: text: it is empty, and a note needs words")
    return text


def _problem(call: ToolCall, error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "arguments"
    return f"{call.name}: {where}: {problem['msg']}"


def told(proof: Proof) -> str:
    """A proof as the agent reads it, in one line of JSON."""
    figures: dict[str, Any] = {
        "learned": proof.verdict.kept,
        "version": proof.version,
        "tokens_trained": proof.tokens_trained,
        "loss": [round(proof.loss_before, 3), round(proof.loss_after, 3)],
        "recall": [round(proof.recall_before, 3), round(proof.recall_after, 3)],
        "retention_nats": round(proof.retention_nats, 4),
        "seconds": round(proof.seconds, 1),
    }
    if proof.verdict.reasons:
        figures["refused_because"] = list(proof.verdict.reasons)
    return json.dumps(figures)


def offered(chat: Chat, policy: str) -> tuple[ToolSpec, ...]:
    """The tools that the agent sees: the client's, and its own as the settings say."""
    tools: tuple[ToolSpec, ...] = ()
    if chat.tool_choice != "none":
        # A client may name a tool of ours only to switch it on; what it does is ours to say.
        tools = tuple(OWN.get(tool.name, tool) for tool in chat.tools)
        listed = {tool.name for tool in tools}
        all_own = policy == "always" or (policy == "with-tools" and bool(chat.tools))
        tools += tuple(
            tool for name, tool in OWN.items() if name not in listed and (all_own or chat.tool_choice == name)
        )
    if chat.tool_choice not in ("auto", "none", "required") and chat.tool_choice not in {tool.name for tool in tools}:
        raise UserError(f"tool_choice {chat.tool_choice!r}: expected auto, none, required or one of the tools' names")
    if chat.tool_choice == "required" and not tools:
        raise UserError("tool_choice 'required' without tools: name at least one")
    return tools


def call_schema(tools: Sequence[ToolSpec], arguments_key: str) -> dict[str, Any]:
    """The JSON object of a call to one of `tools`, as the family writes it."""
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "name": {"const": tool.name},
                    arguments_key: _moved(tool.parameters, f"#/anyOf/{place}/properties/{arguments_key}"),
                },
                "required": ["name", arguments_key],
                "additionalProperties": False,
            }
            for place, tool in enumerate(tools)
        ]
    }


def _moved(schema: Any, root: str) -> Any:
    """A schema that is now part of another one: what it refers to within itself lies at `root`."""
    if isinstance(schema, list):
        return [_moved(part, root) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    parts = cast("dict[str, Any]", schema)
    return {
        key: root + part[1:] if key == "$ref" and isinstance(part, str) and part.startswith("#") else _moved(part, root)
        for key, part in parts.items()
    }
