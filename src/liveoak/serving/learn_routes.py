"""POST /v1/learn, /v1/versions/consolidate, /v1/feedback and /v1/feedback/learn: the ways in which people teach."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Any

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool

from liveoak.errors import Overloaded
from liveoak.experience import new_id
from liveoak.records import QA, Demonstration, Harvest, Lesson, Proof
from liveoak.serving.callers import AuthorHeader, SessionHeader, author_of, session_of
from liveoak.serving.encoding import JSONReply, as_json, json_text
from liveoak.serving.faults import body_of
from liveoak.serving.host import Host, Step
from liveoak.serving.mailbox import Mailbox, ServerSentEvents
from liveoak.serving.wire import ConsolidateBody, FeedbackBody, HarvestBody, LearnBody

MOST_LESSONS = 32
"""Lessons under way or waiting; each holds a thread."""
MOST_OF_ONE = 16
"""Of one author, so that whoever hands in many shuts nobody out."""

Outcome = Proof | Harvest | Exception


class _Places:
    """Counts the lessons under way or waiting."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._guard = threading.Lock()

    def take(self, author: str) -> None:
        with self._guard:
            if self._held[author] >= MOST_OF_ONE:
                raise Overloaded(
                    f"{MOST_OF_ONE} of your lessons are under way or waiting: try again when one is through"
                )
            if self._held.total() >= MOST_LESSONS:
                raise Overloaded(f"{MOST_LESSONS} lessons are under way or waiting: try again when one is through")
            self._held[author] += 1

    def give_back(self, author: str) -> None:
        with self._guard:
            self._held[author] -= 1
            if not self._held[author]:
                del self._held[author]


def learn_routes(host: Host) -> APIRouter:
    router = APIRouter(tags=["learning"])
    places = _Places()

    @router.post("/v1/learn")
    async def learn(body: LearnBody, session: SessionHeader = None, author: AuthorHeader = None) -> Response:
        lesson = lesson_of(body)
        where = session_of(session, body.session, None)
        who = author_of(author, body.user)
        return await _studied(
            lambda tell: host.learn(lesson, session=where, author=who, on_progress=tell), places, who, body.stream
        )

    @router.post("/v1/versions/consolidate")
    async def consolidate(body: ConsolidateBody, author: AuthorHeader = None) -> Response:
        who = author_of(author, body.user)
        return await _studied(
            lambda tell: host.consolidate(body.session, author=who, on_progress=tell), places, who, body.stream
        )

    @router.post("/v1/feedback")
    async def feedback(body: FeedbackBody, author: AuthorHeader = None) -> Response:
        who = author_of(author, body.user)
        give: Callable[..., Any] = host.feedback
        given = await run_in_threadpool(
            give, turn=body.turn, author=who, kind=body.kind, value=body.value, text=body.text
        )
        return JSONReply(as_json(given))

    @router.post("/v1/feedback/learn")
    async def harvest(body: HarvestBody, author: AuthorHeader = None) -> Response:
        who = author_of(author, body.user)
        return await _studied(
            lambda tell: host.learn_from_feedback(author=who, on_progress=tell), places, who, body.stream
        )

    return router


async def _studied(
    study: Callable[[Callable[[Step], None]], Proof | Harvest], places: _Places, author: str, stream: bool
) -> Response:
    """What came of a study in a thread of its own, or the stream that ends with it."""
    places.take(author)
    box: Mailbox[Step | Outcome] = Mailbox()

    def carry_out() -> None:
        # A client that leaves does not undo the lesson: what was handed in is studied to its end.
        try:
            box.post(study(box.post))
        except Exception as error:
            box.post(error)
        finally:
            places.give_back(author)

    threading.Thread(target=carry_out, name="lesson", daemon=True).start()
    if stream:
        return ServerSentEvents(_stream(box))
    while not isinstance(outcome := await box.take(), Outcome):
        pass
    if isinstance(outcome, Exception):
        raise outcome
    return JSONReply(as_json(outcome), headers={"x-liveoak-version": outcome.version})


def lesson_of(body: LearnBody) -> Lesson:
    """The lesson that a body asks for. Whether it teaches anything, the runtime judges."""
    return Lesson(
        id=new_id("lesson"),
        topic=body.topic.strip() or _first_line(body),
        statements=tuple(body.statements),
        questions=tuple(QA(question=pair.question, answer=pair.answer) for pair in body.questions),
        demonstrations=tuple(Demonstration(prompt=one.prompt, reply=one.reply) for one in body.demonstrations),
        source=body.source,
        effort=body.effort,
    )


def _first_line(body: LearnBody) -> str:
    texts = (body.source, *body.statements, *(pair.question for pair in body.questions))
    lines = (line.strip(" #\t") for text in texts for line in text.splitlines())
    return next((line[:80] for line in lines if line), "untitled")


async def _stream(box: Mailbox[Step | Outcome]) -> AsyncGenerator[str, None]:
    while True:
        match await box.take():
            case Proof() | Harvest() as done:
                yield _event(type(done).__name__.lower(), as_json(done))
                break
            case Exception() as error:
                yield _event("error", body_of(error)[1])
                break
            case step:
                progress = {"stage": step.stage, "done": step.done, "total": step.total, "note": step.note}
                yield _event("progress", progress)
    yield "data: [DONE]"


def _event(name: str, value: Any) -> str:
    return f"event: {name}\ndata: {json_text(value)}"
