"""A real Ray cluster of several nodes in this machine, which only this machine sees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Before Ray is imported anywhere: no tales to its makers, and the loopback address alone.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
# Workers have an environment of their own: those that Ray begins ahead would never be used.
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
os.environ.setdefault("RAY_worker_register_timeout_seconds", "240")
# Ray gives its workers what no other process wants; beside other tests that is next to nothing.
os.environ.setdefault("RAY_worker_niceness", "0")
WORK = str(Path(__file__).parents[1])
STORE = 80 * 2**20


class Nodes:
    """The cluster's nodes: a head without cores, and as many others of one core as are asked for."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        head = {"num_cpus": 0, "include_dashboard": False}
        # Deaf for some five seconds is dead; on a busy machine less would kill the living.
        self._add(**head, _system_config={"health_check_period_ms": 1000, "health_check_failure_threshold": 5})
        self.address = str(cluster.address)
        self._others: list[Any] = []

    def have(self, count: int) -> None:
        while len(self._others) < count:
            self._others.append(self._add(num_cpus=1))

    def _add(self, **told: Any) -> Any:
        for left in reversed(range(4)):
            try:
                return self._cluster.add_node(**told, object_store_memory=STORE, include_log_monitor=False)
            except Exception as error:
                # Ray gives a node 30 s and no more, which are few on a machine that is busy with something else.
                if not left or "timed out during startup" not in str(error):
                    raise
        raise AssertionError

    def kill(self, name: str) -> None:
        """As a machine whose power is cut: nobody is told."""
        node = next(node for node in self._others if node.node_id == name)
        self._others.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)

    @property
    def names(self) -> list[str]:
        return [node.node_id for node in self._others]


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'liveoak[cluster]'")
    from ray.cluster_utils import Cluster

    before = os.environ.get("PYTHONPATH")
    # Nodes hand it on to their workers, which import the work of these tests.
    os.environ["PYTHONPATH"] = os.pathsep.join([WORK, *([before] if before else [])])
    cluster = Cluster()
    try:
        yield Nodes(cluster)
    finally:
        cluster.shutdown()
        if before is None:
            os.environ.pop("PYTHONPATH")
        else:
            os.environ["PYTHONPATH"] = before
