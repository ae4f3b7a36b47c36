"""The one path of a lesson: recorded, studied, gated, served or refused. All four doors end here.

Whatever else writes the agent's weights takes its turn among the lessons.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from liveoak import garbage
from liveoak.config import Settings
from liveoak.engine import Decoder, Engine
from liveoak.errors import BadLesson, Conflict, NotFound, Unavailable, UserError
from liveoak.experience import Experience, new_id
from liveoak.gate import Chain
from liveoak.learning.recipe import Recipe
from liveoak.learning.windows import chosen, count_tokens
from liveoak.records import Lesson, Proof
from liveoak.runtime.teaching import OnProgress, Order, Progress, Teacher, teaches
from liveoak.worlds import normalised

T = TypeVar("T")
_log = logging.getLogger(__name__)

_TOPIC = 80
_REMEMBERED = 1024
"""Authors and sessions of which it is known when they had their last turn; to others it was before."""
_CHARACTERS = 32
"""More characters than this for each token allowed are refused before they are tokenised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    name: str
    """The lesson, or what else is learned from."""
    author: str
    of: str | None
    """The session that it is recorded in; turns go round among these, and first among authors."""
    session: str | None
    """Whose weights it writes; None: the agent's own."""
    short: bool
    """It is read in one window, so that it may cut in on a long text."""
    work: Callable[[Callable[[], None]], Any]
    """Done when its turn comes; told what may be done between two windows."""
    failed: Callable[[Exception], object]
    """Records why it failed."""
    result: Future[Any] = field(default_factory=Future[Any])


class School:
    """Takes lessons from any thread and studies them one after the other in a thread of its own, authors in turn.

    While a text of many windows is read, short lessons of other sessions are studied between two windows.
    """

    def __init__(
        self,
        settings: Settings,
        recipe: Recipe,
        *,
        engine: Engine,
        decoder: Decoder,
        experience: Experience,
        chain: Chain,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._clock = settings, clock
        self._encode = engine.tokenizer.encode
        self._experience, self._chain = experience, chain
        self._teacher = Teacher(settings, recipe, engine=engine, decoder=decoder, experience=experience, chain=chain)
        self.studying: str | None = None
        """The lesson under way, or what else is learned from."""
        self._waiting: list[_Task] = []
        self._turns: dict[tuple[str, ...], int] = {}
        """The number of the last turn that an author, or a session of theirs, had."""
        self._count = itertools.count(1)
        self._closed = False
        self._door = threading.Condition()
        """Held while a lesson is queued or the school closes, so that none is queued that nobody will take."""
        for left in experience.lessons(status="waiting"):
            chain.retire_unproven(left.lesson.id)
            experience.fail_lesson(left.lesson.id, "the process ended before the lesson was through; teach it again")
        self._thread = threading.Thread(target=self._work, name="liveoak-learn", daemon=True)
        self._thread.start()

    def learn(self, lesson: Lesson, *, session: str | None, author: str, on_progress: OnProgress | None) -> Proof:
        """Study a lesson and wait for its proof. A text longer than a lesson is read window after window.

        Raises:
            BadLesson: empty, or longer than allowed.
            Conflict: the lesson was given before, or what is served changed while it was studied.
            LearningError: the update diverged or changed nothing.
            StorageError: the new version could not be written.
        """
        if self._closed:
            raise _shutting_down()
        short = self._check(lesson)
        with contextlib.suppress(NotFound):
            status = self._experience.lesson(lesson.id).status
            raise Conflict(f"lesson {lesson.id!r} was given before and is {status}; teach it again under a new id")
        order = Order(lesson=lesson, session=session, studied=(lesson,))
        return self._enter(lesson, session, session, author, lambda: order, short, on_progress)

    def consolidate(self, session: str, *, author: str, on_progress: OnProgress | None) -> Proof:
        """Distil what a session's fast weights learned into the agent's slow weights, and wait for the proof.

        The session's lessons are studied again, towards the answers of the session's version. The session goes on
        with its own weights. What is recorded is a lesson of the session that stands for this, so that erasing the
        session retires the version.

        Raises:
            UserError: the session has learned nothing that the agent itself has not.
            and what `learn` raises of a lesson that is under way.
        """
        if self._closed:
            raise _shutting_down()
        lesson = Lesson(id=new_id("lesson", clock=self._clock), topic=f"consolidation of {session}"[:_TOPIC])
        self._consolidation(lesson, session)
        return self._enter(
            lesson, session, None, author, lambda: self._consolidation(lesson, session), False, on_progress
        )

    def in_turn(self, name: str, work: Callable[[OnProgress], T], *, author: str, on_progress: OnProgress | None) -> T:
        """Do what writes the agent's own weights and is no lesson, when its turn comes among the lessons, and wait."""
        tell = _harmless(on_progress)
        return self._wait_for(
            _Task(
                name=name,
                author=author,
                of=None,
                session=None,
                short=False,
                work=lambda _: work(tell),
                failed=lambda _: None,
            )
        )

    def close(self) -> None:
        """Finish the lesson under way; those that wait are told."""
        with self._door:
            self._closed = True
            self._door.notify()
        self._thread.join()

    def _enter(
        self,
        lesson: Lesson,
        of: str | None,
        session: str | None,
        author: str,
        order: Callable[[], Order],
        short: bool,
        on_progress: OnProgress | None,
    ) -> Proof:
        """Record a lesson as the session's `of`, queue what writes the weights of `session`, and wait."""
        self._experience.add_lesson(lesson, session=of, author=author, created=self._clock())
        tell = _harmless(on_progress)
        return self._wait_for(
            _Task(
                name=lesson.id,
                author=author,
                of=of,
                session=session,
                short=short,
                work=lambda between: self._teacher.teach(order(), tell, between),
                failed=lambda error: self._experience.fail_lesson(lesson.id, str(error) or type(error).__name__),
            )
        )

    def _wait_for(self, task: _Task) -> Any:
        with self._door:
            if not self._closed:
                self._waiting.append(task)
                self._door.notify()
            else:
                self._fail(task, _shutting_down())
        return task.result.result()

    def _consolidation(self, lesson: Lesson, session: str) -> Order:
        teacher = self._chain.current(session)
        known = set(self._chain.current().lessons)
        records = [self._experience.lesson(id) for id in teacher.lessons if id not in known]
        own = tuple(one.lesson for one in records if one.session == session and teaches(one.lesson))
        if teacher.session != session or not own:
            raise UserError(
                f"session {session!r} has learned nothing that the agent itself has not: teach the session first, or "
                "leave it as it is"
            )
        return Order(lesson=lesson, session=None, studied=own, teacher=teacher)

    def _check(self, lesson: Lesson) -> bool:
        """Whether it fits one window."""
        if not (
            lesson.source.strip() or any(map(str.strip, lesson.statements)) or lesson.questions or lesson.demonstrations
        ):
            raise BadLesson(
                f"lesson {lesson.topic!r} is empty: expected a text, statements, questions or demonstrations"
            )
        for pair in lesson.questions:
            if not pair.question.strip() or not normalised(pair.answer):
                raise BadLesson(
                    f"lesson {lesson.topic!r}: question {pair.question!r} with answer {pair.answer!r}: expected a "
                    "question, and an answer with a word or number in it besides articles"
                )
        for shown in lesson.demonstrations:
            if not shown.prompt.strip() or not shown.reply.strip():
                raise BadLesson(f"lesson {lesson.topic!r}: demonstration {shown!r}: expected a prompt and a reply")
        read = self._measured(lesson, (lesson.source,), "text", "max_text_tokens", "split it")
        said = self._measured(lesson, chosen(lesson), "lesson", "max_lesson_tokens", "split it, give it as a text")
        return read + said <= self._settings.max_lesson_tokens

    def _measured(self, lesson: Lesson, parts: tuple[str, ...], what: str, setting: str, instead: str) -> int:
        """Tokens of parts of a lesson, which are within a setting."""
        limit = getattr(self._settings, setting)
        size = sum(map(len, parts))
        if size > _CHARACTERS * limit:
            raise BadLesson(f"{what} {lesson.topic!r} has {size} characters, far over {limit} tokens: {instead}")
        tokens = sum(count_tokens(part, lambda piece: len(self._encode(piece))) for part in parts)
        if tokens > limit:
            raise BadLesson(
                f"{what} {lesson.topic!r} has {tokens} tokens, at most {limit} are allowed: {instead}, or raise the "
                f"setting {setting!r}"
            )
        return tokens

    def _work(self) -> None:
        while (task := self._next()) is not None:
            self._carry_out(task)

    def _next(self) -> _Task | None:
        """The task whose turn it is; those that still wait when the school closes are told."""
        with self._door:
            while not self._waiting and not self._closed:
                self._door.wait()
            if not self._closed:
                return self._take(self._waiting)
            left, self._waiting = self._waiting, []
        for task in left:
            self._fail(task, _shutting_down())
        return None

    def _between_windows(self, long: _Task) -> None:
        """Short lessons of other sessions, which leave what the long one began on as it is."""
        while True:
            with self._door:
                others = [task for task in self._waiting if task.short and task.session not in (None, long.session)]
                if self._closed or not others:
                    return
                task = self._take(others)
            self._carry_out(task)

    def _take(self, some: Sequence[_Task]) -> _Task:
        """Of these, that of the author whose last turn is longest ago, then of such a session, then the first."""
        task = min(some, key=lambda task: [self._turns.get(asker, 0) for asker in _askers(task)])
        self._waiting.remove(task)
        turn = next(self._count)
        for asker in _askers(task):
            self._turns.pop(asker, None)
            self._turns[asker] = turn
        while len(self._turns) > _REMEMBERED:
            del self._turns[next(iter(self._turns))]
        return task

    def _carry_out(self, task: _Task) -> None:
        before, self.studying = self.studying, task.name
        try:
            done = task.work(lambda: self._between_windows(task))
        except Exception as error:  # the border: a lesson that fails must not end the learner
            self._fail(task, error)
        else:
            task.result.set_result(done)
        finally:
            self.studying = before
            garbage.give_back()

    def _fail(self, task: _Task, error: Exception) -> None:
        # Where the record itself is what failed, or the lesson was erased meanwhile, the caller hears the first error:
        # whatever else goes wrong here, somebody waits for it.
        with contextlib.suppress(Exception):
            task.failed(error)
        task.result.set_exception(error)


def _askers(task: _Task) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (task.author,), (task.author, task.of or "")


def _shutting_down() -> Unavailable:
    return Unavailable("shutting down: the lesson was not studied; teach it again")


def _harmless(listener: OnProgress | None) -> OnProgress:
    """A listener that breaks, because its connection is gone for example, is not told any more; the lesson goes on."""
    listening = [listener] if listener is not None else []

    def tell(progress: Progress) -> None:
        try:
            for one in listening:
                one(progress)
        except Exception as error:  # the border: a listener is not ours
            listening.clear()
            _log.warning("a lesson's progress is not told any more: its listener broke: %r", error)

    return tell
