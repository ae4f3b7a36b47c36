"""The agent in this process: the model is loaded for one verb and let go after it."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Generator
from types import TracebackType
from typing import Self

from liveoak.cli.connection import OnProgress, SessionRecord, stage_of
from liveoak.cli.ondisk import record_of
from liveoak.cli.screen import OnFetch
from liveoak.config import Settings
from liveoak.records import Chat, Failed, Finished, Harvest, Lesson, Proof, ReplyEvent, Session, Version


class Local:
    """A connection over a runtime of its own."""

    def __init__(self, settings: Settings, author: str, *, on_fetch: OnFetch) -> None:
        from liveoak.runtime import Runtime

        self.agent, self.author = settings.agent, author
        with contextlib.ExitStack() as stack:
            self._runtime = stack.enter_context(Runtime(settings, on_fetch=on_fetch))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def chat(self, request: Chat) -> Generator[ReplyEvent]:
        events: queue.SimpleQueue[ReplyEvent] = queue.SimpleQueue()
        reply = self._runtime.chat(request, events.put)
        ended = False
        try:
            while not ended:
                event = events.get()
                ended = isinstance(event, Finished | Failed)
                if isinstance(event, Failed):
                    raise event.error
                yield event
        finally:
            if not ended:
                reply.cancel()

    def learn(self, lesson: Lesson, *, session: str | None, on_progress: OnProgress) -> Proof:
        return self._runtime.learn(
            lesson,
            session=session,
            author=self.author,
            on_progress=lambda step: on_progress(stage_of(step.stage, step.note), step.done, step.total),
        )

    def consolidate(self, session: str, *, on_progress: OnProgress) -> Proof:
        return self._runtime.consolidate(
            session,
            author=self.author,
            on_progress=lambda step: on_progress(stage_of(step.stage, step.note), step.done, step.total),
        )

    def learn_from_feedback(self, *, on_progress: OnProgress) -> Harvest:
        return self._runtime.learn_from_feedback(
            author=self.author,
            on_progress=lambda step: on_progress(stage_of(step.stage, step.note), step.done, step.total),
        )

    def versions(self, session: str | None = None) -> tuple[Version, ...]:
        return self._runtime.versions(session, self.author)

    def version(self, id: str) -> Version:
        return self._runtime.version(id, self.author)

    def rollback(self, to: str | None, session: str | None) -> Version:
        return self._runtime.rollback(to, session, self.author)

    def promote(self, version: str) -> Version:
        return self._runtime.promote(version, self.author)

    def forget(self, session: str) -> Version:
        return self._runtime.forget(session, self.author)

    def sessions(self, limit: int, before: str | None = None) -> tuple[Session, ...]:
        mine = None if self._runtime.rights.may_teach(self.author) else self.author
        return tuple(self._runtime.experience.sessions(author=mine, limit=limit, before=before))

    def record(self, session: str) -> SessionRecord:
        self._runtime.rights.need_keeper(session, self.author)
        return record_of(self._runtime.experience, session)

    def erase(self, session: str) -> tuple[str, ...]:
        return self._runtime.erase(session, self.author)
