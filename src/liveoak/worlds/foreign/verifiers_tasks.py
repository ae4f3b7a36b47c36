"""Tasks of `verifiers`: the prompt is the observation, the action is the reply, and the task's own rewards mark it.

Tasks that are marked by their reply alone are worlds; those that need tools, a sandbox or a simulated user need the
whole of `verifiers` around them, and are refused. A quarter of the tasks is held out.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

from liveoak.errors import BadSettings
from liveoak.worlds.foreign.guest import Past, Replayed
from liveoak.worlds.foreign.library import library
from liveoak.worlds.protocol import Step
from liveoak.worlds.ruled import About, RuledWorld
from liveoak.worlds.seeds import dice, of_split, split_of


class TaskGuest:
    def __init__(self, taskset: str, options: Mapping[str, Any], most: int) -> None:
        self._vf = _verifiers()
        self._tasks = _tasks(taskset, options, most)

    def reset(self, seed: int) -> str:
        self._task: Any = dice("verifiers", seed).choice(of_split(self._tasks, split_of(seed)))
        data = self._task.data
        return "\n\n".join(part for part in (data.system_prompt, data.prompt_text) if part)

    def step(self, action: str) -> Step:
        trace = self._trace(action)
        # A loop may be running where the world lives; the task's coroutines get one of their own.
        with ThreadPoolExecutor(1) as own:
            own.submit(asyncio.run, self._task.score(trace)).result()
        return Step(observation="the end.", reward=float(trace.reward), done=True)

    def actions(self) -> tuple[str, ...]:
        return ()

    def expert(self) -> str | None:
        return None

    def value(self) -> float | None:
        return None

    def _trace(self, reply: str) -> Any:
        vf, task = self._vf, self._task
        asked = [vf.UserMessage(content=task.data.prompt_text), vf.AssistantMessage(content=reply)]
        nodes = [
            vf.MessageNode(parent=place - 1 if place else None, message=message, sampled=bool(place))
            for place, message in enumerate(asked)
        ]
        return vf.Trace(
            task=vf.TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash),
            agent=vf.AgentInfo(config=vf.AgentConfig()),
            nodes=nodes,
        )


def verifiers(
    *,
    taskset: str,
    options: Mapping[str, Any] | None = None,
    most: int = 1000,
    rewards: tuple[float, float] = (0.0, 1.0),
) -> RuledWorld[Past]:
    """`taskset`: an installed package of verifiers 0.4 or later, with its own `options`. `most`: tasks that are read.

    `rewards`: the range of the sum of the task's rewards.

    Raises:
        Unavailable: verifiers is not installed.
        BadSettings: no such taskset, fewer than two tasks, or tasks that a reply alone cannot be marked by.
    """
    tasks = _tasks(taskset, options or {}, most)
    if len(tasks) < 2:
        raise BadSettings(f"taskset {taskset!r} has {len(tasks)} task(s); expected 2 or more, to hold some out")
    if lacking := _lacking(tasks[0]):
        raise BadSettings(f"taskset {taskset!r} {lacking}; only tasks that are marked by the reply alone are worlds")
    told = "Do the task. Your whole answer is one reply."
    about = About(name="verifiers", instructions=told, turns=1, rewards=rewards)
    return RuledWorld(Replayed(about, partial(TaskGuest, taskset, dict(options or {}), most)))


def _verifiers() -> Any:
    return library("verifiers.v1", world="verifiers", extra="verifiers")


def _tasks(taskset: str, options: Mapping[str, Any], most: int) -> list[Any]:
    vf = _verifiers()
    try:
        return list(islice(vf.load_taskset(vf.taskset_config_type(taskset)(id=taskset, **options)), most))
    except Exception as error:
        raise BadSettings(f"taskset {taskset!r} with {dict(options)!r} cannot be loaded: {error}") from error


def _lacking(task: Any) -> str | None:
    """What marking a task needs beside the reply, if anything."""
    if task.NEEDS_CONTAINER:
        return "needs a container"
    if type(task).toolsets(task.config):
        return "brings tools"
    if task.data.prompt is None:
        return "lets a simulated user begin"
    marks = [*task.hooks("reward"), *(judge.score for judge in task.plugged_judges())]
    if not marks:
        return "states no reward"
    parameters = [inspect.signature(mark).parameters.get("runtime") for mark in marks]
    if any(parameter is not None and parameter.default is inspect.Parameter.empty for parameter in parameters):
        return "is marked with a runtime"
    return None
