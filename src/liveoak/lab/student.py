"""The runtime as a student: lessons, exams and scores in process."""

from __future__ import annotations

import contextlib
import math
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Protocol

from liveoak.config import Settings
from liveoak.lab.exam import MAX_TOKENS, ExamReply, exam_prompt
from liveoak.lab.machine import Machine, describe_machine
from liveoak.learning.recipe import Recipe
from liveoak.records import Chat, Failed, Finished, Lesson, Message, Proof, ReplyEvent, Sampling, Version
from liveoak.worlds import HandbookFact

_AT_ONCE = 16
"""Replies under way together: enough to fill a batch, fewer than any queue holds."""


class Agent(Protocol):
    """The part of the runtime that an examined student needs."""

    @property
    def settings(self) -> Settings: ...

    def chat(self, request: Chat, on_event: Callable[[ReplyEvent], None]) -> object: ...

    def score(
        self, messages: Sequence[Message], reply: str, model: str | None = None, session: str | None = None
    ) -> tuple[float, ...]: ...

    def learn(self, lesson: Lesson) -> Proof: ...

    def versions(self) -> tuple[Version, ...]: ...

    def rollback(self, to: str | None = None) -> Version: ...

    def health(self) -> dict[str, Any]: ...


class RuntimeStudent:
    """An agent that is examined and taught in process."""

    def __init__(self, start: Callable[[], Agent]) -> None:
        """`start` closes the agent that it gave before, if any, and gives one on the same home."""
        self._start = start
        self._agent = start()
        self._root = self._agent.versions()[0].id

    def machine(self) -> Machine:
        """What it runs on."""
        health = self._agent.health()
        return describe_machine(device=health["device"], dtype=health["dtype"])

    def root(self) -> str:
        return self._root

    def answer(self, prompts: Sequence[str], *, version: str | None = None) -> Sequence[ExamReply]:
        """Replies in the order of the prompts. Raises what a reply failed with."""
        ends: list[Finished | Failed | None] = [None] * len(prompts)
        free = threading.Semaphore(_AT_ONCE)
        through = threading.Semaphore(0)

        def listen(place: int) -> Callable[[ReplyEvent], None]:
            def hear(event: ReplyEvent) -> None:
                if isinstance(event, Finished | Failed):
                    ends[place] = event
                    free.release()
                    through.release()

            return hear

        for place, prompt in enumerate(prompts):
            free.acquire()
            self._agent.chat(self._request(prompt, version), listen(place))
        for _ in prompts:
            through.acquire()
        return [_reply(end) for end in ends]

    def learn(self, lesson: Lesson) -> Proof:
        return self._agent.learn(lesson)

    def restart(self) -> None:
        self._agent = self._start()

    def peak_memory_mib(self) -> float:
        return float(self._agent.health()["peak_memory_mib"])

    def rollback(self, to: str) -> None:
        if self._agent.versions()[-1].id != to:
            self._agent.rollback(to)

    def gold_logprob(self, facts: Sequence[HandbookFact], context: str, version: str | None) -> float:
        means: list[float] = []
        for fact in facts:
            asked = Message(role="user", content=exam_prompt(fact.exam_question, context))
            # The last one is that of the turn's end, which is no word of the answer.
            scores = self._agent.score([asked], fact.answer, model=self._model(version))[:-1]
            means.append(math.fsum(scores) / len(scores))
        return math.fsum(means) / len(means)

    def _request(self, prompt: str, version: str | None) -> Chat:
        return Chat(
            messages=(Message(role="user", content=prompt),),
            model=self._model(version),
            author="lab",
            tool_choice="none",
            sampling=Sampling(temperature=0.0, max_tokens=MAX_TOKENS),
        )

    def _model(self, version: str | None) -> str:
        agent = self._agent.settings.agent
        return agent if version is None else f"{agent}@{version}"


@contextlib.contextmanager
def open_student(settings: Settings, recipe: Recipe | None = None) -> Generator[RuntimeStudent]:
    """A fresh agent in a temporary home."""
    from liveoak.runtime import Runtime

    with tempfile.TemporaryDirectory(prefix="liveoak-lab-") as home, contextlib.ExitStack() as running:
        own = settings.model_copy(update={"home": Path(home)})

        def start() -> Runtime:
            running.close()
            return running.enter_context(Runtime(own, recipe=recipe))

        yield RuntimeStudent(start)


def _reply(end: Finished | Failed | None) -> ExamReply:
    if not isinstance(end, Finished):
        raise end.error if end is not None else RuntimeError("a reply ended without Finished or Failed")
    return ExamReply(text=end.message.content, version=end.version, prompt_tokens=end.prompt_tokens)
