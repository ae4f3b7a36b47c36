"""A host without a model, for tests of the HTTP face and of programs that talk to it.

It answers exactly the questions that it was taught, in the version that is asked. A few words in a request make it
misbehave: the last user message `fail` breaks the reply off, `stall` never ends, `study: TOPIC` makes it call `learn`;
a lesson on the topic `refused` is refused by its gate, one on `diverged` fails, one on `slow` waits for `let_go`.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal, Self

from liveoak.config import Settings
from liveoak.errors import BadLesson, LearningError, NotFound, Overloaded, UserError
from liveoak.experience import LessonRecord, new_id
from liveoak.records import (
    QA,
    Chat,
    Delta,
    Failed,
    Feedback,
    FeedbackKind,
    Finished,
    Learned,
    LearnStarted,
    Lesson,
    Message,
    Origin,
    Probe,
    Proof,
    ReplyEvent,
    Session,
    TokenLogprob,
    ToolCall,
    Turn,
    Verdict,
    Version,
)
from liveoak.serving.host import Step

IGNORANCE = "I do not know that."


@dataclass(slots=True, kw_only=True)
class Memory:
    """The record, in memory."""

    known_sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    known_turns: dict[str, Turn] = field(default_factory=dict[str, Turn])
    known_versions: dict[str, Version] = field(default_factory=dict[str, Version])
    given: list[Feedback] = field(default_factory=list[Feedback])
    taught: dict[str, LessonRecord] = field(default_factory=dict[str, LessonRecord])

    def session(self, id: str) -> Session:
        return _found(self.known_sessions, id, "session")

    def sessions(
        self, agent: str | None = None, author: str | None = None, limit: int = 100, before: str | None = None
    ) -> tuple[Session, ...]:
        newest = [one for one in reversed(self.known_sessions.values()) if author in (None, one.author)]
        start = 0 if before is None else newest.index(self.session(before)) + 1
        return tuple(newest[start : start + limit])

    def turns(self, session: str) -> tuple[Turn, ...]:
        return tuple(turn for turn in self.known_turns.values() if turn.session == session)

    def feedback_on(self, turn: str) -> tuple[Feedback, ...]:
        return tuple(one for one in self.given if one.turn == turn)

    def lessons(self, session: str | None = None, status: str | None = None, limit: int = 100) -> tuple[Any, ...]:
        chosen = [one for one in self.taught.values() if session in (None, one.session)]
        return tuple(chosen[:limit])

    def version(self, id: str) -> Version:
        return _found(self.known_versions, id, "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedStep:
    stage: Literal["read", "write", "study", "gate"]
    done: int
    total: int
    note: str = ""


@dataclass(slots=True)
class ScriptedReply:
    """Remembers that it was cancelled."""

    cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        self.cancelled.set()


class ScriptedHost:
    """A host whose every answer can be foretold. Use it as a context manager, like the runtime."""

    def __init__(self, settings: Settings, *, most_running: int = 1000) -> None:
        self.settings = settings
        self.prior_name = "scripted"
        self.experience = Memory()
        self.replies: list[ScriptedReply] = []
        self.let_go = threading.Event()
        self._most_running = most_running
        self._lock = threading.RLock()
        self._knows: dict[str, dict[str, str]] = {}
        self._heads: dict[str | None, str] = {None: self._snapshot(None, None, {}).id}

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
            if len([one for one in self.replies if not one.cancelled.is_set()]) >= self._most_running:
                raise Overloaded(f"{self._most_running} replies are under way: try again")
            if request.messages[-1].role == "assistant":
                raise UserError("messages end with role 'assistant': expected a user or tool message last")
            session = request.session or new_id("session")
            self._open(session, request.author)
            for message in request.messages:
                self._append(session, message, Origin.GIVEN)
            reply = ScriptedReply()
            self.replies.append(reply)
        work = threading.Thread(target=self._reply, args=(request, session, version, reply, on_event), daemon=True)
        work.start()
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
            return self._taught(lesson, session, author)

    def feedback(
        self, *, turn: str, author: str, kind: FeedbackKind, value: float | None = None, text: str | None = None
    ) -> Feedback:
        _found(self.experience.known_turns, turn, "turn")
        given = Feedback(
            id=new_id("feedback"),
            turn=turn,
            author=author,
            kind=kind,
            created=time.time(),
            value=value,
            text=text,
            trusted=author in self.settings.teachers,
        )
        self.experience.given.append(given)
        return given

    def versions(self, session: str | None = None) -> tuple[Version, ...]:
        chain = [self.current(session)]
        while (parent := chain[-1].parent) is not None:
            chain.append(self.experience.version(parent))
        return tuple(reversed(chain))

    def current(self, session: str | None = None) -> Version:
        return self.experience.version(self._heads.get(session, self._heads[None]))

    def rollback(self, to: str | None = None, session: str | None = None) -> Version:
        with self._lock:
            target = self.current(session).parent if to is None else to
            if target is None:
                raise UserError(f"version {self.current(session).id!r} is the first one: nothing to roll back to")
            self._heads[session] = self.experience.version(target).id
            return self.current(session)

    def promote(self, version: str) -> Version:
        with self._lock:
            self._heads[None] = self.experience.version(version).id
            return self.current()

    def forget(self, session: str) -> Version:
        with self._lock:
            self.experience.session(session)
            self._heads.pop(session, None)
            return self.current()

    def erase(self, session: str) -> tuple[str, ...]:
        with self._lock:
            self.experience.session(session)
            retired = tuple(one.id for one in self.experience.known_versions.values() if one.session == session)
            self.experience.known_turns = {
                id: turn for id, turn in self.experience.known_turns.items() if turn.session != session
            }
            del self.experience.known_sessions[session]
            self._heads.pop(session, None)
            return retired

    def health(self) -> dict[str, Any]:
        return {
            "agent": self.settings.agent,
            "prior": self.prior_name,
            "version": self.current().id,
            "waiting": 0,
            "running": len([one for one in self.replies if not one.cancelled.is_set()]),
            "learning": False,
            "uptime": 1.0,
            "peak_memory_mib": 64.0,
        }

    def _asked_version(self, request: Chat) -> Version:
        agent, at, pinned = request.model.partition("@")
        if agent != self.settings.agent:
            raise NotFound(f"model {request.model!r}: this server serves {self.settings.agent!r}")
        return self.experience.version(pinned) if at else self.current(request.session)

    def _reply(
        self,
        request: Chat,
        session: str,
        version: Version,
        reply: ScriptedReply,
        on_event: Callable[[ReplyEvent], None],
    ) -> None:
        asked = request.messages[-1].content
        if asked == "stall":
            on_event(Delta(text="wait"))
            reply.cancelled.wait(60)
            finish, text = "cancelled", "wait"
        elif asked == "fail":
            on_event(Delta(text="half a "))
            on_event(Failed(error=LearningError("the script says so")))
            return
        else:
            finish, text = "stop", self._knows[version.id].get(asked, IGNORANCE)
        calls: tuple[ToolCall, ...] = ()
        if asked.startswith("study: ") or request.tool_choice == "learn":
            version, call = self._study(asked, session, request, on_event)
            if request.tool_choice == "learn":
                finish, text, calls = "tool_calls", "", (call,)
            else:
                text = "Learned."
        elif request.tool_choice not in ("auto", "none", "required"):
            finish, text = "tool_calls", ""
            calls = (ToolCall(id=new_id("call"), name=request.tool_choice, arguments="{}"),)
        elif request.sampling.schema is not None:
            text = "{}"
        words = [word + " " for word in text.split(" ")][: request.sampling.max_tokens]
        if len(words) < len(text.split(" ")):
            finish = "length"
        text = "".join(words).rstrip() if finish != "cancelled" else text
        if finish in ("stop", "length"):
            for place, word in enumerate(words):
                piece = word if place < len(words) - 1 else word.rstrip()
                top = ((piece, -0.5), ("else", -2.0))[: request.sampling.top_logprobs]
                on_event(Delta(text=piece, tokens=(TokenLogprob(token=piece, logprob=-0.5, top=top),)))
        message = Message(role="assistant", content=text, tool_calls=calls)
        with self._lock:
            turn = self._append(session, message, Origin.ACTED, version.id)
        on_event(
            Finished(
                finish=finish,
                message=message,
                version=version.id,
                session=session,
                turn=turn.id,
                prompt_tokens=sum(len(one.content.split()) for one in request.messages),
                completion_tokens=len(words),
            )
        )
        reply.cancel()

    def _study(
        self, asked: str, session: str, request: Chat, on_event: Callable[[ReplyEvent], None]
    ) -> tuple[Version, ToolCall]:
        topic = asked.removeprefix("study: ")
        call = ToolCall(id=new_id("call"), name="learn", arguments=f'{{"topic": "{topic}"}}')
        on_event(LearnStarted(call=call))
        lesson = Lesson(id=new_id("lesson"), topic=topic, questions=(QA(question=topic, answer="Learned."),))
        try:
            proof = self.learn(lesson, session=session, author=request.author)
            on_event(Learned(call=call, proof=proof))
        except LearningError as error:
            on_event(Learned(call=call, proof=None, error=str(error)))
        return self.current(session), call

    def _taught(self, lesson: Lesson, session: str | None, author: str) -> Proof:
        before = self.current(session)
        kept = lesson.topic != "refused"
        reasons = () if kept else ("retention: +0.31 nats/token, over the limit of 0.10",)
        probe = Probe(
            name="retention", unit="nats/token", before=2.0, after=2.01 if kept else 2.31, limit=0.1, passed=kept, n=64
        )
        verdict = Verdict(kept=kept, reasons=reasons, probes=(probe,))
        after = before
        if session is not None:
            self._open(session, author)
        if kept:
            facts = {pair.question: pair.answer for pair in lesson.questions}
            for line in lesson.source.splitlines():
                question, mark, answer = line.partition("? ")
                facts.update({question + "?": answer} if mark else {})
            after = self._snapshot(before, session, self._knows[before.id] | facts, lesson.id, verdict)
            self._heads[session] = after.id
        tokens = 10 * len(lesson.questions) + len(lesson.source)
        proof = Proof(
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
        self.experience.taught[lesson.id] = LessonRecord(
            lesson=lesson,
            session=session,
            author=author,
            created=time.time(),
            status="kept" if kept else "refused",
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
            agent=self.settings.agent,
            parent=None if parent is None else parent.id,
            session=session,
            created=time.time(),
            prior="scripted",
            lessons=() if parent is None else (*parent.lessons, lesson),
            verdict=verdict,
        )
        self._knows[version.id] = knows
        self.experience.known_versions[version.id] = version
        return version

    def _open(self, session: str, author: str) -> None:
        opened = Session(id=session, agent=self.settings.agent, author=author, created=time.time())
        self.experience.known_sessions.setdefault(session, opened)

    def _append(self, session: str, message: Message, origin: Origin, version: str | None = None) -> Turn:
        turn = Turn(
            id=new_id("turn"),
            session=session,
            index=len(self.experience.turns(session)),
            message=message,
            origin=origin,
            created=time.time(),
        )
        if version is not None:
            turn = replace(turn, ids=(1, 2), logprobs=(-0.5, -0.5), version=version)
        self.experience.known_turns[turn.id] = turn
        return turn


def _found(known: dict[str, Any], id: str, what: str) -> Any:
    if id not in known:
        raise NotFound(f"no {what} {id!r}")
    return known[id]
