"""The actors of a crew as the roll sees them: who has come, who is busy, who is lost and replaced."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from liveoak import __version__
from liveoak.cluster.actor import Actor
from liveoak.cluster.terms import Terms
from liveoak.crew import THREADS, Failure, Outcome, Weights
from liveoak.errors import Conflict, Unavailable

_TOLD = 400
"""Characters of what Ray says of a loss: all of it is a page, with advice."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Hand:
    """An actor. What it was asked last is its greeting or a task, and nothing once that is answered."""

    actor: Any
    asked: Any
    """Reference of the answer."""
    number: int | None = None
    come: bool = False
    """It has greeted."""

    @property
    def free(self) -> bool:
        return self.come and self.number is None


class Actors:
    """Actors that replace each other. One that is lost before it greeted is not replaced: its node is the trouble."""

    def __init__(self, ray: Any, address: str, size: int, terms: Terms) -> None:
        self._ray, self._address, self.size, self._terms = ray, address, size, terms
        threads = dict.fromkeys(THREADS, str(terms.cores))
        self._make: Callable[[], Any] = (
            ray.remote(Actor)
            .options(
                num_cpus=terms.cores,
                num_gpus=terms.gpus,
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy="SPREAD",
                runtime_env={"env_vars": threads},
            )
            .remote
        )
        self._hands: list[_Hand] = []
        self._patience = terms.arrival
        self._early: list[Outcome] = []
        self._why = ""
        """What became of the last one that never came."""
        self._work: Any = None
        self._weights: Any = None

    def gather(self) -> None:
        """Ask for all, and wait for the first.

        Raises:
            Unavailable: none came in time.
            Conflict: a node has another release.
        """
        for _ in range(self.size):
            self._hire()
        while not any(hand.come for hand in self._hands):
            self.outcomes()
        self._patience = self._terms.patience

    def begin(self, work: Callable[..., Any], weights: Weights | None) -> None:
        """Put what all tasks share where every node fetches it once."""
        self._work = self._ray.put(work)
        self._weights = None if weights is None else self._ray.put(weights)

    def free(self) -> int:
        return sum(hand.free for hand in self._hands)

    def give(self, number: int, task: Any) -> None:
        hand = next(hand for hand in self._hands if hand.free)
        try:
            hand.asked = hand.actor.run.remote(self._work, self._weights, task)
        except Exception as error:  # whatever a task's own pickling raises is that task's fault
            failure = Failure(error=f"it cannot be sent: {type(error).__name__}: {error}")
            self._early.append(Outcome(number=number, result=failure))
        else:
            hand.number = number

    def outcomes(self) -> list[Outcome]:
        """
        Raises:
            Unavailable: nobody has come, and nobody came in time.
            Conflict: a node has another release.
        """
        if self._early:
            early, self._early = self._early, []
            return early
        heard = self._wait()
        found = [self._heard(hand) for hand in self._hands[:] if hand.asked in heard]
        return [outcome for outcome in found if outcome is not None]

    def _wait(self) -> set[Any]:
        """The references that are answered, at least one."""
        asked = [hand.asked for hand in self._hands if not hand.free]
        alive = any(hand.come for hand in self._hands)
        began = time.monotonic()
        if asked:
            ready, _ = self._ray.wait(asked, num_returns=1, timeout=None if alive else self._patience)
            if ready:
                return set(ready)
        raise Unavailable(
            f"no worker is left at the Ray cluster {self._address!r}, and none came within"
            f" {time.monotonic() - began:.0f} s{self._why}; add nodes and run again"
        )

    def _heard(self, hand: _Hand) -> Outcome | None:
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(hand.asked)
        except errors.RayTaskError as error:
            # The work's own faults are caught on the node: this one came of reading the task or sending its result.
            answer = Failure(error=str(error.cause if error.cause is not None else error))
        except errors.RayError as error:
            return self._lose(hand, error)
        if hand.number is None:
            return self._greet(hand, answer)
        number, hand.number = hand.number, None
        return Outcome(number=number, result=answer)

    def _greet(self, hand: _Hand, release: str | Failure) -> None:
        if release != __version__:
            raise Conflict(
                f"a node of the Ray cluster {self._address!r} has liveoak {release!r}, this process {__version__!r}:"
                " install the same release on all"
            )
        hand.come = True

    def _lose(self, hand: _Hand, error: Exception) -> Outcome | None:
        why = shorten(f"its worker was lost: {type(error).__name__}: {error}", _TOLD)
        self._hands.remove(hand)
        self._ray.kill(hand.actor)
        if not hand.come:
            self._why = f" (the last that was asked: {why})"
            return None
        self._hire()
        assert hand.number is not None
        return Outcome(number=hand.number, result=Failure(error=why, lost=True))

    def _hire(self) -> None:
        actor = self._make()
        self._hands.append(_Hand(actor=actor, asked=actor.hello.remote()))

    def drop(self) -> None:
        for hand in [hand for hand in self._hands if hand.number is not None]:
            self._hands.remove(hand)
            self._ray.kill(hand.actor)
            self._hire()
        self._early.clear()

    def close(self) -> None:
        for hand in self._hands:
            self._ray.kill(hand.actor)
        self._hands.clear()
