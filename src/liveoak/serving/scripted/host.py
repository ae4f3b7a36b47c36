"""The scripted host: a runtime's face over a memory and a script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from liveoak.config import Settings
from liveoak.errors import BadLesson, LearningError, NotFound, Overloaded, UserError
from liveoak.experience import new_id
from liveoak.records import (
    QA,
    Chat,
    Failed,
    Feedback,
    FeedbackKind,
    Finished,
    Harvest,
    Lesson,
    Message,
    Note,
    Origin,
    Proof,
    ReplyEvent,
    Turn,
    Version,
)
from liveoak.runtime.rights import Rights
from liveoak.serving.host import Step
from liveoak.serving.scripted.knowledge import Knowledge
from liveoak.serving.scripted.memory import Memory, found
from liveoak.serving.scripted.replies import Script, ScriptedReply


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedStep:
    stage: Literal["read", "write", "study", "gate"]
    done: int
    total: int
    note: str = ""


class ScriptedHost:
    """A host whose every answer can be foretold. Use it as a context manager, like the runtime."""

    def __init__(self, settings: Settings, *, most_running: int = 1000) -> None:
        self.settings = settings
        self.prior_name = "scripted"
        self.experience = Memory()
        self.rights = Rights(self.experience, agent=settings.agent, teachers=settings.teachers)
        self.replies: list[ScriptedReply] = []
        self.let_go = threading.Event()
        self._harvested: set[str] = set()
        self._most_running = most_running
        self._lock = threading.RLock()
        self._knowledge = Knowledge(self.experience, settings.agent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go.set()
        for reply in self.replies:
            reply.cancel()

    def chat(self, request: Chat, on_event: Callable[[ReplyEvent], None]) -> ScriptedReply:
        with self._lock:
            version = self._asked_version(request)
            if self._running() >= self._most_running:
                raise Overloaded(f"{self._most_running} replies are under way: try again")
            if request.messages[-1].role == "assistant":
                raise UserError("messages end with role 'assistant': expected a user or tool message last")
            session = request.session or new_id("session")
            self.experience.open(session, self.settings.agent, request.author)
            for message in request.messages:
                self.experience.append(session, message, Origin.GIVEN)
            reply = ScriptedReply()
            self.replies.append(reply)
        script = Script(stage=self, request=request, session=session, version=version, reply=reply, on_event=on_event)
        threading.Thread(target=script.play, daemon=True).start()
        return reply

    def ask(self, request: Chat) -> Finished:
        ended = threading.Event()
        events: list[ReplyEvent] = []

        def hear(event: ReplyEvent) -> None:
            events.append(event)
            if isinstance(event, Finished | Failed):
                ended.set()

        self.chat(request, hear)
        ended.wait()
        match events[-1]:
            case Finished() as end:
                return end
            case Failed(error=error):
                raise error
            case other:
                raise AssertionError(f"{other!r} is no end")

    def score(
        self, messages: Sequence[Message], reply: str, model: str | None = None, session: str | None = None
    ) -> tuple[float, ...]:
        """Minus its length for each word, and nothing for the end of the turn."""
        return (*(-float(len(word)) for word in reply.split()), 0.0)

    def learn(
        self,
        lesson: Lesson,
        *,
        session: str | None = None,
        author: str = "local",
        on_progress: Callable[[Step], None] | None = None,
    ) -> Proof:
        if session is None:
            self.rights.need_teacher(author, "teach the agent itself")
        if not (lesson.statements or lesson.questions or lesson.demonstrations or lesson.source.strip()):
            raise BadLesson(f"lesson {lesson.topic!r} teaches nothing: give statements, questions or a source")
        if lesson.topic == "diverged":
            raise LearningError(f"lesson {lesson.topic!r}: the loss became nan at step 3; lower the effort")
        for done, stage in enumerate(("read", "write", "study", "gate"), start=1):
            if on_progress is not None:
                on_progress(ScriptedStep(stage=stage, done=done, total=4))
        if lesson.topic == "slow":
            self.let_go.wait(30)
        with self._lock:
            if session is not None:
                self.experience.open(session, self.settings.agent, author)
            return self._knowledge.study(lesson, session, author)

    def consolidate(
        self, session: str, *, author: str = "local", on_progress: Callable[[Step], None] | None = None
    ) -> Proof:
        """Learned again, as one lesson of the agent's own."""
        self.rights.need_teacher(author, "consolidate a session into the agent itself")
        self.rights.need_session(session, author)
        own = [one.lesson for one in self.experience.lessons(session=session)]
        if not own:
            raise UserError(f"session {session!r} has learned nothing that the agent itself has not")
        if on_progress is not None:
            on_progress(ScriptedStep(stage="study", done=1, total=1, note=""))
        lesson = Lesson(
            id=new_id("lesson"),
            topic=f"consolidation of {session}",
            questions=tuple(pair for one in own for pair in one.questions),
            source="\n".join(one.source for one in own),
        )
        with self._lock:
            return self._knowledge.study(lesson, None, author)

    def learn_from_feedback(
        self, *, author: str = "local", on_progress: Callable[[Step], None] | None = None
    ) -> Harvest:
        """A corrected question is answered by its correction from now on; one corrected to `refused` is refused."""
        self.rights.need_teacher(author, "teach the agent itself")
        with self._lock:
            shown = [one for one in self.experience.given if one.trusted and one.kind == "correction"]
            words = [one for one in shown if one.id not in self._harvested]
            self._harvested.update(word.id for word in words)
            turns = [self.experience.known_turns[word.turn] for word in words]
            if not words:
                version = self.current().id
                return Harvest(sessions=(), left=0, version=version, credited={}, refused=(), proof=None)
            if on_progress is not None:
                on_progress(ScriptedStep(stage="study", done=1, total=1))
            pairs = tuple(
                QA(question=self.experience.turns(turn.session)[turn.index - 1].message.content, answer=word.text or "")
                for turn, word in zip(turns, words, strict=True)
            )
            topic = "refused" if any(pair.answer == "refused" for pair in pairs) else "lived"
            proof = self._knowledge.study(Lesson(id=new_id("lesson"), topic=topic, questions=pairs), None, author)
        return Harvest(
            sessions=tuple(dict.fromkeys(turn.session for turn in turns)),
            left=0,
            version=proof.version,
            credited={"imitation": proof.tokens_trained},
            refused=(),
            proof=proof,
        )

    def feedback(
        self, *, turn: str, author: str, kind: FeedbackKind, value: float | None = None, text: str | None = None
    ) -> Feedback:
        found(self.experience.known_turns, turn, "turn")
        given = Feedback(
            id=new_id("feedback"),
            turn=turn,
            author=author,
            kind=kind,
            created=time.time(),
            value=value,
            text=text,
            trusted=self.rights.may_teach(author),
        )
        self.experience.given.append(given)
        return given

    def versions(self, session: str | None = None, author: str = "local") -> tuple[Version, ...]:
        return self._knowledge.line(self.rights.need_session(session, author))

    def version(self, id: str, author: str = "local") -> Version:
        return self.rights.need_version(self.experience.version(id), author)

    def current(self, session: str | None = None, author: str = "local") -> Version:
        return self._knowledge.current(self.rights.need_session(session, author))

    def rollback(self, to: str | None = None, session: str | None = None, author: str = "local") -> Version:
        with self._lock:
            where = self.rights.need_mover(session, author, "roll the agent itself back")
            target = self._knowledge.parent(where) if to is None else self.version(to, author)
            return self._knowledge.serve(target, where)

    def promote(self, version: str, author: str = "local") -> Version:
        with self._lock:
            self.rights.need_teacher(author, "promote a version to the agent's own")
            return self._knowledge.serve(self.version(version, author), None)

    def forget(self, session: str, author: str = "local") -> Version:
        with self._lock:
            self.rights.need_session(session, author)
            return self._knowledge.forget(session)

    def erase(self, session: str, author: str = "local") -> tuple[str, ...]:
        with self._lock:
            self.rights.need_keeper(session, author)
            retired = self.experience.erase(session)
            self._knowledge.forget(session)
            return retired

    def health(self) -> dict[str, Any]:
        return {
            "agent": self.settings.agent,
            "prior": self.prior_name,
            "version": self.current().id,
            "waiting": 0,
            "running": self._running(),
            "learning": False,
            "uptime": 1.0,
            "device": "cpu",
            "dtype": "float32",
            "peak_memory_mib": 64.0,
        }

    # The stage of its scripts

    def answer(self, version: Version, question: str) -> str | None:
        return self._knowledge.answer(version, question)

    def study(self, lesson: Lesson, session: str, author: str) -> Proof:
        return self.learn(lesson, session=session, author=author)

    def note(self, session: str, text: str) -> Note:
        if text == "too much":
            raise UserError("note: text: it has 300 tokens, and all notes together have 256: shorten it")
        turn = self.experience.turns(session)[-1].id
        tokens = len(text.split())
        note = Note(id=new_id("note"), session=session, turn=turn, text=text, tokens=tokens, created=time.time())
        self.experience.noted.append(note)
        return note

    def served(self, session: str) -> Version:
        return self._knowledge.current(session)

    def said(self, session: str, message: Message, version: Version) -> Turn:
        with self._lock:
            return self.experience.append(session, message, Origin.ACTED, version.id)

    def _running(self) -> int:
        return len([one for one in self.replies if not one.cancelled.is_set()])

    def _asked_version(self, request: Chat) -> Version:
        agent, at, pinned = request.model.partition("@")
        if agent != self.settings.agent:
            raise NotFound(f"model {request.model!r}: this server serves {self.settings.agent!r}")
        return self.version(pinned, request.author) if at else self._knowledge.current(request.session)
