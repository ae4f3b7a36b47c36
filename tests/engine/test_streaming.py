"""Text that grows: half characters and beginnings of stop strings are never shown."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_priors import TOKENIZER

from liveoak.engine.streaming import TextStream


def feed(text: str | bytes, *stops: str) -> tuple[TextStream, list[str]]:
    """Bytes are tokens here; ends at a stop, as the decoder does."""
    stream, pieces = TextStream(TOKENIZER.decode, stops), list[str]()
    for byte in text if isinstance(text, bytes) else text.encode():
        pieces.append(stream.push(byte))
        assert stream.shown == "".join(pieces)
        if stream.stopped_by is not None:
            return stream, pieces
    pieces.append(stream.flush())
    return stream, pieces


def test_a_character_is_shown_when_it_is_whole() -> None:
    _, pieces = feed("aé€🙂b")
    assert pieces == ["a", "", "é", "", "", "€", "", "", "", "🙂", "b", ""]


def test_a_reply_cut_within_a_character_shows_that() -> None:
    stream, pieces = feed("ab🙂".encode()[:-1])
    assert pieces[:2] == ["a", "b"]
    assert pieces[-1] == "\ufffd" * len(pieces[-1]) != ""
    assert stream.text == "".join(pieces)


def test_broken_bytes_do_not_hold_up_what_follows() -> None:
    stream, pieces = feed(b"a\xe2\x82bc")
    assert "".join(pieces) == stream.text
    assert pieces[-3].endswith("b")
    assert pieces[-2] == "c"


def test_a_stop_string_is_held_back_while_it_may_come() -> None:
    stream, pieces = feed("one STOP two", "STOP")
    assert pieces == ["o", "n", "e", " ", "", "", "", ""]
    assert (stream.text, stream.stopped_by) == ("one ", "STOP")


def test_what_only_looked_like_a_stop_is_shown_after_all() -> None:
    _, pieces = feed("aSTxSTO", "STOP")
    assert pieces == ["a", "", "", "STx", "", "", "", "STO"]


def test_the_stop_that_begins_first_counts() -> None:
    assert feed("abcdef", "de", "bcd")[0].text == "a"
    stream, _ = feed("aabaabaac", "aabaac")
    assert stream.text == "aab"
    stream, pieces = feed("x🙂y", "🙂")
    assert (pieces, stream.text) == (["x", "", "", "", ""], "x")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "ab", "é", "🙂", "\ufffd", " "]), max_size=14).map("".join),
    st.lists(st.sampled_from(["a", "ab", "aab", "bé", "🙂", "é🙂", "ba"]), max_size=3),
)
@example("\ufffd\ufffda", ["a"])
def test_shown_text_is_the_text_up_to_the_first_stop(text: str, stops: list[str]) -> None:
    stream, pieces = feed(text, *stops)
    found = [text.find(stop) for stop in stops if stop in text]
    # A stop that ends earlier is met first, even if a longer one begins before it: a reply stops as soon as it can.
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    if ends:
        met = text[: min(ends)]
        assert stream.text == text[: min(met.find(stop) for stop in stops if stop in met)]
        assert stream.stopped_by in stops
    else:
        assert not found
        assert (stream.text, stream.stopped_by) == (text, None)
    assert "".join(pieces) == stream.text
    for stop in stops:
        assert stop not in "".join(pieces)
