"""Requests that name a version, of more versions than there is memory for: how long they take, and what they get."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from liveoak.adapters import Slot
from liveoak.lab.bench.ledger import Ledger
from liveoak.lab.bench.remote import resident
from liveoak.lab.bench.soaking import SAMPLES, growth
from liveoak.records import Chat, Failed, Finished, Message, ReplyEvent, Sampling
from liveoak.runtime import Runtime

T = TypeVar("T")
ANSWER = "The archivist has it."
_QUESTION = (Message(role="user", content="Who has the key to the archive?"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """How many there are."""

    requests: int = 700
    """Of each drawing in each repeat."""
    tokens: int = 8
    """Of each reply."""
    checked: int = 40
    """Versions whose log-probabilities are compared, from before they were evicted and after."""
    flying: int = 1500
    """Tokens of a reply that is under way while its version is evicted."""

    def make(self, runtime: Runtime, ledger: Ledger, repeats: int, tell: Callable[[str], None]) -> None:
        """All of them, one after the other, so that each one's time is its own."""
        strange = _slots()
        ids = [version.id for version in runtime.versions() if version.parent is not None]
        rng = random.Random(0)
        rng.shuffle(ids)
        visitor = _Visitor(runtime, self)
        before = {id: visitor.score(id) for id in ids[-self.checked :]}
        tell("filling the memory")
        full = visitor.fill(ids)
        drawings = {"long tail": [1 / rank for rank in range(1, len(ids) + 1)], "uniform": [1.0] * len(ids)}
        found: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in drawings}
        for repeat in range(repeats):
            for name, weights in drawings.items():
                tell(f"{name}, repeat {repeat + 1} of {repeats}")
                for key, value in visitor.round(rng.choices(ids, weights, k=self.requests)).items():
                    found[name][key].append(value)
        for name, figures in found.items():
            ledger.arm(name, figures)
        tell("replies under way while their versions are evicted")
        flown = visitor.fly(ids)
        evicted = [id for id in before if id not in runtime.in_memory]
        changed = visitor.changed + sum(visitor.score(id) != before[id] for id in evicted)
        ledger.row("replies_changed", [changed])
        ledger.row("versions_in_memory", [full])
        ledger.row("slots_alive", [_slots() - strange])
        risen = growth(visitor.memory)
        if risen is not None:
            ledger.row("versions_growth", [risen])
        ledger.notes["scored_again_after_eviction"] = len(evicted)
        ledger.notes["outlived_their_version_in_memory"] = flown
        ledger.notes["seconds_and_mib"] = [
            [round(at, 1), round(mib, 1)] for at, mib in visitor.memory[:: -(-len(visitor.memory) // SAMPLES)]
        ]


def _slots() -> int:
    """How many adapters this process holds."""
    gc.collect()
    return sum(isinstance(one, Slot) for one in gc.get_objects())


class _Visitor:
    """One asker, who remembers what each version said."""

    def __init__(self, runtime: Runtime, visits: Visits) -> None:
        self._runtime, self._visits = runtime, visits
        self._said: dict[tuple[str, int], tuple[Any, ...]] = {}
        """By version and length of the reply: its tokens, and their log-probabilities."""
        self._began = time.monotonic()
        self.changed = 0
        """Replies that differ from what the same version said before."""
        self.memory: list[tuple[float, float]] = []
        """Seconds from the start, MiB; once the memory for versions is full."""

    def score(self, id: str) -> tuple[float, ...]:
        return self._runtime.score(_QUESTION, ANSWER, model=f"{self._runtime.settings.agent}@{id}")

    def fill(self, ids: Sequence[str]) -> int:
        """Visit versions until one is evicted, or there are no more; gives how many are in memory."""
        for number, id in enumerate(ids):
            self._visit(id, 1)
            if len(self._runtime.in_memory) <= number:
                break
        return len(self._runtime.in_memory)

    def round(self, ids: Sequence[str]) -> dict[str, float]:
        """Visit these; gives what they took in ms, those in memory and those that were read from the disk apart."""
        took: dict[bool, list[float]] = {True: [], False: []}
        for id in ids:
            in_memory = id in self._runtime.in_memory
            took[in_memory].append(timed(lambda id=id: self._visit(id, self._visits.tokens))[0])
            self.memory.append((time.monotonic() - self._began, resident()))
        figures = {"hit_rate": len(took[True]) / len(ids)}
        for name, times in (("hit", took[True]), ("reload", took[False])):
            if times:
                p50, p99 = np.percentile(times, [50, 99])
                figures |= {f"{name}_ms": float(p50), f"{name}_ms_p99": float(p99)}
        return figures

    def fly(self, ids: Sequence[str]) -> bool:
        """Begin a long reply, have its version evicted meanwhile, and hold the reply against one that nothing
        disturbed. Gives whether it was still under way then."""
        long, *others = ids
        self._visit(long, self._visits.flying)
        flying = _Flying(self._runtime, self._request(long, self._visits.flying))
        for id in others:
            if long not in self._runtime.in_memory:
                break
            # Scored, not asked: a reply beside it may move its figures, where steps are not compiled.
            self.score(id)
        outlived = not flying.done.is_set()
        self._compare(long, self._visits.flying, flying.end())
        return outlived

    def _visit(self, id: str, tokens: int) -> None:
        self._compare(id, tokens, self._runtime.ask(self._request(id, tokens)))

    def _request(self, id: str, tokens: int) -> Chat:
        return asked(f"{self._runtime.settings.agent}@{id}", tokens=tokens)

    def _compare(self, id: str, tokens: int, finished: Finished) -> None:
        turn = self._runtime.experience.turn(finished.turn)
        said = (turn.ids, turn.logprobs)
        self.changed += self._said.setdefault((id, tokens), said) != said


class _Flying:
    """A reply under way; made when its first token is there."""

    def __init__(self, runtime: Runtime, request: Chat) -> None:
        self.done = threading.Event()
        self._begun = threading.Event()
        self._last: ReplyEvent | None = None
        runtime.chat(request, self._hear)
        self._begun.wait()

    def _hear(self, event: ReplyEvent) -> None:
        if isinstance(event, Finished | Failed):
            self._last = event
            self.done.set()
        self._begun.set()

    def end(self) -> Finished:
        """Wait for it. Raises what broke it off."""
        self.done.wait()
        if isinstance(self._last, Failed):
            raise self._last.error
        assert isinstance(self._last, Finished)
        return self._last


def asked(model: str, *, tokens: int) -> Chat:
    """A request for a greedy reply of so many tokens, in a session of its own."""
    pattern = f"[a-z ]{{{tokens}}}"
    sampling = Sampling(temperature=0, max_tokens=tokens, pattern=pattern)
    return Chat(messages=_QUESTION, model=model, author="local", sampling=sampling)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """What it took in ms, and what came of it."""
    began = time.perf_counter()
    result = work()
    return 1000 * (time.perf_counter() - began), result
