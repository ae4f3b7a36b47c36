"""Finished parts of an experiment, kept so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from liveoak.lab.results import write_whole


class Parts:
    """Figures of finished parts under `folder`. Parts of another configuration are never mixed in."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
        self._folder = folder / digest
        self.failed: list[dict[str, str]] = []
        """Parts that could not be measured, each with its error."""

    def measured(
        self,
        name: str,
        measure: Callable[[], Mapping[str, float]],
        *,
        key: str | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> dict[str, float] | None:
        """The figures of a part: kept ones, or measured now and kept. None where that failed: the others go on.

        `key` is what it is kept under, where the name that is told would not do.
        """
        found = self.find(key or name)
        if found is None:
            tell(name)
            try:
                found = dict(measure())
            except Exception as error:  # the border of one part: its fault is recorded and must not lose the others
                tell(f"{name} failed: {error}")
                self.failed.append({"part": name, "error": f"{type(error).__name__}: {error}"})
                return None
            self.keep(key or name, found)
        return found

    def find(self, name: str) -> dict[str, float] | None:
        """The figures of a finished part; None where it is missing or its file is damaged."""
        try:
            kept = json.loads(self._path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or not all(isinstance(value, int | float) for value in kept.values()):
            return None
        return {str(key): float(value) for key, value in kept.items()}

    def keep(self, name: str, figures: Mapping[str, float]) -> None:
        write_whole(self._path(name), json.dumps(dict(figures), indent=1) + "\n")

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"
