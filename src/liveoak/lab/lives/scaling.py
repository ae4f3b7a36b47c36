"""The experiment `cluster-scaling`: the same lives by crews of 1, 2, 4 and more workers, as far as there is room.

What is timed is living: hiring a crew and loading a prior into each worker come before, and are told apart.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from functools import partial

from liveoak.crew import Crew, Failure, once
from liveoak.errors import Unavailable
from liveoak.lab.lives.grid import Done, run_cells
from liveoak.lab.lives.life import Figures, Life, Stage, live
from liveoak.lab.lives.running import finished
from liveoak.lab.lives.ways import way
from liveoak.lab.order import Order
from liveoak.lab.results import Figure, Results, figure_over

LIVES = 16
"""Lives of one measurement: whole rounds for up to 16 workers, fewer in a quick run."""
EPISODES = 128
_TRIES = 100


def life_of(seed: int, *, quick: bool) -> Life:
    return Life(
        world="bandit",
        options={"pulls": 1, "levers": 2, "rule": 0},
        stages=(Stage(settings=way("reward"), episodes=32 if quick else EPISODES),),
        seed=seed,
        readings=0,
        examined=8,
    )


def sizes(room: int) -> list[int]:
    """1, 2, 4 and so on, as far as there is room."""
    return [2**power for power in range(max(room, 1).bit_length())]


def ready(_: int) -> str:
    """Which worker this is, once it has lived a little."""
    once("lived", partial(live, life_of(0, quick=True)))
    # Long enough for every other worker to take a task too.
    time.sleep(0.2)
    return f"{socket.gethostname()}/{os.getpid()}"


def experiment(order: Order) -> Results:
    with order.hire(order.jobs) as crew:
        tried = sizes(crew.workers)
    lives = LIVES // 4 if order.quick else LIVES
    seconds: dict[int, list[float]] = {size: [] for size in tried}
    hiring: dict[int, list[float]] = {size: [] for size in tried}
    found: list[Done] = []
    for repeat in range(order.count):
        # Sizes by turns, so that what else the machine does falls on all of them.
        for size in tried if repeat % 2 == 0 else reversed(tried):
            began = time.perf_counter()
            with order.hire(size) as crew:
                _warm(crew)
                hiring[size].append(time.perf_counter() - began)
                began = time.perf_counter()
                found.append(_lived(order, crew, lives, f"repeat {repeat}, {_name(size)}"))
                seconds[size].append(time.perf_counter() - began)
    rates = {size: [3600 * lives / taken for taken in seconds[size]] for size in tried}
    arms = {
        _name(size): {
            "lives_per_hour": figure_over("lives_per_hour", rates[size]),
            "hiring_seconds": figure_over("hiring_seconds", hiring[size]),
        }
        | _against_one(rates, size)
        for size in tried
    }
    return finished(
        "lab-cluster-scaling",
        order,
        Done(figures={}, failed=tuple(one for done in found for one in done.failed)),
        metrics=_against_one(rates, tried[-1]) | {"lives_per_hour": arms[_name(tried[-1])]["lives_per_hour"]},
        arms=arms,
        config={"lives": lives, "repeats": order.count, "sizes": tried},
        claims={"the same lives, whatever the number of workers": _alike(found)},
        lines=[],
    )


def _name(size: int) -> str:
    return f"{size} worker{'s' if size > 1 else ''}"


def _warm(crew: Crew) -> None:
    """Until every worker has a prior.

    Raises:
        Unavailable: some have not come by then.
    """
    seen: set[str] = set()
    for _ in range(_TRIES):
        for _, told in crew.map(ready, range(crew.workers)):
            if isinstance(told, Failure):
                raise Unavailable(f"a worker could not live: {told.error}")
            seen.add(told)
        if len(seen) >= crew.workers:
            return
    raise Unavailable(f"{len(seen)} of {crew.workers} workers came: wait until the others are free, or ask for fewer")


def _lived(order: Order, crew: Crew, lives: int, name: str) -> Done:
    def keep(*_: object) -> None:
        """Parts of a measurement are never reused."""

    cells = {f"{name}, seed {seed}": life_of(seed, quick=order.quick) for seed in range(lives)}
    return run_cells(cells, live, keep=keep, crew=crew, tell=order.tell)


def _against_one(rates: dict[int, list[float]], size: int) -> dict[str, Figure]:
    """Paired by repeat."""
    shares = [many / (size * one) for one, many in zip(rates[1], rates[size], strict=True)]
    return {"scaling_efficiency": figure_over("scaling_efficiency", shares)}


def _alike(found: Sequence[Done]) -> bool:
    def lived(done: Done) -> list[Figures]:
        timeless = ({key: one[key] for key in one if key != "cell_seconds"} for one in done.figures.values())
        return list(timeless)

    return all(lived(done) == lived(found[0]) for done in found)
