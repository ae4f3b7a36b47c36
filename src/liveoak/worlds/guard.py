"""A guard around worlds that cannot be trusted: whatever they do, the caller gets a sound answer or a WorldError.

A world that raises, hangs, or answers something else than text and a reward in range has failed: its episode is over,
and the next `reset` begins with a fresh world. With `apart`, the world lives in a process of its own, so that it can be
ended for good and cannot take the caller's process with it; without, in a thread, which costs little. Neither is a
sandbox: the world may still do what the user who runs it may do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from liveoak.errors import WorldError
from liveoak.worlds.answers import observation_fault, step_fault
from liveoak.worlds.lodging import Described, Lodging, Process, Thread, What
from liveoak.worlds.protocol import Step, World
from liveoak.worlds.seeds import checked

_STARTING = 60.0


class Guarded:
    """A world behind a guard. Close it, or use it as a context manager, to give back its thread or process.

    It has what a world can have; what the guarded world does not know comes as "not known".
    """

    def __init__(self, factory: Callable[[], World], *, seconds: float = 10.0, apart: bool = False) -> None:
        """`factory` makes the world, `seconds` is the limit of each answer.

        With `apart`, `factory` must be picklable, and a script must be a file that starts under
        `if __name__ == "__main__"`, since the new process imports it: the usual rules of multiprocessing.

        Raises:
            ValueError: `seconds` is not above 0.
            WorldError: the world cannot be made.
        """
        if not seconds > 0:
            raise ValueError(f"seconds = {seconds!r}: expected a time limit above 0")
        self._factory, self._seconds, self._apart = factory, seconds, apart
        self._lodging: Lodging | None = None
        self._running, self._turn = False, 0
        self._about: Described | None = None
        self._enter()

    @property
    def name(self) -> str:
        return self._described.name

    @property
    def instructions(self) -> str:
        return self._described.instructions

    @property
    def rewards(self) -> tuple[float, float]:
        return self._described.rewards

    @property
    def turns(self) -> int:
        return self._described.turns

    @property
    def chance(self) -> bool:
        return self._described.chance

    @property
    def contested(self) -> bool:
        return self._described.contested

    def reset(self, seed: int) -> str:
        checked(seed)
        if self._lodging is None:
            self._enter()
        observation = self._ask("reset", seed, observation_fault)
        self._running, self._turn = True, 0
        return observation

    def step(self, action: str) -> Step:
        self._must_run()
        step: Step = self._ask("step", action, lambda step: step_fault(step, self.rewards))
        self._turn += 1
        if self._turn >= self.turns and not step.done:
            self._fail(f"it goes on after its {self.turns} turns")
        self._running = not step.done
        return step

    def actions(self) -> tuple[str, ...]:
        return self._ask_running("actions", _actions_fault) if "actions" in self._described.knows else ()

    def expert(self) -> str | None:
        return self._ask_running("expert", _expert_fault) if "expert" in self._described.knows else None

    def value(self) -> float | None:
        return self._ask_running("value", _value_fault) if "expert" in self._described.knows else None

    def would(self, action: str) -> str | None:
        self._must_run()
        return self._ask("would", action, _would_fault) if "would" in self._described.knows else None

    def close(self) -> None:
        lodging, self._lodging, self._running = self._lodging, None, False
        if lodging is not None:
            lodging.close()

    def __enter__(self) -> Guarded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        pickled = self._ask("pickle", None, lambda _: None) if self._lodging is not None else None
        return self.__dict__ | {"_lodging": None, "_pickled": pickled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        pickled = state.pop("_pickled")
        self.__dict__.update(state)
        if pickled is not None:
            self._lodging = self._opened()
            self._ask("unpickle", pickled, lambda _: None, _STARTING)

    @property
    def _described(self) -> Described:
        if self._about is None:
            raise WorldError("the world has not said what it is; make a new guard")
        return self._about

    def _enter(self) -> None:
        self._lodging = self._opened()
        self._about = cast(Described, self._ask("about", None, lambda _: None, _STARTING))

    def _opened(self) -> Lodging:
        return Process(self._factory) if self._apart else Thread(self._factory)

    def _must_run(self) -> None:
        if not self._running:
            raise WorldError(f"world {self.name!r}: no episode is running; call reset(seed) first")

    def _ask_running(self, what: What, fault: Callable[[object], str | None]) -> Any:
        self._must_run()
        return self._ask(what, None, fault)

    def _ask(
        self, what: What, argument: Any, fault: Callable[[object], str | None], seconds: float | None = None
    ) -> Any:
        """The answer, if it is sound; else the world has failed."""
        if self._lodging is None:
            raise WorldError(f"world {self.name!r} is closed or has failed; reset it for a fresh one")
        reply = self._lodging.ask(what, argument, max(self._seconds, seconds or 0))
        if found := reply.fault or fault(reply.value):
            self._fail(found)
        return reply.value

    def _fail(self, fault: str) -> None:
        self.close()
        named = repr(self._about.name) if self._about else "that is being made"
        raise WorldError(f"world {named}: {fault}")


def _actions_fault(actions: object) -> str | None:
    texts = isinstance(actions, tuple) and all(isinstance(action, str) for action in cast(tuple[object, ...], actions))
    return None if texts else f"actions are {actions!r}; expected a tuple of texts"


def _expert_fault(action: object) -> str | None:
    return None if action is None or isinstance(action, str) else f"the expert says {action!r}; expected text or None"


def _would_fault(observation: object) -> str | None:
    return None if observation is None else observation_fault(observation)


def _value_fault(value: object) -> str | None:
    sound = value is None or (isinstance(value, (int, float)) and math.isfinite(value))
    return None if sound else f"the value is {value!r}; expected a finite number or None"
