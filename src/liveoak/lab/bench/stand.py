"""The stand: opens each side once, gives them the same work in turn, and goes on without those that fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from liveoak.errors import LiveoakError
from liveoak.lab.bench.jobs import Setup
from liveoak.lab.bench.remote import PATIENCE, Side

T = TypeVar("T")

OURS = "liveoak"
SIDES = {
    OURS: "liveoak.lab.bench.ours:Ours",
    "machine": "liveoak.lab.bench.ceilings:Machine",
    "transformers": "liveoak.lab.bench.peers.plain:Generate",
    "transformers, compiled": "liveoak.lab.bench.peers.plain:Compiled",
    "transformers, continuous batching": "liveoak.lab.bench.peers.plain:Continuous",
    "peft": "liveoak.lab.bench.peers.lora:Lora",
    "SEAL": "liveoak.lab.bench.peers.seal:make",
    "TRL": "liveoak.lab.bench.peers.trl:Trl",
    "llama.cpp": "liveoak.lab.bench.peers.llama:Llama",
}


class Stand:
    """Sides by name. A side that could not be made, or broke off, stays out."""

    def __init__(self, setup: Setup, tell: Callable[[str], None], limit: float = PATIENCE) -> None:
        self.setup, self.tell, self._limit = setup, tell, limit
        self._open: dict[str, Side] = {}
        self.failed: dict[str, str] = {}
        """Why each side that is out is out."""

    def side(self, name: str) -> Side:
        """The side of this name; `NAME, VARIANT` is the same side, asked for something else.

        Raises:
            Unavailable: the side cannot be had.
        """
        own = _own(name)
        if own not in self._open:
            self._open[own] = Side(SIDES[own], self.setup, limit=self._limit)
        return self._open[own]

    @property
    def open(self) -> tuple[str, ...]:
        """Sides whose processes run."""
        return tuple(self._open)

    def leave(self, *names: str) -> None:
        """End the processes of sides that are not needed for a while."""
        for name in names:
            if _own(name) in self._open:
                self._open.pop(_own(name)).close()

    def taking_turns(self, repeats: int, work: Mapping[str, Callable[[Side, int], T]]) -> dict[str, list[T]]:
        """What each side found in each repeat. Every repeat begins with another side; a peer that fails is left out.

        Raises:
            LiveoakError: our own side failed.
        """
        found: dict[str, list[T]] = {name: [] for name in work}
        for repeat in range(repeats):
            names = list(found)
            turn = repeat % len(names)
            for name in names[turn:] + names[:turn]:
                try:
                    found[name].append(work[name](self.side(name), repeat))
                except LiveoakError as error:
                    self.leave(name)
                    if _own(name) == OURS:
                        raise
                    del found[name]
                    self.failed[name] = str(error)
                    self.tell(f"left out: {error}")
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave(*self._open)


def _own(name: str) -> str:
    return name if name in SIDES else name.partition(", ")[0]
