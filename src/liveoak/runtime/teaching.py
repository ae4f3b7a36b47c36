"""From a lesson to a proof: a candidate is drafted, studied, tempered, judged, and kept or let go."""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from liveoak.adapters import Slot
from liveoak.config import Settings
from liveoak.engine import Decoder, Engine
from liveoak.errors import LiveoakError, NotFound
from liveoak.experience import Experience
from liveoak.gate import Chain, Gate, judge, temper
from liveoak.learning.general import anchors
from liveoak.learning.reader import Kept, OnReached, Reached, Reader, WasRead
from liveoak.learning.recipe import Recipe
from liveoak.learning.spread import Spread
from liveoak.learning.study import REPEATED, Study
from liveoak.records import QA, Lesson, Probe, Proof, Verdict, Version

_EARLIER = 20
"""Questions of earlier lessons that a candidate is asked, spread over the latest of them."""
_EARLIER_LESSONS = 8
_HELD = 64
"""Lessons of which something is held in memory; others are read again when they are to be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a lesson has come: `read`, `study`, then `gate`. `note` says which window of a long text."""

    stage: str
    done: int
    total: int
    note: str = ""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be learned, and where to."""

    lesson: Lesson
    """What it is recorded as, and what its proof is named after."""
    session: str | None
    """Whose weights are written; None: the agent's own."""
    studied: tuple[Lesson, ...]
    """What is studied for it: the lesson itself, or those of a session that is consolidated."""
    teacher: Version | None = None
    """The version whose answers are learned; None: those that the lessons give."""


class Teacher:
    """Carries out orders one at a time. What was read of the lessons in the lineage is held from one to the next."""

    def __init__(
        self,
        settings: Settings,
        recipe: Recipe,
        *,
        engine: Engine,
        decoder: Decoder,
        experience: Experience,
        chain: Chain,
    ) -> None:
        self._settings, self._recipe = settings, recipe
        self._engine, self._decoder = engine, decoder
        self._experience, self._chain = experience, chain
        self._gate = Gate(engine, decoder, settings.gate, settings.cache)
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    @cached_property
    def reader(self) -> Reader:
        known = anchors(self._engine, self._decoder, self._settings.cache)
        study = Study(self._engine, self._decoder, self._recipe, known)
        return Reader(study, self._engine.tokenizer.encode, self._settings.max_lesson_tokens)

    def teach(self, order: Order, on_progress: OnProgress, between: Callable[[], None]) -> Proof:
        """One version and one proof, however many windows the text has: half a text is never served.

        `between` is called between two windows; it may teach other sessions.

        Raises:
            whatever `School.learn` does of a lesson that is under way.
        """
        began = time.perf_counter()
        parent = self._chain.current(order.session)
        on_progress(Progress(stage="read", done=0, total=1))
        self._let_go()
        past = self._past(parent, order)
        slot = self._chain.draft(parent, lambda bank: self._recipe.fresh(bank, self._engine.tokenizer))
        start = slot.master.clone()
        teacher = None if order.teacher is None else self._chain.slot(order.teacher)
        was = self.reader.read(order.studied, slot, past, _telling(on_progress), between, teacher)
        on_progress(Progress(stage="gate", done=0, total=1))
        served, bounds = self._chain.slot(parent), self._settings.gate
        share = temper(self._engine, self._gate, slot, start, served, bounds) if bounds.enabled else 1.0
        probes = self._gate.probe(served, slot, was.studied.held_out, _spread(past[-_EARLIER_LESSONS:]))
        verdict = judge(probes, enabled=bounds.enabled)
        version = self._keep(order, slot, parent, verdict) if verdict.kept else parent
        seconds = time.perf_counter() - began
        proof = _proof(order.lesson, was, version, parent, probes, verdict, seconds, share)
        try:
            self._experience.finish_lesson(order.lesson.id, proof)
        except LiveoakError:
            # Whoever asked is told that it failed, so it must not be served. If this fails too, the next start does it.
            with contextlib.suppress(LiveoakError):
                self._chain.retire_unproven(order.lesson.id)
            raise
        if order.studied == (order.lesson,):
            self._hold(order.lesson, was.kept)
        on_progress(Progress(stage="gate", done=1, total=1))
        return proof

    def _past(self, parent: Version, order: Order) -> list[Kept]:
        """What is held of the lessons that the parent was made from, but for those that are studied again, and for
        some where they are too many to be repeated."""
        again = {lesson.id for lesson in order.studied}
        earlier = [id for id in parent.lessons if id not in again]
        known = [self._experience.lesson(id).lesson for id in repeatable(earlier)]
        return [self._held(old) for old in known if teaches(old)]

    def _held(self, lesson: Lesson) -> Kept:
        if lesson.id not in self._kept:
            self._hold(lesson, self.reader.keep(lesson))
        self._kept.move_to_end(lesson.id)
        return self._kept[lesson.id]

    def _hold(self, lesson: Lesson, kept: Kept) -> None:
        self._kept[lesson.id] = kept
        if len(self._kept) > _HELD:
            self._kept.popitem(last=False)

    def _let_go(self) -> None:
        """What was erased is held no longer."""
        for id in list(self._kept):
            try:
                self._experience.lesson(id)
            except NotFound:
                del self._kept[id]

    def _keep(self, order: Order, slot: Slot, parent: Version, verdict: Verdict) -> Version:
        """Its lineage has whatever the weights saw, which is also what a teacher's weights saw."""
        seen = () if order.teacher is None else order.teacher.lessons
        beside = [id for id in seen if id not in parent.lessons]
        return self._chain.keep(
            slot, parent, session=order.session, lesson=order.lesson.id, beside=beside, verdict=verdict
        )


def teaches(lesson: Lesson) -> bool:
    """Whether there is anything in it to study. Lessons that stand for sessions have nothing."""
    return bool(lesson.source or lesson.statements or lesson.questions or lesson.demonstrations)


def repeatable(lessons: Sequence[str]) -> list[str]:
    """Those of earlier lessons that a study is shown: no more than it has room to repeat one thing of, or to look at
    all of them would take longer with each. Every second one, every fourth and so on, and the latest, whose questions
    the gate asks."""
    stride, latest = 1, len(lessons) - _EARLIER_LESSONS
    while len(lessons) > stride * (REPEATED - _EARLIER_LESSONS):
        stride *= 2
    return [lesson for place, lesson in enumerate(lessons) if place % stride == 0 or place >= latest]


def _proof(
    lesson: Lesson,
    was: WasRead,
    version: Version,
    parent: Version,
    probes: tuple[Probe, ...],
    verdict: Verdict,
    seconds: float,
    share: float,
) -> Proof:
    by_name = {probe.name: probe for probe in probes}
    recall, studied = by_name.get("recall"), was.studied
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
        windows=was.windows,
    )


def _spread(past: Sequence[Kept]) -> list[QA]:
    """Some questions of earlier lessons, as many of each as of the others."""
    asked = Spread[QA](_EARLIER)
    for old in past:
        asked.add(old.held_out)
    return asked.all()


def _telling(on_progress: OnProgress) -> OnReached:
    def tell(reached: Reached) -> None:
        note = f"window {reached.window} of {reached.windows}" if reached.windows > 1 else ""
        note = "all windows again" if reached.review else note
        on_progress(Progress(stage="study", done=reached.done, total=reached.total, note=note))

    return tell
