"""Sentences: where they end, what they stand under, and how long they may be."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.learning.reading import LONGEST, read, split_sentences


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in read(text).sentences]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("The door is red. It opens at 7.", ["The door is red.", "It opens at 7."]),
        ("Is it open? No! Come back.", ["Is it open?", "No!", "Come back."]),
        ("Ask Dr. Berg or Mrs. Ash. They know.", ["Ask Dr. Berg or Mrs. Ash.", "They know."]),
        ("J. R. Smith came. He left.", ["J. R. Smith came.", "He left."]),
        ("Room No. 5 is free. Is it? No. The other is.", ["Room No. 5 is free.", "Is it?", "No.", "The other is."]),
        ("It shuts at 5 p.m. The bar stays open.", ["It shuts at 5 p.m.", "The bar stays open."]),
        ("Fruit, e.g. Apples and pears. Nuts too.", ["Fruit, e.g. Apples and pears.", "Nuts too."]),
        ("See Fig. 3 for it. A fig. Two figs.", ["See Fig. 3 for it.", "A fig.", "Two figs."]),
        ("It costs 3.50 euros. Version 2.1 is out.", ["It costs 3.50 euros.", "Version 2.1 is out."]),
        ('He said "Go." Then she left.', ['He said "Go."', "Then she left."]),
        ("“Wait!” Nobody did. (Not yet.) Then yes.", ["“Wait!”", "Nobody did.", "(Not yet.)", "Then yes."]),
        ("Hm… Überall ist es kalt. Éva vient.", ["Hm…", "Überall ist es kalt.", "Éva vient."]),
        ("Дверь красная. Она открыта.", ["Дверь красная.", "Она открыта."]),
        ("东京很大。大阪也是。", ["东京很大。", "大阪也是。"]),
        ("The site example.com is up. so is ours.", ["The site example.com is up. so is ours."]),
        ("So do I. The rest do not.", ["So do I.", "The rest do not."]),
        ("No end", ["No end"]),
        ("... --- !!!", []),
        ("", []),
    ],
)
def test_where_sentences_end(text: str, sentences: list[str]):
    assert texts(text) == sentences


def test_markdown_is_dropped_and_headings_are_kept():
    reading = read(
        "# The *Oak* House #\n"
        "Lines that are\nwrapped join. The __bold__ and `code` stay, snake_case and 5 * 3 too.\n"
        "## Rules\n"
        "- Shoes off\n"
        "- Be **kind**: always, see [the page](https://example.org/a_b)\n"
        "3) Third\n"
        "1999 was good.\n"
        "> quoted\n"
        "\n---\n\n"
        "Under\n=====\n"
        "| Room | Floor |\n|------|-------|\n| Ash | 2 |\n"
    )
    assert reading.title == "The Oak House"
    assert [(one.heading, one.text) for one in reading.sentences] == [
        ("The Oak House", "Lines that are wrapped join."),
        ("The Oak House", "The bold and code stay, snake_case and 5 * 3 too."),
        ("Rules", "Shoes off"),
        ("Rules", "Be kind: always, see the page"),
        ("Rules", "Third 1999 was good. quoted"),
        ("Under", "Room, Floor"),
        ("Under", "Ash, 2"),
    ]


def test_a_hash_is_no_heading_without_a_space():
    assert texts("#5 is red.") == ["#5 is red."]
    assert read("####### seven").title == ""
    assert read("#").sentences == ()


def test_what_has_no_end_is_cut_between_words():
    pieces = texts("word " * 1000)
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert " ".join(pieces).split() == ["word"] * 1000
    assert [len(piece) for piece in texts("x" * (2 * LONGEST + 7))] == [LONGEST, LONGEST, 7]


@given(st.text())
def test_nothing_but_space_and_marks_is_lost(text: str):
    paragraph = " ".join(text.split())
    parts = split_sentences(paragraph)
    assert all(part and part == part.strip() and len(part) <= LONGEST for part in parts)
    kept = [character for part in parts for character in part if character.isalnum()]
    assert kept == [character for character in paragraph if character.isalnum()]


@given(st.text())
def test_reading_is_the_same_every_time(text: str):
    assert read(text) == read(text)


HOSTILE = {
    "initials": "A. " * 350_000,
    "short words": "No. " * 250_000,
    "stops": "." * 1_000_000,
    "stops and quotes": '."' * 500_000,
    "quotes after a stop": "x." + '"' * 1_000_000,
    "wide stops": "。a" * 500_000,
    "brackets": "[" * 1_000_000,
    "half links": "[a](" * 250_000,
    "emphasis": "*a_" * 333_333,
    "stars": "*" * 1_000_000,
    "heading": "# " + " #" * 500_000 + "x",
    "rule": "- " * 500_000 + "x",
    "pipes": "|" + "-" * 1_000_000 + "x",
    "spaces": " " * 1_000_000 + "x",
    "one word": "a" * 1_000_000,
    "lines": "a\n" * 500_000,
    "headings": "# a\n" * 250_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_megabyte_of_anything_is_read_in_time(kind: str):
    began = time.process_time()
    read(HOSTILE[kind])
    assert time.process_time() - began < 10
