"""Processes that carry out tasks: faults, losses, weights and interruption."""

from __future__ import annotations

import os
import time
from pathlib import Path

import crew_work
import numpy as np
import pytest

from liveoak.crew import Crew, Failure, Processes
from liveoak.errors import LiveoakError


def test_faults_losses_and_what_cannot_travel_cost_their_own_tasks(tmp_path: Path):
    before = os.environ.get("OMP_NUM_THREADS")
    with Processes(2) as crew:
        assert dict(crew.map(crew_work.double, [3, -1, 4])) == {
            0: 6,
            1: Failure(error="ValueError: no task -1"),
            2: 8,
        }
        tasks = [(str(tmp_path / "died"), number) for number in range(4)]
        assert dict(crew.map(crew_work.die_once, tasks)) == {0: 0, 1: 10, 2: 20, 3: 30}, "as without the loss"
        assert (tmp_path / "died").exists()
        assert set(dict(crew.map(crew_work.threads, range(2))).values()) == {"1"}
        unsent = dict(crew.map(crew_work.double, [1, lambda: None]))
        assert unsent[0] == 2 and "cannot be sent" in unsent[1].error and not unsent[1].lost
        assert "pickle" in dict(crew.map(crew_work.unsendable, [0]))[0].error
        with pytest.raises(LiveoakError, match="a function at the top of a module"):
            list(crew.map(lambda task: task, [1]))
        assert dict(crew.map(crew_work.double, [])) == {}
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_a_task_that_kills_its_process_fails_after_its_retries_and_the_rest_goes_on():
    with Processes(1, retries=1) as crew:
        found = dict(crew.map(crew_work.die, range(3)))
    assert found[0] == 0 and found[2] == 2
    assert found[1] == Failure(error="its process ended with exit code -9", lost=True, attempts=2)


def test_what_is_made_once_is_kept_and_weights_are_read_only():
    with Processes(1) as crew:
        first, second = (dict(crew.map(crew_work.made, [number]))[0] for number in (7, 8))
        assert first == second and first[1] == 7
        assert dict(crew.map_with(np.ones(4, np.float32), crew_work.scaled, [1, 2])) == {0: 4.0, 1: 8.0}
        assert dict(crew.map_with(np.full(4, 2, np.float32), crew_work.scaled, [1])) == {0: 8.0}, "of this round"
        assert "read-only" in dict(crew.map_with(np.ones(4, np.float32), crew_work.scribble, [0]))[0].error


def test_who_stops_asking_waits_for_nobody_and_may_ask_again():
    with Processes(2) as crew:
        began = time.monotonic()
        for number, result in crew.map(crew_work.slow, [0.0, 600.0, 600.0]):
            assert (number, result) == (0, 0.0)
            break
        assert dict(crew.map(crew_work.slow, [0.0, 0.0])) == {0: 0.0, 1: 0.0}
    assert time.monotonic() - began < 250


def test_sizes():
    crew: Crew = Processes()
    assert crew.workers >= 1
    with pytest.raises(ValueError, match="0 workers"):
        Processes(0)
