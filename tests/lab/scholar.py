"""A scripted host that can sit the handbook's exam: it knows the facts whose sentence stands in what it studied."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from liveoak.lab.exam import exam_prompt
from liveoak.records import QA, Lesson, Proof
from liveoak.serving.scripted import ScriptedHost
from liveoak.serving.server import served
from liveoak.worlds import Handbook


class Scholar(ScriptedHost):
    """Learns the first `self_taught` facts from the text alone, and all of them from taught questions."""

    def __init__(self, settings: Any, book: Handbook, *, self_taught: int, refuses: bool = False) -> None:
        super().__init__(settings)
        self.book = book
        self.self_taught = self_taught
        self.refuses = refuses
        self.lessons: list[Lesson] = []

    def learn(
        self,
        lesson: Lesson,
        *,
        session: str | None = None,
        author: str = "local",
        on_progress: Callable[[Any], None] | None = None,
    ) -> Proof:
        self.lessons.append(lesson)
        known = self.book.facts if lesson.questions else self.book.facts[: self.self_taught]
        studied = tuple(QA(question=exam_prompt(fact.exam_question), answer=f"{fact.answer}.") for fact in known)
        topic = "refused" if self.refuses else lesson.topic
        return super().learn(
            replace(lesson, topic=topic, questions=studied, source="-"),
            session=session,
            author=author,
            on_progress=on_progress,
        )


class Stage:
    """Stands in for the server process: kill closes the address, start opens another one over the same host."""

    def __init__(self, host: ScriptedHost, *, forgets: bool = False) -> None:
        self._host = host
        self._stack = contextlib.ExitStack()
        self._forgets = forgets
        self.url = ""
        self.pid = 4711
        self.kills = 0

    def start(self) -> str:
        self.url = self._stack.enter_context(served(self._host))
        return self.url

    def kill(self) -> None:
        self.kills += 1
        self._stack.close()
        if self._forgets:
            self._host.rollback()

    def close(self) -> None:
        self._stack.close()
