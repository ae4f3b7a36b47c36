"""What runs on a node: a process that carries out one task after the other and keeps what it made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from liveoak import __version__, garbage
from liveoak.crew import Weights, attempt


class Actor:
    """Made an actor by `RayCrew`, which calls it from afar, one call at a time."""

    def __init__(self) -> None:
        garbage.look_seldom()

    def hello(self) -> str:
        """The release that the node has."""
        return __version__

    def run(self, work: Callable[..., Any], weights: Weights | None, task: Any) -> Any:
        """The task's result, or its `Failure`."""
        return attempt(work, weights, task)
