"""Anybody's texts: read from a file, split by title, asked about."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from liveoak.errors import BadSettings
from liveoak.worlds import check, read_texts, seed_of, world
from liveoak.worlds.registry import source

TITLES = 24


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.json"
    texts = [
        {
            "title": f"Town_{n // 2}",
            "context": f"The mayor of town {n} is Anna {n}.",
            "questions": [
                {"question": f"Who is the mayor of town {n}?", "answer": f"Anna {n}"},
                {"question": f"What is Anna {n}?", "answer": "mayor"},
            ],
        }
        for n in range(2 * TITLES)
    ]
    path.write_text(json.dumps([*texts, {"title": "Unasked", "context": "Nothing.", "questions": []}]))
    return path


def test_it_keeps_the_contract(file: Path):
    check(partial(world, "texts", file=str(file)), seeds=(0, 1, 2, 3))
    check(partial(world, "texts", file=str(file), texts=3, questions=1), seeds=(0, 1))


def test_a_title_is_for_training_or_held_out_and_each_text_has_its_turn(file: Path):
    texts = source("texts", file=str(file))
    read = {split: [texts.material(seed_of(split, n)).pages[0] for n in range(60)] for split in ("train", "held_out")}
    titles = {text.text: text.title for text in read_texts(file)}
    split = {name: {titles[page] for page in pages} for name, pages in read.items()}
    assert not split["train"] & split["held_out"]
    assert split["train"] | split["held_out"] == {f"Town {n}" for n in range(TITLES)}
    count = len(set(read["train"]))
    assert len(set(read["train"][:count])) == count, "all of them before any comes again"


def test_questions_are_those_of_the_pages(file: Path):
    made = source("texts", file=str(file), texts=2, questions=1).material(seed_of("train", 3))
    assert len(made.pages) == 2
    assert [question.text.endswith("Answer in a few words.") for question in made.questions] == [True, True]
    for page, question in zip(made.pages, made.questions, strict=True):
        assert question.answer in page


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "expected a list"), ('[{"title": 3}]', "expected a list"), ("[]", "has 0 texts"), (None, "cannot be read")],
)
def test_a_file_that_will_not_do_is_named(tmp_path: Path, text: str | None, told: str):
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadSettings, match=told):
        world("texts", file=str(path))


@pytest.mark.parametrize("options", [{"texts": 0}, {"questions": 0}, {"texts": 1000}])
def test_sizes_that_will_not_do(file: Path, options: dict[str, int]):
    with pytest.raises(BadSettings, match="texts"):
        world("texts", file=str(file), **options)
