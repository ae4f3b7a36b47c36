"""A crew on a real cluster of several nodes: the same results as on one machine, also where nodes die."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import crew_work
import numpy as np
import pytest

from liveoak.adapters import digest
from liveoak.cluster import RayCrew, Terms
from liveoak.config import Settings
from liveoak.crew import Alone, Crew, Failure, Shared, average
from liveoak.errors import LiveoakError, Unavailable
from liveoak.runtime.training.orders import TrainOrder
from liveoak.runtime.training.training import open_training

PATIENT = Terms(arrival=240, patience=240)
WEIGHTS = np.linspace(-1, 1, 300_001, dtype=np.float32)
"""More than a megabyte, so that they and their gradients lie in the stores of nodes and not in messages."""

pytestmark = pytest.mark.timeout(600)


def test_a_crew_of_two_nodes_gives_what_one_machine_gives(nodes: Any):
    nodes.have(2)
    with RayCrew(nodes.address, terms=PATIENT) as crew:
        assert crew.workers == 2, "one a core, and the head has none"
        found = dict(crew.map(crew_work.double, [3, -1, 4, 5]))
        assert found == {0: 6, 1: Failure(error="ValueError: no task -1"), 2: 8, 3: 10}
        kept = list(dict(crew.map(crew_work.made, range(8))).values())
        assert 1 <= len(set(kept)) == len({process for process, _ in kept}) <= 2, "each made it once"
        assert set(dict(crew.map(crew_work.threads, range(2))).values()) == {"1"}
        assert Shared(crew, crew_work.scaled).run(WEIGHTS + 1, [1, 2]) == Shared(Alone(), crew_work.scaled).run(
            WEIGHTS + 1, [1, 2]
        )
        (written,) = Shared(crew, crew_work.scribble).run(WEIGHTS, [0])
        assert isinstance(written, Failure) and "read-only" in written.error
        usual = average(Alone(), crew_work.pushed, WEIGHTS, range(5))
        spread = average(crew, crew_work.pushed, WEIGHTS, range(5))
        assert spread.gradient.tobytes() == usual.gradient.tobytes() and spread.failed == {}
        unsent = dict(crew.map(crew_work.double, [1, threading.Lock()]))
        assert unsent[0] == 2 and "cannot be sent" in unsent[1].error
        assert "pickle" in dict(crew.map(crew_work.unsendable, [0]))[0].error
        with pytest.raises(LiveoakError, match="a function at the top of a module"):
            list(crew.map(lambda task: task, [1]))
        results = crew.map(crew_work.slow, [0.0, 600.0, 600.0])
        assert next(results) == (0, 0.0)
        results.close()
        assert dict(crew.map(crew_work.die, range(3))) | {1: None} == {0: 0, 1: None, 2: 2}, "others came instead"


def test_a_node_that_dies_in_the_middle_costs_only_what_it_was_doing(nodes: Any, tmp_path: Path):
    nodes.have(2)
    mark = tmp_path / "under-way"
    tasks = [(str(mark), number) for number in range(6)]
    with RayCrew(nodes.address, terms=PATIENT) as crew:
        killer = threading.Thread(target=lambda: nodes.kill(_when_written(mark)))
        killer.start()
        try:
            spread = average(crew, crew_work.push_on, WEIGHTS, tasks)
        finally:
            killer.join()
        assert len(nodes.names) == 1
        usual = average(Alone(), crew_work.push_on, WEIGHTS, tasks)
        assert spread.gradient.tobytes() == usual.gradient.tobytes() and spread.failed == {}, "as without the loss"
        assert dict(crew.map(crew_work.double, range(3))) == {0: 0, 1: 2, 2: 4}, "one is left, and goes on"


def trained(crew: Crew, folder: Path, mark: Path) -> tuple[list[float], str]:
    """The reward and a digest of the weights of one round."""
    order = TrainOrder(
        world="deadly_pages:source", options={"mark": str(mark)}, streams=2, lives=2, dense=0.5, begin=False, examined=1
    )
    with crew, open_training(folder, order, Settings(threads=1), crew=crew) as training:
        return [line["reward"] for line in training.rounds(1)], digest(training.outer.slow)


def test_a_training_goes_on_where_a_node_dies_and_ends_on_the_same_weights(nodes: Any, tmp_path: Path):
    nodes.have(2)
    mark = tmp_path / "under-way"
    killer = threading.Thread(target=lambda: nodes.kill(_when_written(mark)))
    killer.start()
    try:
        spread = trained(RayCrew(nodes.address, terms=PATIENT), tmp_path / "spread", mark)
    finally:
        killer.join()
    assert len(nodes.names) == 1
    assert spread == trained(Alone(), tmp_path / "alone", mark)


def test_without_any_node_left_it_ends_with_a_reason(nodes: Any, tmp_path: Path):
    nodes.have(1)
    mark = tmp_path / "under-way"
    with RayCrew(nodes.address, terms=Terms(arrival=240, patience=5)) as crew:
        killer = threading.Thread(target=lambda: nodes.kill(_when_written(mark)))
        killer.start()
        found: dict[int, Any] = {}
        try:
            with pytest.raises(Unavailable, match="no worker is left"):
                found.update(crew.map(crew_work.die_on, [(str(mark), number) for number in (1, 2, 3)]))
        finally:
            killer.join()
    with pytest.raises(Unavailable, match="0 cores"):
        RayCrew(nodes.address).__enter__()


def _when_written(mark: Path) -> str:
    """The node that the mark names, once it is there."""
    until = time.monotonic() + 400
    while time.monotonic() < until:
        if mark.exists() and (name := mark.read_text()):
            return name
        time.sleep(0.1)
    raise TimeoutError(f"nobody wrote {mark}")
