"""Streaming with the default prior's own tokens, which end within words, characters and stop strings."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveoak.config import load_settings
from liveoak.engine.streaming import TextStream
from liveoak.priors import ChatTokenizer, load_prior


@cache
def tokenizer() -> ChatTokenizer:
    return load_prior("smollm2-135m", cache=load_settings().cache).tokenizer


pieces = st.sampled_from(
    ["The ", "answer", " is", ":\n\n", "42", "é", "🙂", "naïve", "```", "</", "tool", ">", "  ", "Ω"]
)
texts = st.lists(pieces, min_size=1, max_size=12).map("".join)


@pytest.mark.prior
@settings(max_examples=150, deadline=None)
@given(text=texts, extra=st.lists(texts, max_size=1), data=st.data())
@example(text="The answer is:\n\n42</tool>", extra=["\n\n4"], data=None)
def test_a_stop_anywhere_in_the_tokens_ends_what_is_shown(
    text: str, extra: list[str], data: st.DataObject | None
) -> None:
    """The stop is cut out of the text without regard to its tokens."""
    stops = list(extra)
    if data is not None:
        start = data.draw(st.integers(0, len(text) - 1), label="start")
        stops.append(text[start : data.draw(st.integers(start + 1, min(len(text), start + 9)), label="end")])
    ids = tokenizer().encode(text)
    assert tokenizer().decode(ids) == text
    stream = TextStream(tokenizer().decode, stops)
    shown = ""
    for place, token in enumerate(ids):
        shown += stream.push(token)
        assert shown == stream.shown
        assert text.startswith(shown)
        assert not any(stop in shown for stop in stops)
        if stream.stopped_by is not None:
            read = tokenizer().decode(ids[: place + 1])
            assert stream.stopped_by in read
            assert shown == stream.text == read[: min(read.find(stop) for stop in stops if stop in read)]
            return
    shown += stream.flush()
    assert not any(stop in text for stop in stops)
    assert shown == stream.text == text
