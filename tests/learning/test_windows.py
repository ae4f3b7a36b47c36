"""Windows of a text: nothing is lost, nothing is too long, and borders stand where a reader would put them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.learning.windows import count_tokens, windows


def words(text: str) -> int:
    """A measure that is easy to follow by hand."""
    return len(text.split())


def test_a_text_that_fits_is_one_window():
    assert list(windows("# Ships\n\nOne two three.", words, 8)) == ["# Ships\n\nOne two three."]


def test_windows_end_between_paragraphs_and_are_of_like_size():
    paragraphs = [f"{name} one two three four." for name in ("A", "B", "C", "D")]
    # 20 words in windows of at most 15: two of 10, not one of 15 and one of 5.
    assert list(windows("\n\n".join(paragraphs), words, 15)) == [
        "\n\n".join(paragraphs[:2]),
        "\n\n".join(paragraphs[2:]),
    ]


def test_headings_go_with_what_follows_and_are_repeated_where_a_section_goes_on():
    text = "# Firm\n\nA a a a a a a a.\n\n## Money\n\nB b b b b b b b.\n\nC c c c c c c c."
    assert list(windows(text, words, 14)) == [
        "# Firm\n\nA a a a a a a a.",
        "# Firm\n\n## Money\n\nB b b b b b b b.",
        "## Money\n\nC c c c c c c c.",
    ], "two headings of four words are over a quarter of 14, one is not"


def test_a_heading_of_the_same_level_replaces_the_one_before():
    text = "# A\n\n## B\n\none two three four five six.\n\n# C\n\none two three four five six.\n\nseven eight nine ten."
    assert list(windows(text, words, 10)) == [
        "# A\n\n## B\n\none two three four five six.",
        "# C\n\none two three four five six.",
        "# C\n\nseven eight nine ten.",
    ]


def test_a_heading_that_leaves_no_room_for_its_paragraph_stands_alone():
    assert list(windows("# A b c\n\none two three four.", words, 5)) == ["# A b c", "one two three four."]


def test_a_paragraph_too_long_is_cut_between_lines_then_sentences_then_anywhere():
    lines = "a b c d\ne f g h"
    assert list(windows(lines, words, 5)) == ["a b c d", "e f g h"]
    sentences = "One two three. Four five six. Seven eight nine."
    assert list(windows(sentences, words, 4)) == ["One two three.", "Four five six.", "Seven eight nine."]
    assert list(windows("x" * 8, len, 3)) == ["xx"] * 4


def test_a_text_of_headings_alone_is_one_window():
    assert list(windows("# A\n\n# B", words, 100)) == ["# A\n\n# B"]
    assert list(windows("", words, 5)) == list(windows(" \n\n ", words, 5)) == []


def test_windows_of_nothing_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        list(windows("text", words, 0))


def test_tokens_are_counted_a_paragraph_at_a_time():
    asked: list[str] = []

    def measure(text: str) -> int:
        asked.append(text)
        return words(text)

    assert count_tokens("a b\n\nc\n \n\nd e f", measure) == 6
    assert asked == ["a b", "c", "d e f"]


PIECES = st.sampled_from(
    ["# Head", "## Sub", "One two three.", "a b c d e f g h i j k", "x" * 40, "l1\nl2\nl3", "。", "\t "]
)


@given(st.lists(PIECES, max_size=12), st.integers(1, 60))
def test_all_of_the_text_is_in_the_windows_and_none_is_too_long(pieces: list[str], most: int):
    text = "\n\n".join(pieces)
    found = list(windows(text, len, most))
    plain = re.compile(r"[^\W_]")
    kept = iter("".join(plain.findall("".join(found))))
    assert all(letter in kept for letter in plain.findall(text)), "in order; repeated headings may stand between"
    assert all(len(one.replace("\n", "").replace(" ", "")) <= most for one in found)
