"""docs/worlds.md names every world with every option, and its figures are what the worlds give."""

from __future__ import annotations

import importlib
import inspect
import random
import re
import statistics
from pathlib import Path

import pytest

from liveoak.worlds import WorldEntry, expert, guessing, play, seeds, world, worlds

PAGE = (Path(__file__).parents[2] / "docs" / "worlds.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("` "): cells for cells in (line.strip("|").split("|") for line in PAGE.splitlines() if "|" in line)
}
ENTRIES = [entry for entry in worlds() if entry.factory.startswith("liveoak.")]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_world_and_option_is_told(entry: WorldEntry):
    module, _, name = entry.factory.partition(":")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    told = ", ".join(
        option.name if option.default is option.empty else f"{option.name}={option.default!r}" for option in parameters
    )
    assert f"`{told}`" in ROWS[entry.name][2].replace('"', "'"), told


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES if entry.extra is None and entry.needs is None])
def test_figures_are_current(name: str):
    lived = world(name)
    train = seeds("train", 300)
    best = statistics.mean(play(lived, seed, expert).score for seed in train)
    guess = statistics.mean(play(lived, seed, guessing(random.Random(seed))).score for seed in train)
    assert f"{best:.2f}, {guess:.2f}" == ROWS[name][3].strip()


def test_the_page_says_how_long_texts_and_episodes_are():
    least, most = map(int, re.findall(r"Observations have (\d+) to (\d+) characters", PAGE)[0])
    turns = int(re.findall(r"episodes at most (\d+) turns", PAGE)[0])
    lengths, longest = list[int](), 0
    for entry in ENTRIES:
        if entry.extra is None and entry.needs is None and entry.name != "handbook":
            lived = world(entry.name)
            longest = max(longest, lived.turns)
            for seed in range(60):
                episode = play(lived, seed, guessing(random.Random(seed)))
                lengths += [len(episode.opening), *(len(step.observation) for _, step in episode.deeds)]
    assert (min(lengths), max(lengths), longest) == (least, most, turns)
