"""Versions that know answers instead of weights, and lessons that add to them."""

from __future__ import annotations

import hashlib
import time

from liveoak.errors import UserError
from liveoak.experience import HeadMove, LessonRecord
from liveoak.records import Lesson, Probe, Proof, Verdict, Version
from liveoak.serving.scripted.memory import Memory


class Knowledge:
    """What each version answers, and which version is served where."""

    def __init__(self, memory: Memory, agent: str) -> None:
        self._memory, self._agent = memory, agent
        self._knows: dict[str, dict[str, str]] = {}
        self._heads: dict[str | None, str] = {}
        self.serve(self._snapshot(None, None, {}), None)

    def answer(self, version: Version, question: str) -> str | None:
        return self._knows[version.id].get(question)

    def current(self, session: str | None = None) -> Version:
        return self._memory.version(self._heads.get(session, self._heads[None]))

    def line(self, session: str | None) -> tuple[Version, ...]:
        """The versions that led to the current one, oldest first."""
        chain = [self.current(session)]
        while (parent := chain[-1].parent) is not None:
            chain.append(self._memory.version(parent))
        return tuple(reversed(chain))

    def serve(self, version: Version, session: str | None) -> Version:
        self._heads[session] = version.id
        move = HeadMove(agent=self._agent, session=session, version=version.id, why="script", created=time.time())
        self._memory.moves.append(move)
        return version

    def parent(self, session: str | None) -> Version:
        now = self.current(session)
        if now.parent is None:
            raise UserError(f"version {now.id!r} is the first one: nothing to roll back to")
        return self._memory.version(now.parent)

    def forget(self, session: str) -> Version:
        self._heads.pop(session, None)
        return self.current()

    def study(self, lesson: Lesson, session: str | None, author: str) -> Proof:
        """A lesson's questions, and the lines `QUESTION? ANSWER` of its source, are known from now on."""
        before = after = self.current(session)
        verdict = _verdict(lesson)
        if verdict.kept:
            facts = {pair.question: pair.answer for pair in lesson.questions}
            for line in lesson.source.splitlines():
                question, mark, answer = line.partition("? ")
                facts.update({question + "?": answer} if mark else {})
            after = self._snapshot(before, session, self._knows[before.id] | facts, lesson.id, verdict)
            self.serve(after, session)
        proof = _proof(lesson, before, after, verdict)
        self._memory.taught[lesson.id] = LessonRecord(
            lesson=lesson,
            session=session,
            author=author,
            created=time.time(),
            status="kept" if verdict.kept else "refused",
            proof=proof,
        )
        return proof

    def _snapshot(
        self,
        parent: Version | None,
        session: str | None,
        knows: dict[str, str],
        lesson: str = "",
        verdict: Verdict | None = None,
    ) -> Version:
        content = f"{parent and parent.id} {session} {sorted(knows.items())} {lesson}"
        version = Version(
            id=hashlib.sha256(content.encode()).hexdigest()[:12],
            agent=self._agent,
            parent=None if parent is None else parent.id,
            session=session,
            created=time.time(),
            prior="scripted",
            lessons=() if parent is None else (*parent.lessons, lesson),
            verdict=verdict,
        )
        self._knows[version.id] = knows
        self._memory.known_versions[version.id] = version
        return version


def _verdict(lesson: Lesson) -> Verdict:
    kept = lesson.topic != "refused"
    after = 2.01 if kept else 2.31
    probe = Probe(name="retention", unit="nats/token", before=2.0, after=after, limit=0.1, passed=kept, n=64)
    reasons = () if kept else ("retention: +0.31 nats/token, over the limit of 0.10",)
    return Verdict(kept=kept, reasons=reasons, probes=(probe,))


def _proof(lesson: Lesson, before: Version, after: Version, verdict: Verdict) -> Proof:
    tokens = 10 * len(lesson.questions) + len(lesson.source)
    (probe,) = verdict.probes
    return Proof(
        lesson=lesson.id,
        topic=lesson.topic,
        version=after.id,
        parent=before.id,
        questions_trained=len(lesson.questions),
        tokens_trained=tokens,
        tokens_processed=3 * tokens,
        steps=8,
        loss_before=3.5,
        loss_after=0.25,
        recall_before=0.0,
        recall_after=0.75,
        recall_n=4,
        retention_nats=probe.after - probe.before,
        kl_prior=0.02,
        seconds=0.5,
        verdict=verdict,
    )
