"""Runtimes on the scratch prior."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from small_life import QUICK, WIDE

from liveoak.config import Settings
from liveoak.learning.recipe import Recipe
from liveoak.runtime import Runtime


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def start(tmp_path: Path, cache: Path) -> Iterator[Callable[..., Runtime]]:
    """Opens runtimes in the test's own home; all are closed at its end."""
    with ExitStack() as stack:

        def opened(recipe: Recipe = QUICK, **options: Any) -> Runtime:
            chosen = {"home": tmp_path / "home", "cache": cache, "prior": "scratch", "threads": 1, "gate": WIDE}
            return stack.enter_context(Runtime(Settings(**{**chosen, **options}), recipe=recipe))

        yield opened


@pytest.fixture
def runtime(start: Callable[..., Runtime]) -> Runtime:
    return start()
