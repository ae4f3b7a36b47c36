"""Other words: what is taken from the prior's answer, and how a question is said with them."""

import random

import pytest

from liveoak.learning import wording
from liveoak.learning.wording import reword


@pytest.mark.parametrize(
    ("word", "reply", "kept"),
    [
        ("employees", " staff, workers", ("staff", "workers")),
        ("warehouse", " warehouse, storage, room", ("storage", "room")),
        ("visitors", " visitors, visitor, guests", ("guests",)),
        ("allowance", " financial aid, a very long way of saying it, welfare", ("financial aid", "welfare")),
        ("opens", " 24/7, , begins", ("begins",)),
        ("nothing", "", ()),
    ],
)
def test_what_counts_as_another_word(word: str, reply: str, kept: tuple[str, ...]) -> None:
    assert wording._usable(word, reply) == kept


def test_about_a_third_of_the_words_are_said_otherwise_and_kept_ones_never() -> None:
    rng = random.Random(0)
    others = {"warehouse": ("storage",), "gate": ("entrance",)}
    said = [reword("Warehouse gate of Gate Works?", others, rng, keep=("Gate Works",)) for _ in range(600)]
    changed = sum(text.startswith("Storage ") for text in said)
    assert 150 < changed < 270  # 600 draws at 0.35: mean 210, deviation 11.7
    assert all(text.endswith(" gate of Gate Works?") for text in said)


def test_without_other_words_a_text_stays_as_it_is() -> None:
    assert reword("Who has the key?", {}, random.Random(0)) == "Who has the key?"
