"""A crew of Ray actors: one a core, each with a process and an engine of its own."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self, TypeVar

from liveoak.cluster.actors import Actors
from liveoak.cluster.terms import Terms
from liveoak.crew import Failure, Weights, carry_out, check_can_travel
from liveoak.errors import Conflict, Unavailable, UserError

T = TypeVar("T")
R = TypeVar("R")


def ray_library() -> Any:
    """Ray, whose own types are partial: what comes of it is used as it is documented.

    Raises:
        UserError: it is not installed.
    """
    # Ray tells its makers what it is used for unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UserError(f"a cluster needs Ray ({error}): pip install 'liveoak[cluster]', or --cluster local") from None


class RayCrew:
    """Workers on all nodes of a cluster, spread over them.

    A connection to Ray that this process has already is used and left as it is.
    """

    def __init__(self, address: str, workers: int | None = None, *, terms: Terms | None = None) -> None:
        """`address` as Ray takes it: `auto`, `HOST:PORT` or `ray://HOST:PORT`. `workers`: at most; None is as many as
        there is room for.
        """
        if workers is not None and workers < 1:
            raise ValueError(f"{workers!r} workers: expected at least 1")
        self._address, self._wanted, self._terms = address, workers, terms or Terms()
        self._ray: Any = None
        self._connected = False
        self._actors: Actors | None = None

    @property
    def workers(self) -> int:
        return 0 if self._actors is None else self._actors.size

    def map(self, work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[int, R | Failure]]:
        return self._carry_out(work, None, tasks)

    def map_with(
        self, weights: Weights, work: Callable[[Weights, T], R], tasks: Sequence[T]
    ) -> Iterator[tuple[int, R | Failure]]:
        return self._carry_out(work, weights, tasks)

    def _carry_out(self, work: Callable[..., Any], weights: Weights | None, tasks: Sequence[Any]) -> Iterator[Any]:
        if self._actors is None:
            raise Unavailable(f"the crew at {self._address!r} is not hired: use it as a context, `with crew:`")
        check_can_travel(work)
        self._actors.begin(work, weights)
        yield from carry_out(self._actors, tasks, retries=self._terms.retries)

    def __enter__(self) -> Self:
        self._ray = ray_library()
        self._connect()
        try:
            self._actors = Actors(self._ray, self._address, self._size(), self._terms)
            self._actors.gather()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        actors, self._actors = self._actors, None
        if actors is not None:
            actors.close()
        if self._connected:
            self._connected = False
            self._ray.shutdown()

    def _connect(self) -> None:
        if self._ray.is_initialized():
            return
        # A client sees another machine's cluster, which keeps its own log.
        own = {} if self._address.startswith("ray://") else {"log_to_driver": False, "configure_logging": False}
        try:
            self._ray.init(address=self._address, **own)
        except (ConnectionError, OSError, TimeoutError) as error:
            raise Unavailable(
                f"no Ray cluster at {self._address!r}: {error}; run `ray start --head` on its first machine"
            ) from None
        except (RuntimeError, ValueError) as error:
            raise Conflict(f"the Ray cluster at {self._address!r} does not take this process: {error}") from None
        self._connected = True

    def _size(self) -> int:
        there: dict[str, float] = self._ray.cluster_resources()
        room = int(there.get("CPU", 0) // self._terms.cores)
        if self._terms.gpus:
            room = min(room, int(there.get("GPU", 0) // self._terms.gpus))
        if room < 1:
            raise Unavailable(
                f"the Ray cluster at {self._address!r} has {there.get('CPU', 0):g} cores and {there.get('GPU', 0):g}"
                f" GPUs; a worker takes {self._terms.cores} and {self._terms.gpus:g}: add a node"
            )
        return room if self._wanted is None else min(room, self._wanted)
