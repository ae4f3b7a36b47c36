"""The one path of a lesson: recorded, studied, gated, served or refused. All four doors end here."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from liveoak.config import Settings
from liveoak.engine import Decoder, Engine
from liveoak.errors import BadLesson, Conflict, LiveoakError, NotFound, Unavailable
from liveoak.experience import Experience
from liveoak.gate import Chain, Gate, judge, temper
from liveoak.learning.course import Studied
from liveoak.learning.general import anchors, ground
from liveoak.learning.objective import Example
from liveoak.learning.recipe import Recipe
from liveoak.learning.study import Study
from liveoak.records import QA, Lesson, Probe, Proof, Verdict, Version
from liveoak.worlds import normalised

_log = logging.getLogger(__name__)

_EARLIER = 20
"""Questions of earlier lessons that a candidate is asked, spread over the latest of them."""
_EARLIER_LESSONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a lesson has come: `read`, `study`, then `gate`."""

    stage: str
    done: int
    total: int
    note: str = ""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    lesson: Lesson
    session: str | None
    on_progress: OnProgress
    result: Future[Proof]


class School:
    """Takes lessons from any thread and studies them one after the other in a thread of its own."""

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
        self._settings, self._recipe, self._clock = settings, recipe, clock
        self._engine, self._decoder = engine, decoder
        self._experience, self._chain = experience, chain
        self._gate = Gate(engine, decoder, settings.gate)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self.studying: str | None = None
        """The lesson under way."""
        self._closed = False
        self._door = threading.Lock()
        """Held while a lesson is queued or the school closes, so that none is queued that nobody will take."""
        for left in experience.lessons(status="waiting"):
            chain.retire_unproven(left.lesson.id)
            experience.fail_lesson(left.lesson.id, "the process ended before the lesson was through; teach it again")
        self._thread = threading.Thread(target=self._work, name="liveoak-learn", daemon=True)
        self._thread.start()

    def learn(self, lesson: Lesson, *, session: str | None, author: str, on_progress: OnProgress | None) -> Proof:
        """Study a lesson and wait for its proof.

        Raises:
            BadLesson: empty, or longer than allowed.
            Conflict: the lesson was given before, or what is served changed while it was studied.
            LearningError: the update diverged or changed nothing.
            StorageError: the new version could not be written.
        """
        if self._closed:
            raise _shutting_down()
        self._check(lesson)
        with contextlib.suppress(NotFound):
            status = self._experience.lesson(lesson.id).status
            raise Conflict(f"lesson {lesson.id!r} was given before and is {status}; teach it again under a new id")
        self._experience.add_lesson(lesson, session=session, author=author, created=self._clock())
        task = _Task(lesson=lesson, session=session, on_progress=_harmless(on_progress), result=Future())
        with self._door:
            if not self._closed:
                self._tasks.put(task)
            else:
                self._fail(task, _shutting_down())
        return task.result.result()

    def close(self) -> None:
        """Finish the lesson under way; those that wait are told."""
        with self._door:
            self._closed = True
            self._tasks.put(None)
        self._thread.join()

    def _check(self, lesson: Lesson) -> None:
        said = (lesson.source, *lesson.statements)
        if not (any(part.strip() for part in said) or lesson.questions or lesson.demonstrations):
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
        parts = list(said)
        parts += [text for pair in lesson.questions for text in (pair.question, pair.answer)]
        parts += [text for shown in lesson.demonstrations for text in (shown.prompt, shown.reply)]
        # A token is at least a byte, so that a hostile length is refused before it is tokenised.
        size = sum(len(part) for part in parts)
        limit = self._settings.max_lesson_tokens
        if size > 32 * limit:
            raise BadLesson(f"lesson {lesson.topic!r} has {size} characters, far over {limit} tokens; split it")
        tokens = sum(len(self._engine.tokenizer.encode(part)) for part in parts)
        if tokens > limit:
            raise BadLesson(
                f"lesson {lesson.topic!r} has {tokens} tokens, at most {limit} are allowed: split it, or raise the "
                "setting 'max_lesson_tokens'"
            )

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            if self._closed:
                self._fail(task, _shutting_down())
                continue
            self.studying = task.lesson.id
            try:
                proof = self._teach(task)
            except Exception as error:  # the border: a lesson that fails must not end the learner
                self._fail(task, error)
            else:
                task.result.set_result(proof)
            finally:
                self.studying = None

    def _fail(self, task: _Task, error: Exception) -> None:
        # Where the record itself is what failed, or the lesson was erased meanwhile, the caller hears the first error.
        with contextlib.suppress(LiveoakError):
            self._experience.fail_lesson(task.lesson.id, str(error) or type(error).__name__)
        task.result.set_exception(error)

    def _teach(self, task: _Task) -> Proof:
        began = time.perf_counter()
        parent = self._chain.current(task.session)
        task.on_progress(Progress(stage="read", done=0, total=1))
        study = Study(self._engine, self._decoder, self._recipe, self._anchors)
        known = (self._experience.lesson(id).lesson for id in parent.lessons)
        # Lessons that stand for sessions have nothing in them to study.
        past = [old for old in known if old.source or old.statements or old.questions or old.demonstrations]
        slot = self._chain.draft(parent, rank=self._recipe.rank, seed=0)
        start = slot.master.clone()
        studied = study.study(
            task.lesson,
            slot,
            past,
            on_progress=lambda stage, done, total: task.on_progress(Progress(stage=stage, done=done, total=total)),
        )
        task.on_progress(Progress(stage="gate", done=0, total=1))
        earlier = _spread([study.plan(old).held_out for old in past[-_EARLIER_LESSONS:]], _EARLIER)
        served, bounds = self._chain.slot(parent), self._settings.gate
        share = temper(self._engine, self._gate, slot, start, served, bounds) if bounds.enabled else 1.0
        probes = self._gate.probe(served, slot, studied.held_out, earlier)
        verdict = judge(probes, enabled=bounds.enabled)
        version = parent
        if verdict.kept:
            version = self._chain.keep(slot, parent, session=task.session, lesson=task.lesson.id, verdict=verdict)
        seconds = time.perf_counter() - began
        proof = _proof(task.lesson, studied, version, parent, probes, verdict, seconds, share)
        try:
            self._experience.finish_lesson(task.lesson.id, proof)
        except LiveoakError:
            # Whoever asked is told that it failed, so it must not be served. If this fails too, the next start does it.
            with contextlib.suppress(LiveoakError):
                self._chain.retire_unproven(task.lesson.id)
            raise
        task.on_progress(Progress(stage="gate", done=1, total=1))
        return proof

    @cached_property
    def _anchors(self) -> list[Example]:
        return anchors(self._engine, ground(self._engine, self._decoder, Path(self._settings.cache)))


def _proof(
    lesson: Lesson,
    studied: Studied,
    version: Version,
    parent: Version,
    probes: tuple[Probe, ...],
    verdict: Verdict,
    seconds: float,
    share: float,
) -> Proof:
    by_name = {probe.name: probe for probe in probes}
    recall = by_name.get("recall")
    return Proof(
        lesson=lesson.id,
        topic=lesson.topic,
        version=version.id,
        parent=parent.id,
        questions_trained=studied.questions,
        tokens_trained=studied.tokens_trained,
        tokens_processed=studied.tokens_processed,
        steps=studied.steps,
        loss_before=studied.loss_before,
        loss_after=studied.loss_after,
        recall_before=recall.before if recall else 0.0,
        recall_after=recall.after if recall else 0.0,
        recall_n=recall.n if recall else 0,
        retention_nats=by_name["retention"].after,
        kl_prior=by_name["kl_prior"].after,
        seconds=seconds,
        verdict=verdict,
        share=share,
    )


def _spread(lists: list[tuple[QA, ...]], count: int) -> list[QA]:
    """Up to `count` questions, as many from each list as from the others."""
    taken: list[QA] = []
    depth = 0
    while len(taken) < count and any(depth < len(one) for one in lists):
        taken.extend(one[depth] for one in lists if depth < len(one))
        depth += 1
    return taken[:count]


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
