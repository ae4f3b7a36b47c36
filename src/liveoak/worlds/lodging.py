"""Where a guarded world lives: a thread or a process of its own, asked one thing at a time and waited for so long."""

from __future__ import annotations

import multiprocessing
import pickle
import queue
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal, Protocol

from liveoak.worlds.protocol import Choices, Contested, Imagined, Known, World

What = Literal["about", "reset", "step", "actions", "expert", "value", "would", "pickle", "unpickle"]
_GRACE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of a question: a value, or how the world failed."""

    value: Any = None
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a world says of itself, once."""

    name: str
    instructions: str
    rewards: tuple[float, float]
    turns: int
    chance: bool
    contested: bool
    knows: frozenset[str]
    """Which of `actions`, `expert` and `would` it has."""


class Lodging(Protocol):
    def ask(self, what: What, argument: Any, seconds: float) -> Reply:
        """Ask the world; a world that is too slow is a fault, after which it must not be asked again."""
        ...

    def close(self) -> None: ...


class Thread:
    """Costs microseconds. A world that hangs keeps its thread until the process ends."""

    def __init__(self, factory: Callable[[], World]) -> None:
        self._asked, self._replies = queue.SimpleQueue[Any](), queue.SimpleQueue[Reply]()
        threading.Thread(target=_attend, args=(factory, self._asked, self._replies), daemon=True).start()
        # The thread holds its queues alone: it must end with whoever asks, even if nobody closes.
        self._end = weakref.finalize(self, self._asked.put, None)

    def ask(self, what: What, argument: Any, seconds: float) -> Reply:
        self._asked.put((what, argument))
        try:
            return self._replies.get(timeout=seconds)
        except queue.Empty:
            return _too_slow(what, seconds)

    def close(self) -> None:
        self._end()


class Process:
    """Costs a second to start and some hundred microseconds a question. What hangs or crashes is ended with it."""

    def __init__(self, factory: Callable[[], World]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_attend_pipe, args=(theirs, factory), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, what: What, argument: Any, seconds: float) -> Reply:
        try:
            self._pipe.send((what, argument))
            if not self._pipe.poll(seconds):
                return _too_slow(what, seconds)
            return self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(_GRACE)
            return Reply(fault=f"its process died during {what} with exit code {self._process.exitcode}")
        except Exception as error:
            return Reply(fault=f"{what} gave an answer that cannot be read ({type(error).__name__}: {error})")

    def close(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.join(_GRACE)


def _too_slow(what: What, seconds: float) -> Reply:
    return Reply(fault=f"{what} did not answer within {seconds:g} s")


def _attend(factory: Callable[[], World], asked: queue.SimpleQueue[Any], replies: queue.SimpleQueue[Reply]) -> None:
    world: World | None = None
    while (question := asked.get()) is not None:
        world, reply = _answer(factory, world, *question)
        replies.put(reply)


def _attend_pipe(pipe: Connection, factory: Callable[[], World]) -> None:
    world: World | None = None
    while True:
        try:
            question = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        world, reply = _answer(factory, world, *question)
        try:
            pipe.send(reply)
        except Exception as error:
            pipe.send(Reply(fault=f"{question[0]} gave what cannot be sent ({type(error).__name__}: {error})"))


def _answer(factory: Callable[[], World], world: World | None, what: What, argument: Any) -> tuple[World | None, Reply]:
    """The border behind which a world may do anything: whatever it raises becomes a fault."""
    try:
        if what == "unpickle":
            return pickle.loads(argument), Reply()
        world = world if world is not None else factory()
        if what == "pickle":
            return world, Reply(value=pickle.dumps(world))
        if what == "about":
            return world, Reply(value=_described(world))
        method = getattr(world, what)
        return world, Reply(value=method() if argument is None else method(argument))
    except BaseException as error:
        return world, Reply(fault=f"{what} raised {type(error).__name__}: {error}")


def _described(world: World) -> Described:
    least, most = world.rewards
    knows = {"actions": Choices, "expert": Known, "would": Imagined}
    return Described(
        name=str(world.name),
        instructions=str(world.instructions),
        rewards=(float(least), float(most)),
        turns=int(world.turns),
        chance=isinstance(world, Known) and bool(world.chance),
        contested=isinstance(world, Contested) and bool(world.contested),
        knows=frozenset(name for name, ability in knows.items() if isinstance(world, ability)),
    )
