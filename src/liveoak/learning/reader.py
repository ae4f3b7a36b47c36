"""The stream reader: a text of any length is studied window after window into one slot, with bounded memory.

What fits one window is one lesson, as ever. A longer text is cut into windows; while one is studied, each step repeats
something of those before it, and after the last one all are reviewed: what was read first would be forgotten else.
Questions are kept aside in all of them, for one proof at the end. What is held of the windows that are through is
bounded: some items to repeat and some questions, as many of each window as of the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from liveoak.adapters import Slot
from liveoak.errors import BadLesson
from liveoak.learning.course import Studied
from liveoak.learning.plan import Item, askable
from liveoak.learning.spread import Spread
from liveoak.learning.study import REPEATED, Study
from liveoak.learning.windows import count_tokens, tokens_of, windows
from liveoak.records import QA, Lesson

ASIDE = 40
"""Questions kept aside of a lesson, over all of its windows, which are what its proof asks."""
REVIEW = 1 / 3
"""Steps over all windows after the last one, as a share of the steps before; see docs/log.md for what lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How far a reader has come: a step of one window, and which window it is of how many, from 1."""

    done: int
    total: int
    window: int
    windows: int
    review: bool = False
    """The last window is through, and the steps are over all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is held of a lesson that is through: items of each window, and questions kept aside."""

    items: Sequence[Sequence[Item]]
    held_out: tuple[QA, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WasRead:
    """Lessons, studied, in how many windows, and what of them is to be repeated later."""

    studied: Studied
    windows: int
    kept: Kept


OnReached = Callable[[Reached], None]


class Reader:
    """Reads lessons in windows of at most `most` tokens."""

    def __init__(self, study: Study, encode: Callable[[str], Sequence[int]], most: int) -> None:
        self._study, self._most = study, most
        self._measure: Callable[[str], int] = lambda text: len(encode(text))

    def windows(self, lesson: Lesson) -> Iterator[Lesson]:
        """The lesson in pieces that are studied one after the other; itself where it fits one.

        Statements, questions and demonstrations, which somebody chose, come last, as a piece of their own.
        """
        own = replace(lesson, source="")
        said = count_tokens(lesson.source, self._measure)
        if said + tokens_of(own, self._measure) <= self._most:
            yield lesson
            return
        for place, text in enumerate(windows(lesson.source, self._measure, self._most)):
            yield Lesson(id=f"{lesson.id}/{place}", topic=lesson.topic, source=text, effort=lesson.effort)
        if own.statements or own.questions or own.demonstrations:
            yield own

    def keep(self, lesson: Lesson) -> Kept:
        """What is held of a lesson that was read before: the same as then.

        Raises:
            BadLesson: there is nothing in it that can be asked about or imitated.
        """
        memory = _Memory()
        for window in self.windows(lesson):
            self._add(window, memory)
            self._study.drop(window)
        return memory.kept([lesson])

    def read(
        self,
        lessons: Sequence[Lesson],
        slot: Slot,
        past: Sequence[Kept] = (),
        on_reached: OnReached | None = None,
        between: Callable[[], None] | None = None,
        teacher: Slot | None = None,
    ) -> WasRead:
        """Write lessons into `slot`, which nobody else may use meanwhile. `past` is held of earlier ones.

        A window without anything to ask about is passed over. `between` is called between two that are studied. With
        a `teacher`, its answers are learned.

        Raises:
            BadLesson: there is nothing to learn from in any window.
            LearningError: the update diverged or changed nothing; the slot is worthless then.
        """
        count = sum(1 for lesson in lessons for _ in self.windows(lesson))
        repeated = _repeated(past)
        memory, done = _Memory(), list[Studied]()
        for place, window in enumerate((one for lesson in lessons for one in self.windows(lesson)), start=1):
            if not self._add(window, memory):
                continue
            if done and between is not None:
                between()
            told = None if on_reached is None else _telling(on_reached, place, count)
            done.append(self._study.study(window, slot, repeated, told, teacher=teacher))
            repeated.add(askable(self._study.plan(window)))
            self._study.drop(window)
        kept = memory.kept(lessons)
        if len(done) > 1:
            told = None if on_reached is None else _telling(on_reached, count, count, review=True)
            everything, steps = memory.items.all(), math.ceil(REVIEW * sum(one.steps for one in done))
            about = Lesson(id=f"{lessons[-1].id}/review", topic=lessons[-1].topic)
            done.append(
                self._study.study(about, slot, _repeated(past), told, steps=steps, teacher=teacher, items=everything)
            )
        return WasRead(studied=_together(done, kept.held_out), windows=count, kept=kept)

    def _add(self, window: Lesson, memory: _Memory) -> bool:
        """Whether there was anything in it."""
        try:
            plan = self._study.plan(window)
        except BadLesson:
            return False
        memory.items.add(askable(plan))
        memory.aside.add(plan.held_out)
        return True


class _Memory:
    """Of the windows so far."""

    def __init__(self) -> None:
        self.items, self.aside = Spread[Item](REPEATED), Spread[QA](ASIDE)

    def kept(self, lessons: Sequence[Lesson]) -> Kept:
        if not self.items:
            topics = ", ".join(repr(lesson.topic) for lesson in lessons)
            raise BadLesson(
                f"lesson {topics} has nothing to learn from: expected statements, questions, demonstrations "
                "or a text with sentences"
            )
        return Kept(items=self.items.sources(), held_out=tuple(self.aside.all()))


def _repeated(past: Sequence[Kept]) -> Spread[Item]:
    """Each window of the past is a source of its own."""
    repeated = Spread[Item](REPEATED)
    for old in past:
        for items in old.items:
            repeated.add(items)
    return repeated


def _together(done: Sequence[Studied], held_out: tuple[QA, ...]) -> Studied:
    """The loss before is the mean over the windows, the loss after that of the review, if there was one."""
    windows = done[:-1] or done
    return Studied(
        slot=done[-1].slot,
        held_out=held_out,
        questions=sum(one.questions for one in done),
        steps=sum(one.steps for one in done),
        tokens_trained=sum(one.tokens_trained for one in done),
        tokens_processed=sum(one.tokens_processed for one in done),
        loss_before=sum(one.loss_before for one in windows) / len(windows),
        loss_after=done[-1].loss_after,
    )


def _telling(
    on_reached: OnReached, window: int, count: int, *, review: bool = False
) -> Callable[[str, int, int], None]:
    return lambda _, done, total: on_reached(
        Reached(done=done, total=total, window=window, windows=count, review=review)
    )
