"""Work that workers of a crew can import, for tests of crews."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np

from liveoak.crew import Push, Weights, once


def double(task: int) -> int:
    if task < 0:
        raise ValueError(f"no task {task}")
    return 2 * task


def threads(_: int) -> str:
    return os.environ["OMP_NUM_THREADS"]


def scaled(weights: Weights, task: int) -> float:
    return float(weights.sum()) * task


def scribble(weights: Weights, _: int) -> None:
    weights[0] = 1


def pushed(weights: Weights, task: int) -> Push:
    """A gradient of its own for every task, the same wherever it is made."""
    drawn = np.random.default_rng(task).normal(size=weights.size).astype(np.float32)
    return Push(gradient=drawn * weights, weight=float(task + 1))


def die_once(task: tuple[str, int]) -> int:
    """Task 1 kills its process the first time; the file remembers."""
    path, number = task
    if number == 1 and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * number


def die(task: int) -> int:
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def made(task: int) -> tuple[int, int]:
    """The process, and which task made what it keeps."""
    time.sleep(0.05)
    return os.getpid(), once("made", lambda: task)


def slow(task: float) -> float:
    time.sleep(task)
    return task


def unsendable(_: int) -> object:
    return threading.Lock()


def die_on(task: tuple[str, int]) -> int:
    """Task 2 writes where it is under way, and takes long the first time: whoever reads that kills its node."""
    path, number = task
    if number == 2 and not Path(path).exists():
        import ray

        Path(path).write_text(ray.get_runtime_context().get_node_id())
        time.sleep(600)
    return 10 * number


def push_on(weights: Weights, task: tuple[str, int]) -> Push:
    die_on(task)
    return pushed(weights, task[1])
