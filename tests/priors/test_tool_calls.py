"""Tool calls: written, read back, and left alone where they cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count

import pytest
from chat_families import tokenizer_of
from chat_strategies import TOOLS, calls_of, plain
from hypothesis import given
from hypothesis import strategies as st

from liveoak.priors.lower import signature, tools_text
from liveoak.priors.tool_calls import LOWERED, ToolFormat
from liveoak.records import Message, ToolCall

BARE = ToolFormat(open="", close="", arguments_key="parameters")


def numbered() -> Callable[[], str]:
    numbers = count()
    return lambda: f"id{next(numbers)}"


def test_content_and_calls_are_told_apart() -> None:
    text = (
        'First.\n<tool_call>\n{"name": "learn", "arguments": {"topic":  "x", "n": [1, 2]}}\n</tool_call>\n'
        '<tool_call>{"arguments": {}, "name": "note"}</tool_call>'
    )
    assert LOWERED.read(text, new_id=numbered()) == Message(
        role="assistant",
        content="First.",
        tool_calls=(
            ToolCall(id="id0", name="learn", arguments='{"topic":  "x", "n": [1, 2]}'),
            ToolCall(id="id1", name="note", arguments="{}"),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "no call at all",
        "<tool_call>not json</tool_call>",
        '<tool_call>{"name": "learn", "arguments": {"topic": "cut o',
        '<tool_call>{"arguments": {}}</tool_call>',
        '<tool_call>{"name": "", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "learn", "arguments": [1]}</tool_call>',
        '<tool_call>{"name": 3}</tool_call>',
        "<tool_call>[]</tool_call>",
        "<tool_call></tool_call>",
    ],
)
def test_what_is_no_call_stays_content(text: str) -> None:
    assert LOWERED.read(text, new_id=numbered()) == Message(role="assistant", content=text)


def test_forms_that_models_write_are_read() -> None:
    def only(text: str, form: ToolFormat = LOWERED) -> ToolCall:
        (call,) = form.read(text, new_id=numbered()).tool_calls
        return call

    wanted = ToolCall(id="id0", name="learn", arguments='{"topic": "x"}')
    assert only('<tool_call>{"name": "learn", "arguments": "{\\"topic\\": \\"x\\"}"}</tool_call>') == wanted
    assert only('<tool_call>{"name": "learn", "parameters": {"topic": "x"}}') == wanted  # stopped before the end
    assert only('<|python_tag|>{"name": "learn", "parameters": {"topic": "x"}}', BARE) == wanted
    assert only('<tool_call>{"name": "note"}</tool_call>').arguments == "{}"
    assert BARE.read('see {"name": "learn"}', new_id=numbered()).tool_calls == ()


@pytest.mark.parametrize("form", [LOWERED, BARE], ids=["hermes", "bare"])
@given(data=st.data())
def test_what_is_written_is_read_back(form: ToolFormat, data: st.DataObject) -> None:
    call = data.draw(calls_of(plain))
    read = form.read(form.write(call), new_id=lambda: call.id)
    assert read == Message(role="assistant", content="", tool_calls=(call,))
    assert form.write(call).startswith(form.open + '{"name": ')
    assert form.marker in form.write(call)


def test_ids_differ() -> None:
    tokenizer = tokenizer_of("chatml")
    text = '<tool_call>{"name": "a"}</tool_call><tool_call>{"name": "a"}</tool_call>'
    first, second = tokenizer.parse_reply(text).tool_calls
    assert first.id != second.id


def test_the_tools_are_told_in_few_words() -> None:
    assert tools_text(TOOLS) == (
        "Tools:\n"
        '- learn(topic: string, effort?: "low"|"high", questions?: [{question?: string}]): '
        "Keep what you are told, “for good”.\n"
        "- note()\n"
        'To use one, write <tool_call>{"name": NAME, "arguments": {...}}</tool_call>'
    )
    assert signature({}) == ""
    assert signature({"properties": {"a": {"anyOf": []}, "b": {"type": ["string", "null"]}, "c": True}}) == (
        "a?: any, b?: any, c?: any"
    )


def test_arguments_are_kept_as_written() -> None:
    odd = ToolCall(id="1", name="a", arguments='{ "x" :1.50 }')
    assert LOWERED.write(odd) == '<tool_call>{"name": "a", "arguments": { "x" :1.50 }}</tool_call>'
    assert LOWERED.read(LOWERED.write(odd), new_id=lambda: "1").tool_calls == (odd,)
    broken = LOWERED.write(ToolCall(id="1", name="a", arguments="{oops"))
    assert json.loads(broken[len("<tool_call>") : -len("</tool_call>")])["arguments"] == "{oops"
