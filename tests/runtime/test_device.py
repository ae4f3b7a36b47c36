"""Whether steps are compiled: as the setting says, and never at the price of a start that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_priors import tiny_engine

from liveoak.engine import Engine
from liveoak.errors import StorageError, Unavailable
from liveoak.runtime import device
from liveoak.runtime.device import compile_steps


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
