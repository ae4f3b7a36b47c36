"""How acts are written, and which act a reply is."""

from __future__ import annotations

import re

import pytest

from liveoak.learning.outer.tools import GRADED, LEARN, NOTE, PLAIN, SKIP, Act, Choice, Words
from liveoak.records import ToolSpec


class Marked:
    """Passing over has no words of its own."""

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        return ()

    def begins(self, act: Act) -> str:
        return "" if act is SKIP else f"<{act.verb}"

    def rest(self, act: Act, entry: str) -> str:
        return f" {entry}>" if act is not SKIP else ""


@pytest.mark.parametrize(
    ("text", "act", "left"),
    [("learn", LEARN, [3, 1]), ("note", NOTE, [3, 1]), ("skip", SKIP, [3, 1]), ("sleep", SKIP, [3, 1, 0])],
)
def test_in_words_an_act_is_its_name(text: str, act: Act, left: list[int]) -> None:
    choice = Choice(PLAIN, Words())
    assert choice.pattern == "learn|note|skip"
    assert choice.meant(text) is act and choice.meant(f" {text}\n") is act
    assert [choice.left(text[:count]) for count in range(len(left))] == left


def test_acts_that_begin_alike_are_told_apart_where_they_differ() -> None:
    choice = Choice(GRADED, Words())
    assert [choice.left(text) for text in ("", "learn", "learn ", "learn l", "learn low", "n")] == [5, 3, 3, 1, 1, 1]
    assert choice.meant("learn high") is GRADED[2]
    assert choice.meant("learn everything") is SKIP


def test_any_reply_that_begins_otherwise_is_the_act_without_words() -> None:
    choice = Choice(PLAIN, Marked())
    assert [choice.meant(text) for text in ("<learn", "<note", "Well, <note", "")] == [LEARN, NOTE, SKIP, SKIP]
    assert [choice.left(text) for text in ("", "<", "<n", "<note", "W")] == [3, 2, 1, 1, 1]
    for text, fits in {"<learn": True, "<no": False, "Well.\nNo.": True, "No <": True, "<": False, "": False}.items():
        assert bool(re.fullmatch(choice.pattern, text)) is fits, text
        assert bool(re.fullmatch(choice.others, text)) is (fits and text[0] != "<"), text
    assert re.fullmatch(Choice((SKIP,), Marked()).pattern, "<any")
