"""Studying lessons: what is taught is asked about in many wordings, and answered without the source.

The story: read the lesson, keep one wording of each fact aside for the proof, then step after step ask about a few
facts in words not used before, together with questions of earlier lessons and anchors to the prior. Several lessons are
studied at once, each in a slot of its own; one is the case of several.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine
from liveoak.errors import LiveoakError
from liveoak.learning.course import Course, Material, Studied
from liveoak.learning.objective import Example
from liveoak.learning.pace import paced
from liveoak.learning.plan import Item, Plan, askable, make_plan
from liveoak.learning.recipe import Recipe
from liveoak.learning.spans import content_words
from liveoak.learning.spread import Spread
from liveoak.learning.update import step_together
from liveoak.learning.wording import OtherWords, other_words
from liveoak.records import Lesson

Progress = Callable[[str, int, int], None]
"""Stage, steps done, steps in all."""
REPEATED = 512
"""Items of earlier lessons that are kept to be repeated."""
_PLANS = 256
"""Lessons whose plans are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A lesson, and the slot that it is to be written into, which nobody else may use meanwhile."""

    lesson: Lesson
    slot: Slot
    past: Sequence[Lesson] | Spread[Item] = ()
    """Earlier lessons of the same agent, or what was kept of them; each step repeats something of it."""
    on_progress: Progress | None = None
    steps: int | None = None
    """Overrules effort and length."""
    teacher: Slot | None = None
    """Weights whose distribution is learned in place of the answers themselves; None: the answers."""
    items: Sequence[Item] | None = None
    """What is asked about in place of what the lesson says, of which nothing is kept aside anew."""


class Study:
    """Studies lessons with one recipe on one engine."""

    def __init__(
        self, engine: Engine, decoder: Decoder, recipe: Recipe, anchors: Sequence[Example], seed: int = 0
    ) -> None:
        self._engine, self._decoder, self._recipe = engine, decoder, paced(recipe, engine)
        self._anchors, self._seed = anchors, seed
        self._plans: OrderedDict[Lesson, Plan] = OrderedDict()

    def plan(self, lesson: Lesson) -> Plan:
        """Read a lesson: the same plan every time, so that what it kept aside can be asked again later.

        Raises:
            BadLesson: there is nothing in it that can be asked about or imitated.
        """
        if lesson not in self._plans:
            self._plans[lesson] = make_plan(self._engine, lesson, self._recipe, self._seed)
            if len(self._plans) > _PLANS:
                self._plans.popitem(last=False)
        self._plans.move_to_end(lesson)
        return self._plans[lesson]

    def drop(self, lesson: Lesson) -> None:
        """Keep its plan no longer."""
        self._plans.pop(lesson, None)

    def study(
        self,
        lesson: Lesson,
        slot: Slot,
        past: Sequence[Lesson] | Spread[Item] = (),
        on_progress: Progress | None = None,
        steps: int | None = None,
        teacher: Slot | None = None,
        items: Sequence[Item] | None = None,
    ) -> Studied:
        """Write a lesson into `slot`, which nobody else may use meanwhile: an `Assignment`, alone.

        Raises:
            BadLesson: nothing to learn from.
            LearningError: the update diverged or changed nothing; the slot is worthless then.
        """
        one = Assignment(
            lesson=lesson, slot=slot, past=past, on_progress=on_progress, steps=steps, teacher=teacher, items=items
        )
        done = self.study_all([one])[0]
        if isinstance(done, LiveoakError):
            raise done
        return done

    def study_all(self, assignments: Sequence[Assignment]) -> list[Studied | LiveoakError]:
        """Write lessons into slots of their own, all at once. What comes of one is what comes of it alone, to rounding.

        A lesson that cannot be studied, or whose update fails, has its error in its place; the others go on. One that
        has finished leaves, and the steps of those that are left have its time.
        """
        begun = [self._begin(one) for one in assignments]
        pairs = [(one, own) for one, own in zip(assignments, begun, strict=True) if isinstance(own, Course)]
        readings = self._engine.readings([course.slot for _, course in pairs])
        try:
            going = pairs
            while going:
                done = step_together([course.next() for _, course in going], readings)
                for (one, course), step in zip(going, done, strict=True):
                    course.settle(step)
                    if one.on_progress is not None:
                        one.on_progress("study", course.taken, course.steps)
                    if course.finished:
                        course.slot.freeze()
                going = [pair for pair in going if not pair[1].finished]
        finally:
            for one in assignments:
                one.slot.freeze()
        return [own.result() if isinstance(own, Course) else own for own in begun]

    def _begin(self, one: Assignment) -> Course | LiveoakError:
        try:
            plan = self.plan(one.lesson) if one.items is None else _of_items(one.lesson, one.items)
            past = one.past if isinstance(one.past, Spread) else self._kept(one.past)
        except LiveoakError as error:
            return error
        material = Material(
            recipe=self._recipe,
            anchors=self._anchors,
            past=past,
            others=self._other_words(plan),
            seed=self._seed,
            steps=one.steps,
            teacher=one.teacher,
            items=one.items,
        )
        return Course(self._engine, plan, one.slot, material)

    def _kept(self, past: Sequence[Lesson]) -> Spread[Item]:
        kept = Spread[Item](REPEATED, self._seed)
        for lesson in past:
            kept.add(askable(self.plan(lesson)))
        return kept

    def _other_words(self, plan: Plan) -> OtherWords:
        if not self._recipe.other_words or self._recipe.method == "read":
            return {}
        words = {word for fact in plan.facts for word in content_words(f"{fact.before} {fact.after} {fact.said}")}
        return other_words(self._engine, self._decoder, words)


def _of_items(lesson: Lesson, items: Sequence[Item]) -> Plan:
    facts = tuple(fact for item in items if isinstance(item, tuple) for fact in item)
    return Plan(lesson=lesson, facts=facts, held_out=())
