"""Bodies that clients send. Unknown fields are refused by name; OpenAI fields that we do not obey are told apart:
harmless ones are accepted, ones that would change the reply are refused unless they hold their neutral value.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from liveoak.records import Effort, FeedbackKind, Role

SessionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@-]{1,128}$")]
AuthorName = Annotated[str, Field(min_length=1, max_length=128)]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Limit = Annotated[int, Field(ge=1, le=1000)]

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "functions": ([],),
    "function_call": (),
    "audio": (),
    "modalities": (["text"],),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "web_search_options": (),
}


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Body(Wire):
    """A whole request body."""

    @model_validator(mode="before")
    @classmethod
    def _encodable(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        try:
            json.dumps(data, ensure_ascii=False).encode()
        except RecursionError:
            raise ValueError("nested too deeply to be read") from None
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise ValueError(f"{half!r} is half of a surrogate pair and no character: send valid Unicode") from None
        return data


def _flat(content: Any) -> Any:
    """Content parts as one text."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return content
    texts: list[str] = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise ValueError("only parts of the form {'type': 'text', 'text': ...} are read")
        texts.append(part["text"])
    return "".join(texts)


def _chosen(choice: Any) -> Any:
    """`tool_choice` as `auto`, `none`, `required`, or `:NAME` for a function that must be called."""
    match choice:
        case None | "auto" | "none" | "required":
            return choice or "auto"
        case {"type": "function", "function": {"name": str(name)}}:
            return f":{name}"
        case _:
            raise ValueError("expected 'auto', 'none', 'required' or {'type': 'function', 'function': {'name': ...}}")


def _listed(stop: Any) -> Any:
    return [] if stop is None else [stop] if isinstance(stop, str) else stop


class WireFunctionCall(Wire):
    name: ToolName
    arguments: str


class WireToolCall(Wire):
    id: str
    type: Literal["function"] = "function"
    index: int | None = None
    function: WireFunctionCall


class WireMessage(Wire):
    role: Annotated[Role, BeforeValidator(lambda role: "system" if role == "developer" else role)]
    content: Annotated[str, BeforeValidator(_flat)] = ""
    tool_calls: list[WireToolCall] | None = None
    tool_call_id: str | None = None
    # What clients send back of an earlier reply, or say of its writer: read by nobody.
    name: str | None = None
    refusal: None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("a message of role 'tool' needs tool_call_id, the id of the call that it answers")
        if self.role != "assistant" and self.tool_calls:
            raise ValueError(f"only assistant messages carry tool_calls, not role {self.role!r}")
        return self


class WireFunction(Wire):
    name: ToolName
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None


class WireTool(Wire):
    type: Literal["function"]
    function: WireFunction


class WireSchema(Wire):
    name: str | None = None
    description: str | None = None
    definition: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class WireFormat(Wire):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: WireSchema | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema goes with type 'json_schema', and only with it")
        return self


class StreamOptions(Wire):
    include_usage: bool = False
    include_obfuscation: bool | None = None


class ChatBody(Body):
    """POST /v1/chat/completions"""

    model: str
    messages: list[WireMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[WireTool] | None = None
    tool_choice: Annotated[str, BeforeValidator(_chosen)] = "auto"
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_listed)] = Field(
        default_factory=list, max_length=16
    )
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: WireFormat | None = None
    session: SessionName | None = None
    user: AuthorName | None = None
    metadata: dict[str, str] | None = None
    # Harmless: about the service, not about the reply.
    store: bool | None = None
    service_tier: str | None = None
    parallel_tool_calls: bool | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prediction: Any = None
    # Not obeyed: refused unless neutral.
    n: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    logit_bias: Any = None
    functions: Any = None
    function_call: Any = None
    audio: Any = None
    modalities: Any = None
    reasoning_effort: Any = None
    verbosity: Any = None
    web_search_options: Any = None

    @field_validator(*_NEUTRAL)
    @classmethod
    def _neutral(cls, value: Any, info: ValidationInfo) -> Any:
        neutral = _NEUTRAL[info.field_name or ""]
        if value is not None and value not in neutral:
            hint = f"leave it out or send {neutral[0]!r}" if neutral else "leave it out"
            raise ValueError(f"not supported by this server, and it would change the reply: {hint}")
        return value

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.max_tokens and self.max_completion_tokens and self.max_tokens != self.max_completion_tokens:
            raise ValueError("max_tokens and max_completion_tokens differ: send one of them")
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        if self.stream_options and not self.stream:
            raise ValueError("stream_options needs stream: true")
        names = [tool.function.name for tool in self.tools or ()]
        if len(set(names)) < len(names):
            raise ValueError(f"two tools have one name: {sorted(names)!r}")
        return self


class WireQA(Wire):
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class WireDemonstration(Wire):
    prompt: str = Field(min_length=1)
    reply: str = Field(min_length=1)


class LearnBody(Body):
    """POST /v1/learn: the arguments of the `learn` tool, or a document's text as `source`, or both."""

    topic: str = ""
    statements: list[str] = []
    questions: list[WireQA] = []
    demonstrations: list[WireDemonstration] = []
    source: str = ""
    effort: Effort = "medium"
    session: SessionName | None = None
    """None teaches the agent (slow weights); else the session's fast weights are written."""
    user: AuthorName | None = None
    stream: bool = False


class FeedbackBody(Body):
    """POST /v1/feedback"""

    turn: str
    kind: FeedbackKind
    value: float | None = Field(default=None, ge=-1, le=1)
    text: str | None = None
    user: AuthorName | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "reward" and self.value is None:
            raise ValueError("kind 'reward' needs a value in [-1, 1]")
        if self.kind != "reward" and not (self.text and self.text.strip()):
            raise ValueError(f"kind {self.kind!r} needs a text")
        return self


class HarvestBody(Body):
    """POST /v1/feedback/learn"""

    user: AuthorName | None = None
    stream: bool = False


class RollbackBody(Body):
    """POST /v1/versions/rollback"""

    to: str | None = None
    """None: the parent of what is served."""
    session: SessionName | None = None
    user: AuthorName | None = None


class PromoteBody(Body):
    """POST /v1/versions/promote"""

    version: str
    user: AuthorName | None = None


class ForgetBody(Body):
    """POST /v1/versions/forget"""

    session: SessionName
    user: AuthorName | None = None


class ConsolidateBody(Body):
    """POST /v1/versions/consolidate"""

    session: SessionName
    user: AuthorName | None = None
    stream: bool = False
