"""What is loaded, and whether steps are compiled: as the setting says, and never at the price of a start that fails."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from tiny_priors import tiny_engine

from liveoak import garbage
from liveoak.config import Settings
from liveoak.engine import Engine, only_team
from liveoak.errors import StorageError, Unavailable
from liveoak.runtime import device
from liveoak.runtime.device import compile_steps, load_engine


def outcome(monkeypatch: pytest.MonkeyPatch, wanted: str, error: Exception | None = None) -> int:
    """How often the engine was asked to compile."""
    asked: list[Path] = []

    def compile(_: Engine, cache: Path) -> None:
        asked.append(cache)
        if error is not None:
            raise error

    monkeypatch.setattr(Engine, "compile", compile)
    compile_steps(tiny_engine("llama"), wanted, Path("cache"))
    return len(asked)


def test_a_tiny_prior_is_compiled_only_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [outcome(monkeypatch, wanted) for wanted in ("auto", "on", "off")] == [0, 1, 0]
    monkeypatch.setattr(device, "WORTH_COMPILING", 1000)
    assert [outcome(monkeypatch, wanted) for wanted in ("auto", "on", "off")] == [1, 1, 0]


@pytest.mark.parametrize("error", [Unavailable("no compiler"), StorageError("disk full")])
def test_what_cannot_be_compiled_is_served_without(monkeypatch: pytest.MonkeyPatch, error: Any) -> None:
    monkeypatch.setattr(device, "WORTH_COMPILING", 1000)
    assert outcome(monkeypatch, "auto", error) == 1
    with pytest.raises(type(error), match=str(error)):
        outcome(monkeypatch, "on", error)


def test_from_the_loading_of_a_model_on_garbage_is_looked_for_as_usual() -> None:
    usual = gc.get_threshold()
    garbage.look_seldom()
    try:
        assert gc.get_threshold() != usual
        with only_team(1) as scheduler:
            scheduler.run(lambda: load_engine(Settings(prior="scratch"), scheduler))
        assert gc.get_threshold() == usual
    finally:
        garbage.look_as_usual()


def test_an_engine_that_nobody_uses_is_gone_before_another_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "WORTH_LETTING_GO", 1000)

    def load() -> int:
        """How many there are then; the new one is part of a cycle."""
        cycle: list[object] = [scheduler.run(lambda: load_engine(Settings(prior="scratch"), scheduler))]
        cycle.append(cycle)
        return len(device._engines)  # pyright: ignore[reportPrivateUsage]

    gc.collect()
    gc.disable()
    try:
        with only_team(1) as scheduler:
            before = load()
            assert load() == before
    finally:
        gc.enable()
