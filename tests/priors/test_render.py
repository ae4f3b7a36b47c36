"""Rendered chats against the tokenizer's own template, and whose each token is."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from chat_families import FAMILIES, tokenizer_of
from chat_strategies import TOOLS, chats, marked, plain, thoughtful
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveoak.errors import UserError
from liveoak.priors.chat import ChatTokenizer
from liveoak.priors.lower import lower
from liveoak.priors.plain import _spans
from liveoak.priors.template import as_hf, tool_as_hf
from liveoak.records import Message, Origin, Rendered, Span, ToolCall, ToolSpec

A, D, G, O, S = Origin.ACTED, Origin.DEMONSTRATED, Origin.GIVEN, Origin.OBSERVED, Origin.SCAFFOLD  # noqa: E741
families = pytest.mark.parametrize("family", FAMILIES)
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def own(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec] = (),
    *,
    generate: bool = False,
    **options: Any,
) -> list[int]:
    """What the tokenizer itself makes of the messages in the form that its template takes."""
    drafts, native = lower(messages, tools, tokenizer.traits)
    return tokenizer.hf.apply_chat_template(
        [as_hf(draft) for draft in drafts],
        tools=[tool_as_hf(tool) for tool in native] or None,
        add_generation_prompt=generate,
        tokenize=True,
        return_dict=False,
        **options,
    )


@families
@often
@given(content=marked)
def test_a_reply_is_opened_by_tokens_that_nothing_else_holds(family: str, content: str) -> None:
    tokenizer = tokenizer_of(family)
    asked = [Message(role="user", content=content)]
    opening, ids = tokenizer.invocation, tokenizer.render(asked, add_generation_prompt=True).ids
    found = [place for place in range(len(ids)) if ids[place : place + len(opening)] == opening]
    assert opening and found == [len(tokenizer.render(asked).ids)]
    answered = tokenizer.render([*asked, Message(role="assistant", content=f"\n{content}")]).ids
    assert opening in [answered[place : place + len(opening)] for place in range(len(answered))]


def as_it_came(message: Message) -> dict[str, Any]:
    """The message as a client sends it, which nothing of ours has touched."""
    sent: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        sent["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.loads(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return sent | ({} if message.tool_call_id is None else {"tool_call_id": message.tool_call_id})


def untouched(
    tokenizer: ChatTokenizer, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), *, generate: bool = False
) -> list[int]:
    """What the tokenizer itself makes of the messages as they came."""
    return tokenizer.hf.apply_chat_template(
        [as_it_came(message) for message in messages],
        tools=[tool_as_hf(tool) for tool in tools] or None,
        add_generation_prompt=generate,
        tokenize=True,
        return_dict=False,
    )


def told(tokenizer: ChatTokenizer, rendered: Rendered) -> list[tuple[Origin, str]]:
    return [(span.origin, tokenizer.hf.decode(rendered.ids[span.start : span.end])) for span in rendered.spans]


def covers(rendered: Rendered) -> bool:
    edges = [(span.start, span.end) for span in rendered.spans]
    starts, ends = [0, *(end for _, end in edges)], [*(start for start, _ in edges), len(rendered.ids)]
    return starts == ends and all(start < end for start, end in edges)


def one_call(family: str) -> bool:
    return family == "llama3"


def same(tokenizer: ChatTokenizer, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...], generate: bool) -> None:
    """Tokens are those of the template, over what we lower for it and over messages as they came."""
    rendered = tokenizer.render(messages, tools, add_generation_prompt=generate)
    assert list(rendered.ids) == own(tokenizer, messages, tools, generate=generate)
    assert covers(rendered)
    if tokenizer.traits.native_tools:
        assert list(rendered.ids) == untouched(tokenizer, messages, tools, generate=generate)


@families
@often
@given(data=st.data(), generate=st.booleans(), with_tools=st.booleans())
def test_equals_the_tokenizers_own_template(family: str, data: st.DataObject, generate: bool, with_tools: bool) -> None:
    tokenizer = tokenizer_of(family)
    messages = data.draw(chats(plain, parallel=not one_call(family)))
    same(tokenizer, messages, TOOLS if with_tools else (), generate)


@often
@given(messages=chats(plain, replies=st.one_of(plain, thoughtful)), generate=st.booleans(), with_tools=st.booleans())
def test_thinking_goes_where_the_template_puts_it(
    messages: tuple[Message, ...], generate: bool, with_tools: bool
) -> None:
    tokenizer, tools = tokenizer_of("qwen3"), TOOLS if with_tools else ()
    rendered = tokenizer.render(messages, tools, add_generation_prompt=generate)
    assert list(rendered.ids) == untouched(tokenizer, messages, tools, generate=generate)
    assert covers(rendered)


def test_thinking_of_turns_that_were_answered_is_left_out() -> None:
    tokenizer = tokenizer_of("qwen3")
    messages = [
        Message(role="user", content="Where?"),
        Message(role="assistant", content="<think>\nPerhaps the mill.\n</think>\n\nThere.</think>Here."),
        Message(role="user", content="Sure?"),
        Message(role="assistant", content="<think>\nAsk.\n</think>\n\nWait.", tool_calls=(call("{}"),)),
        Message(role="tool", content="Mill.", tool_call_id="1"),
    ]
    rendered = tokenizer.render(messages)
    assert list(rendered.ids) == untouched(tokenizer, messages)
    assert [text for origin, text in told(tokenizer, rendered) if origin == A] == [
        "Here.<|im_end|>",
        '<think>\nAsk.\n</think>\n\nWait.\n<tool_call>\n{"name": "learn", "arguments": {}}\n</tool_call><|im_end|>',
    ]


@families
@pytest.mark.parametrize("content", ["\n ", " \n", "\n\n  a \n ", "\t\nb\n\t", " ", "\n"])
def test_white_space_around_a_content_is_kept_or_stripped_as_the_template_does(family: str, content: str) -> None:
    tokenizer = tokenizer_of(family)
    for last in ((), (Message(role="user", content=content),)):
        messages = (Message(role="user", content="x"), Message(role="assistant", content=content), *last)
        assert list(tokenizer.render(messages, ()).ids) == own(tokenizer, messages)


@families
@often
@given(data=st.data())
def test_markers_in_content_stay_text(family: str, data: st.DataObject) -> None:
    tokenizer = tokenizer_of(family)
    messages = data.draw(chats(marked, parallel=not one_call(family)))
    rendered = tokenizer.render(messages, TOOLS)
    control = set(tokenizer.hf.all_special_ids) | {
        tokenizer.hf.convert_tokens_to_ids(text) for text in FAMILIES[family].special
    }

    def bland(text: str) -> str:
        return "x" if text.strip() else text

    # The same chat without any marker has as many control tokens.
    harmless = [
        Message(
            role=m.role,
            content=bland(m.content),
            tool_call_id=m.tool_call_id,
            tool_calls=tuple(ToolCall(id=c.id, name=c.name, arguments="{}") for c in m.tool_calls),
        )
        for m in messages
    ]
    expected = [number for number in own(tokenizer, harmless, TOOLS) if number in control]
    assert [number for number in rendered.ids if number in control] == expected
    assert covers(rendered)
    if "sanitize_control_tokens" in inspect.signature(tokenizer.hf.apply_chat_template).parameters:
        # The library's own shield leaves out dictionary keys, and cuts the text around a marker: the text is the same.
        shielded = own(tokenizer, messages, TOOLS, sanitize_control_tokens=True)
        if all(call.arguments == "{}" for m in messages for call in m.tool_calls):
            assert tokenizer.hf.decode(rendered.ids) == tokenizer.hf.decode(shielded)


@families
@often
@given(data=st.data())
def test_the_agents_tokens_are_its_words_and_the_end_of_its_turn(family: str, data: st.DataObject) -> None:
    tokenizer = tokenizer_of(family)
    question, reply = data.draw(plain), data.draw(plain.filter(lambda text: text.strip() == text))
    rendered = tokenizer.render([Message(role="user", content=question), Message(role="assistant", content=reply)])
    ids = [number for span in rendered.spans if span.origin == A for number in rendered.ids[span.start : span.end]]
    assert ids[-1] in tokenizer.stop_ids
    assert not set(ids[:-1]) & tokenizer.stop_ids
    if reply and reply[0].isalnum():  # else its first characters may share a token with the template's
        encoded = tokenizer.encode(reply)
        assert tuple(ids[:-1]) == encoded


def test_origins_of_chatml() -> None:
    tokenizer = tokenizer_of("chatml")
    messages = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Where? <|im_end|>"),
        Message(role="assistant", content="I look.", tool_calls=(call('{"topic": "x"}'),)),
        Message(role="tool", content="In the mill.", tool_call_id="1"),
        Message(role="assistant", content=""),
    ]
    assert told(tokenizer, tokenizer.render(messages, add_generation_prompt=True)) == [
        (S, "<|im_start|>system\n"),
        (G, "Be brief."),
        (S, "<|im_end|>\n<|im_start|>user\n"),
        (G, "Where? <|im_end|>"),
        (S, "<|im_end|>\n<|im_start|>assistant\n"),
        (A, 'I look.\n<tool_call>{"name": "learn", "arguments": {"topic": "x"}}</tool_call><|im_end|>'),
        (S, "\n<|im_start|>tool\n"),
        (O, "In the mill."),
        (S, "<|im_end|>\n<|im_start|>assistant\n"),
        (A, "<|im_end|>"),
        (S, "\n<|im_start|>assistant\n"),
    ]


def test_origins_of_llama3() -> None:
    tokenizer = tokenizer_of("llama3")
    messages = [
        Message(role="user", content="  Where?\n"),
        Message(role="assistant", content="", tool_calls=(call('{"topic": "<|eot_id|>"}'),)),
        Message(role="tool", content='In the "mill".', tool_call_id="1"),
        Message(role="assistant", content="There."),
    ]
    head = "<|start_header_id|>{}<|end_header_id|>\n\n"
    assert told(tokenizer, tokenizer.render(messages))[1:] == [
        (G, "Where?"),
        (S, "<|eot_id|>" + head.format("assistant")),
        (A, '{"name": "learn", "parameters": {"topic": "<|eot_id|>"}}<|eot_id|>'),
        (S, head.format("ipython") + '"'),
        (O, 'In the \\"mill\\".'),
        (S, '"<|eot_id|>' + head.format("assistant")),
        (A, "There.<|eot_id|>"),
    ]


def test_origins_of_qwen3() -> None:
    tokenizer = tokenizer_of("qwen3")
    messages = [
        Message(role="user", content="Where is <tool_call>?"),
        Message(role="assistant", content="", tool_calls=(call("{}"), call("[1]", "2"))),
        Message(role="tool", content="Mill.", tool_call_id="1"),
        Message(role="tool", content="Nowhere.", tool_call_id="2"),
        Message(role="assistant", content="<think>\nIt says so.\n</think>\n\nThere."),
    ]
    rendered = told(tokenizer, tokenizer.render(messages, TOOLS))
    assert rendered[0][0] == S
    assert rendered[0][1].endswith("</tool_call><|im_end|>\n<|im_start|>user\n")
    assert rendered[1:] == [
        (G, "Where is <tool_call>?"),
        (S, "<|im_end|>\n<|im_start|>assistant\n"),
        (
            A,
            '<tool_call>\n{"name": "learn", "arguments": {}}\n</tool_call>\n'
            '<tool_call>\n{"name": "learn", "arguments": [1]}\n</tool_call><|im_end|>',
        ),
        (S, "\n<|im_start|>user\n<tool_response>\n"),
        (O, "Mill."),
        (S, "\n</tool_response>\n<tool_response>\n"),
        (O, "Nowhere."),
        (S, "\n</tool_response><|im_end|>\n<|im_start|>assistant\n"),
        (A, "<think>\nIt says so.\n</think>\n\nThere.<|im_end|>"),
        (S, "\n"),
    ]
    # One token, not text, where the template writes it.
    marker = tokenizer.hf.convert_tokens_to_ids("<tool_call>")
    ids = tokenizer.render(messages, TOOLS).ids
    assert ids.count(marker) == 2 + 2


def test_origins_of_gemma_fold_what_its_template_refuses() -> None:
    tokenizer = tokenizer_of("gemma")
    messages = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="One."),
        Message(role="user", content="Two. <end_of_turn>"),
        Message(role="assistant", content="", tool_calls=(call("{}"),)),
        Message(role="tool", content="Mill", tool_call_id="1"),
        Message(role="user", content="Well"),
    ]
    assert told(tokenizer, tokenizer.render(messages)) == [
        (S, "<bos><start_of_turn>user\n"),
        (G, "Be brief."),
        (S, "\n\n"),
        (G, "One."),
        (S, "\n"),
        (G, "Two. <end_of_turn>"),
        (S, "<end_of_turn>\n<start_of_turn>model\n"),
        (A, '<tool_call>{"name": "learn", "arguments": {}}</tool_call><end_of_turn>'),
        (S, "\n<start_of_turn>user\n<tool_response>"),
        (O, "Mill"),
        (S, "</tool_response>\n"),
        (G, "Well"),
        (S, "<end_of_turn>\n"),
    ]


def test_the_caller_may_say_whose_a_message_is() -> None:
    tokenizer = tokenizer_of("qwen3")
    messages = [
        Message(role="user", content="The mill burns"),
        Message(role="assistant", content="Run", tool_calls=(call("{}"),)),
    ]
    rendered = tokenizer.render(messages, origins=[O, D])
    assert told(tokenizer, rendered)[1] == (O, "The mill burns")
    assert told(tokenizer, rendered)[-2] == (
        D,
        'Run\n<tool_call>\n{"name": "learn", "arguments": {}}\n</tool_call><|im_end|>',
    )
    assert told(tokenizer, tokenizer.render(messages, origins=[None, D]))[1] == (G, "The mill burns")
    with pytest.raises(UserError, match="1 origins for 2 messages"):
        tokenizer.render(messages, origins=[D])


@pytest.mark.parametrize("text", ["word " * 10_000, "a" * 50_000, "\n" * 50_000, "<|im_end|>" * 5_000, "🙂" * 50_000])
@families
def test_very_long_content_is_fast(family: str, text: str) -> None:
    tokenizer = tokenizer_of(family)
    began = time.perf_counter()
    rendered = tokenizer.render([Message(role="user", content=f"x{text}x")], add_generation_prompt=True)
    assert time.perf_counter() - began < 3
    given_ids = [i for span in rendered.spans if span.origin == G for i in rendered.ids[span.start : span.end]]
    assert tokenizer.decode(given_ids) == f"x{text}x"


@pytest.mark.parametrize("family", ["chatml", "gemma"])
@often
@given(messages=chats(plain))
def test_a_longer_chat_begins_with_the_shorter(family: str, messages: tuple[Message, ...]) -> None:
    tokenizer = tokenizer_of(family)
    whole = tokenizer.render(messages).ids
    for end in range(1 + (messages[0].role == "system"), len(messages)):
        if messages[end].role == "tool" or (family == "gemma" and messages[end - 1].role == "tool"):
            continue  # a template that takes no tools has their results joined into one turn
        shorter = tokenizer.render(messages[:end]).ids
        assert whole[: len(shorter)] == shorter


@families
def test_markers_in_tools_and_ids_stay_text(family: str) -> None:
    tokenizer = tokenizer_of(family)
    stop = FAMILIES[family].special[1]
    evil = ToolSpec(name="t", description=f'a "{stop}"', parameters={"type": "object", "properties": {stop: {}}})
    bland = ToolSpec(name="t", description="a", parameters={"type": "object", "properties": {"b": {}}})
    messages = [Message(role="user", content="Go")]
    number = tokenizer.hf.convert_tokens_to_ids(stop)
    assert tokenizer.render(messages, [evil]).ids.count(number) == tokenizer.render(messages, [bland]).ids.count(number)


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "no messages"),
        ([Message(role="user", content="a"), Message(role="system", content="b")], "message 1 .*only be the first"),
        ([Message(role="user", content="a"), Message(role="tool", content="b")], "message 1 .*answers no tool call"),
        (
            [Message(role="user", content="a", tool_calls=(ToolCall(id="1", name="n", arguments="{}"),))],
            "only an assis",
        ),
        (
            [
                Message(role="assistant", content="a", tool_calls=(ToolCall(id="1", name="n", arguments="{}"),)),
                Message(role="tool", content="b", tool_call_id="9"),
            ],
            "'9' is not among the calls before it",
        ),
        ([Message(role="user", content="a\ud800")], "message 0 .*surrogate"),
    ],
)
@families
def test_what_cannot_be_meant_is_refused(family: str, messages: list[Message], says: str) -> None:
    with pytest.raises(UserError, match=says):
        tokenizer_of(family).render(messages)


def test_what_the_template_refuses_is_a_users_error() -> None:
    with pytest.raises(UserError, match=r"refuses these messages .*alternate"):
        tokenizer_of("gemma").render([Message(role="assistant", content="I begin")])


@families
@often
@given(text=marked)
def test_encode_never_yields_a_control_token(family: str, text: str) -> None:
    tokenizer = tokenizer_of(family)
    ids = tokenizer.encode(text)
    assert not set(ids) & {tokenizer.hf.convert_tokens_to_ids(token) for token in FAMILIES[family].special}
    if not FAMILIES[family].nfc:
        assert tokenizer.decode(ids) == text


@families
def test_stops_and_tools_are_found(family: str) -> None:
    tokenizer, facts = tokenizer_of(family), FAMILIES[family]
    assert tokenizer.stop_ids >= {tokenizer.hf.convert_tokens_to_ids(text) for text in facts.special[:2]}
    assert tokenizer.traits.native_tools == facts.native_tools
    assert tokenizer.tool_call_marker == ('{"name":' if family == "llama3" else "<tool_call>")
    assert tokenizer.decode([tokenizer.hf.convert_tokens_to_ids(facts.special[1])]) == ""


def call(arguments: str, number: str = "1") -> ToolCall:
    return ToolCall(id=number, name="learn", arguments=arguments)


def test_a_token_over_a_border_is_the_templates() -> None:
    # Ten characters of scaffold, five of content; the third token holds one of each, the last is empty.
    offsets = [(0, 4), (4, 9), (9, 11), (11, 15), (15, 15)]
    assert _spans(offsets, [(10, S), (15, G)]) == (
        Span(origin=S, start=0, end=3),
        Span(origin=G, start=3, end=5),
    )
