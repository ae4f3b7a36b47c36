"""A ledger whose reading once costs the process its life, or the node its power, for tests of who lives lives."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from liveoak.worlds import About, Material, seed_of
from liveoak.worlds.built_in.ledger import Ledger

LEDGER = Ledger(pages=2, entries=3, questions=1, kinds=3)
DEADLY = 1
"""The stream of training material that nobody survives the first time."""


@dataclass(frozen=True)
class DeadlyPages:
    mark: str
    """A file that remembers that it happened, and where."""

    @property
    def about(self) -> About:
        return LEDGER.about

    def material(self, seed: int) -> Material:
        mark = Path(self.mark)
        if seed == seed_of("train", DEADLY) and _at_work() and not mark.exists():
            node = _node()
            mark.write_text(node or "")
            if node is None:
                os.kill(os.getpid(), signal.SIGKILL)
            # Whoever reads the mark cuts this node's power.
            time.sleep(600)
        return LEDGER.material(seed)


def source(mark: str) -> DeadlyPages:
    return DeadlyPages(mark)


def _at_work() -> bool:
    """In a worker, and not in the process in charge."""
    return multiprocessing.parent_process() is not None or _node() is not None


def _node() -> str | None:
    """The Ray node of this worker; None where it is no such one."""
    if "ray" not in sys.modules:
        return None
    import ray

    here = ray.get_runtime_context() if ray.is_initialized() else None
    return here.get_node_id() if here is not None and here.get_actor_id() else None
