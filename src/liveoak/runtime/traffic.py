"""Learning from served traffic: what trusted people said of recorded turns becomes a candidate, which the gate judges.

The learner is the one that lives in worlds. Here episodes are sessions, rewards and corrections are feedback, and
other weights may have acted than those that learn.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property

from liveoak.adapters import Slot
from liveoak.config import Settings
from liveoak.engine import Decoder, Engine
from liveoak.errors import LearningError, LiveoakError
from liveoak.experience import Experience, new_id
from liveoak.gate import Chain, Gate, judge, temper
from liveoak.learning.anchoring import Anchors
from liveoak.learning.arms import LearnerSettings
from liveoak.learning.general import anchors
from liveoak.learning.learner import Learner
from liveoak.learning.lived import Lived
from liveoak.learning.recipe import Recipe
from liveoak.learning.scoring import costs
from liveoak.records import Harvest, Lesson, Origin, Proof, Turn, Version
from liveoak.runtime.teaching import OnProgress, Progress
from liveoak.signals import (
    Episode,
    RewardSettings,
    demonstrations,
    episode_of,
    origins_of,
    reflection,
    teacher_of,
    tries,
)
from liveoak.signals.episode import places_of

TRAFFIC = LearnerSettings(
    compare="world", rewarded=RewardSettings(baseline="none", per="turn"), rate=5e-4, parts=1, passes=4, anchor=1.0
)
"""Sessions begin unlike, so that a reward is taken as it was said: above 0 is good, below is bad."""
LIVED = "lived"
"""Topic of the lessons that stand for sessions; there is nothing in them that could be studied."""
_SAID = (Origin.ACTED, Origin.DEMONSTRATED)


class _Diverged(Exception):
    """An update that these sessions made: no error of a call yet, since fewer of them may do."""


class Traffic:
    """Harvests the record of one agent. One harvest at a time; whoever calls sees to that."""

    def __init__(
        self,
        settings: Settings,
        *,
        engine: Engine,
        decoder: Decoder,
        experience: Experience,
        chain: Chain,
        teachers: Collection[str],
        context: int,
        recipe: Recipe,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._engine, self._decoder, self._clock = settings, engine, decoder, clock
        self._experience, self._chain = experience, chain
        self._teachers, self._context, self._recipe = teachers, context, recipe

    def harvest(self, *, author: str, learning: LearnerSettings, on_progress: OnProgress) -> Harvest:
        """Learn from the sessions of which something was said that no harvest has taken yet, those first that have
        waited longest, and no more than the setting `harvest_sessions` of them.

        What it took it took for good, whether the gate kept or refused what came of it. Where the update diverges,
        half of the sessions are tried, and half of those. A harvest that fails took nothing, but for feedback that
        would fail the next time too and keep all others waiting: one session's that diverges by itself, and feedback
        that no token can be credited for.

        Raises:
            LearningError: feedback that no token could be credited for, or one session whose update diverged.
            Conflict: what is served changed meanwhile.
            StorageError: the new version could not be written.
        """
        most = self._settings.harvest_sessions
        while True:
            on_progress(Progress(stage="read", done=0, total=1))
            waiting = self._experience.unharvested(self._settings.agent)
            lived: dict[str, list[Lived]] = {}
            taken: list[str] = []
            while waiting and len(lived) < most:
                session = next(iter(waiting))
                taken += waiting.pop(session)
                if found := self._lived(session):
                    lived[session] = found
            if not lived:
                self._experience.finish_harvest(taken)
                version = self._chain.current().id
                return Harvest(sessions=(), left=0, version=version, credited={}, refused=(), proof=None)
            try:
                return replace(self._carry_out(lived, taken, author, learning, on_progress), left=len(waiting))
            except _Diverged as error:
                if len(lived) == 1:
                    self._experience.finish_harvest(taken)
                    raise LearningError(str(error)) from error
                most = len(lived) // 2

    def _carry_out(
        self,
        lived: dict[str, list[Lived]],
        taken: Sequence[str],
        author: str,
        learning: LearnerSettings,
        on_progress: OnProgress,
    ) -> Harvest:
        parent = self._chain.current()
        lessons = [self._enter(session, author) for session in lived]
        try:
            return self._learn(lived, lessons, parent, taken, learning, on_progress)
        except Exception as error:  # the border: whatever broke it, its lessons have ended
            for lesson in lessons:
                # Where the record itself is what failed, the caller hears the first error.
                with contextlib.suppress(LiveoakError):
                    self._chain.retire_unproven(lesson.id)
                    self._experience.fail_lesson(lesson.id, str(error) or type(error).__name__)
            raise

    def _learn(
        self,
        lived: dict[str, list[Lived]],
        lessons: Sequence[Lesson],
        parent: Version,
        taken: Sequence[str],
        learning: LearnerSettings,
        on_progress: OnProgress,
    ) -> Harvest:
        began = time.perf_counter()
        on_progress(Progress(stage="study", done=0, total=1))
        episodes = [one for some in lived.values() for one in some]
        slot = self._chain.draft(parent, lambda bank: self._recipe.fresh(bank, self._engine.tokenizer))
        start = slot.master.clone()
        try:
            before = self._said(slot, episodes)
            teacher = self._teacher(learning) if learning.distillation else None
            learner = Learner(self._engine, learning, slot=slot, teacher=teacher, anchors=self._anchors)
            report = learner.learn(episodes, stale=True)
        except LearningError as error:
            raise _Diverged(f"learning from {', '.join(map(repr, lived))}: {error}") from error
        finally:
            slot.freeze()
        if not report.steps:
            astray = sum(len(one.episode.astray) for one in episodes)
            why = "; ".join(
                [
                    *report.silent,
                    *report.refused,
                    *([f"{astray} turns are written otherwise than sampled"] if astray else []),
                ]
            )
            self._experience.finish_harvest(taken)
            raise LearningError(f"nothing can be learned from {len(lived)} sessions: {why}")
        on_progress(Progress(stage="gate", done=0, total=1))
        served, bounds = self._chain.slot(parent), self._settings.gate
        share = temper(self._engine, self._gate, slot, start, served, bounds) if bounds.enabled else 1.0
        probes = self._gate.probe(served, slot, (), ())
        verdict = judge(probes, enabled=bounds.enabled)
        version = parent
        if verdict.kept:
            *others, last = (lesson.id for lesson in lessons)
            version = self._chain.keep(slot, parent, session=None, lesson=last, beside=others, verdict=verdict)
        by_name = {probe.name: probe for probe in probes}
        proof = Proof(
            lesson=lessons[-1].id,
            topic=LIVED,
            version=version.id,
            parent=parent.id,
            questions_trained=0,
            tokens_trained=sum(report.credited.values()),
            tokens_processed=report.processed,
            steps=report.steps,
            loss_before=before,
            loss_after=self._said(slot, episodes),
            recall_before=0.0,
            recall_after=0.0,
            recall_n=0,
            retention_nats=by_name["retention"].after,
            kl_prior=by_name["kl_prior"].after,
            seconds=time.perf_counter() - began,
            verdict=verdict,
            share=share,
        )
        self._experience.finish_harvest(taken, [replace(proof, lesson=lesson.id) for lesson in lessons])
        on_progress(Progress(stage="gate", done=1, total=1))
        return Harvest(
            sessions=tuple(lived),
            left=0,
            version=version.id,
            credited=report.credited,
            refused=report.refused,
            proof=proof,
        )

    def _teacher(self, learning: LearnerSettings) -> Slot:
        """The weights of an earlier version, or of the first, which is the prior."""
        line = self._chain.line()
        version = line[teacher_of(len(line) - 1, learning.renewed)]
        return self._chain.draft(version, lambda bank: self._recipe.fresh(bank, self._engine.tokenizer))

    def _lived(self, id: str) -> list[Lived]:
        """A session as an episode, and what was shown in it; nothing if nobody rewarded or corrected it."""
        session, turns = self._experience.session(id), self._experience.turns(id)
        feedback = self._experience.feedback(session=id)
        found: list[Lived] = []
        if any(word.trusted and word.kind == "reward" for word in feedback):
            kept = self._fitting(turns)
            rendered = self._engine.tokenizer.render(
                [turn.message for turn in kept], origins=origins_of(session, kept, self._teachers)
            )
            told = reflection(tries(kept, feedback))
            found.append(self._one(id, episode_of(id, kept, rendered, feedback), told))
        for number, shown in enumerate(demonstrations(session, turns, feedback, self._teachers)):
            rendered = self._engine.tokenizer.render(shown.messages, origins=shown.origins)
            if len(rendered.ids) <= self._context:
                one = self._one(id, Episode(id=f"{id}/{number}", rendered=rendered, acted=()))
                found.append(replace(one, source=shown.source))
        return found

    def _one(self, session: str, episode: Episode, told: str = "") -> Lived:
        return Lived(episode=episode, world=self._settings.agent, group=session, told=told)

    def _fitting(self, turns: Sequence[Turn]) -> list[Turn]:
        """The session, or of a long one the instructions and the latest turns that the context holds."""
        lead = [turn for turn in turns[:1] if turn.message.role == "system"]
        rest = list(turns[len(lead) :])
        while rest and self._size([*lead, *rest]) > self._context:
            rest = rest[1:]
            while rest and rest[0].message.role != "user":
                rest = rest[1:]
        return [*lead, *rest]

    def _size(self, turns: Sequence[Turn]) -> int:
        return len(self._engine.tokenizer.render([turn.message for turn in turns]).ids)

    def _said(self, slot: Slot, episodes: Sequence[Lived]) -> float:
        """Nats per token of what was said or shown."""
        places = [tuple(places_of(one.episode.rendered, *_SAID)) for one in episodes]
        values = [cost for one in costs(self._engine, slot, episodes, places) for cost in one.values()]
        return sum(values) / len(values) if values else 0.0

    def _enter(self, session: str, author: str) -> Lesson:
        """What stands for the session in a lineage, so that erasing it retires the versions that learned from it."""
        lesson = Lesson(id=new_id("lesson", clock=self._clock), topic=LIVED)
        self._experience.add_lesson(lesson, session=session, author=author, created=self._clock())
        return lesson

    @cached_property
    def _gate(self) -> Gate:
        return Gate(self._engine, self._decoder, self._settings.gate, self._settings.cache)

    @cached_property
    def _anchors(self) -> Anchors:
        return Anchors(self._engine, anchors(self._engine, self._decoder, self._settings.cache))
