"""Conversations for property tests."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from liveoak.records import Message, ToolCall, ToolSpec

TOOLS = (
    ToolSpec(
        name="learn",
        description="Keep what you are told, “for good”.",
        parameters={
            "type": "object",
            "properties": {
                "topic": {"type": "string"},
                "effort": {"type": "string", "enum": ["low", "high"]},
                "questions": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"question": {"type": "string"}}},
                },
            },
            "required": ["topic"],
        },
    ),
    ToolSpec(name="note", description="", parameters={"type": "object", "properties": {}}),
)

MARKERS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<repo_name>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|begin_of_text|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<eos>",
)

_pieces = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            " ",
            "\n",
            "\n\n",
            "\t ",
            "word",
            " 1234",
            "𝔘🙂👩‍👩‍👧",
            "e\u0301\u0323",
            "\u0301",
            "שלום עולם",
            "مرحبا",
            '"\\',
            "{",
        ]
    ),
)
plain = st.lists(_pieces, max_size=5).map("".join).filter(lambda text: "<" not in text)
"""Text that holds no marker: empty, white space, astral, combining, right to left, quotes."""

marked = st.lists(st.one_of(_pieces, st.sampled_from(MARKERS)), min_size=1, max_size=6).map("".join)
"""Text that may hold markers of any family."""


def calls_of(text: st.SearchStrategy[str]) -> st.SearchStrategy[ToolCall]:
    values = st.one_of(text, st.integers(-99, 99), st.booleans(), st.none(), st.lists(text, max_size=2))
    arguments = st.dictionaries(text, values, max_size=3)
    return st.builds(
        lambda number, name, value: ToolCall(
            id=f"call{number:05d}", name=name, arguments=json.dumps(value, ensure_ascii=False)
        ),
        st.integers(0, 99999),
        st.sampled_from(["learn", "note"]),
        arguments,
    )


thoughtful = st.builds(
    "".join, st.tuples(st.sampled_from(["<think>\n", "<think>", ""]), plain, st.just("</think>"), plain)
)
"""A reply with its thinking, as models write it; some begin in the middle of it."""


@st.composite
def chats(
    draw: st.DrawFn,
    text: st.SearchStrategy[str],
    *,
    parallel: bool = True,
    replies: st.SearchStrategy[str] | None = None,
) -> tuple[Message, ...]:
    """An optional system message, then one to three rounds, each perhaps with tool calls and their results.

    `replies` draws what the assistant says; without it, it says `text` too.
    """
    said = text if replies is None else replies
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message(role="system", content=draw(text)))
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message(role="user", content=draw(text)))
        if draw(st.booleans()):
            most = 3 if parallel else 1
            calls = draw(st.lists(calls_of(text), min_size=1, max_size=most, unique_by=lambda call: call.id))
            messages.append(Message(role="assistant", content=draw(said), tool_calls=tuple(calls)))
            messages += [Message(role="tool", content=draw(text), tool_call_id=call.id) for call in calls]
        messages.append(Message(role="assistant", content=draw(said)))
    if draw(st.booleans()):
        messages.append(Message(role="user", content=draw(text)))
    return tuple(messages)
