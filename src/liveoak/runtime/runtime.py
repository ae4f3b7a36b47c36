"""One agent: served, recorded, learning, gated."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import torch

from liveoak.config import Settings
from liveoak.engine import Decoder, Engine, Scheduler, Shares, check_sampling, only_team
from liveoak.engine import Sequence as Tokens
from liveoak.errors import Conflict, NotFound, Overloaded, Unavailable, UserError
from liveoak.experience import Experience, new_id
from liveoak.gate import Chain
from liveoak.learning.arms import LearnerSettings
from liveoak.learning.recipe import Recipe
from liveoak.records import (
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
    Session,
    Version,
)
from liveoak.runtime.device import compile_steps, load_engine
from liveoak.runtime.home import Home
from liveoak.runtime.lessons import School
from liveoak.runtime.notes import Notebook
from liveoak.runtime.overflow import Overflow
from liveoak.runtime.replies import Asked, Reply, Speaker
from liveoak.runtime.rights import Rights
from liveoak.runtime.teaching import Progress
from liveoak.runtime.tools import offered
from liveoak.runtime.traffic import TRAFFIC, Traffic

_STUDY_TOKENS = 8192
"""Cache of a lesson's own questions, in tokens."""


class Runtime:
    """One agent in its home. Use it as a context manager; any thread may call any method."""

    def __init__(
        self,
        settings: Settings,
        *,
        recipe: Recipe | None = None,
        clock: Callable[[], float] = time.time,
        on_fetch: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """Load the prior (fetching it if need be), open the record and begin to serve.

        Raises:
            Conflict: the home is in use, or its agent learned over another prior.
            and whatever `load_prior` and `Experience` raise.
        """
        # Settings made in a program may still say `~`, which would become a folder of that name.
        settings = settings.model_copy(update={"cache": settings.cache.expanduser()})
        self.settings, self._clock = settings, clock
        self._began = clock()
        self._closing = False
        with ExitStack() as stack:
            home = Home(settings.home.expanduser())
            stack.callback(home.close)
            self.experience = stack.enter_context(Experience(home.database, clock=clock))
            shares = Shares(settings.serving_share)
            scheduler = stack.enter_context(only_team(settings.team, shares))
            self._engine = scheduler.run(lambda: _load(settings, on_fetch, scheduler))
            prior = self._engine.prior
            self.prior_name = settings.prior
            self._context = min(settings.context, prior.context_length)
            self._decoder = Decoder(self._engine)
            self._chain = Chain(
                self.experience,
                self._engine.bank,
                home.versions,
                agent=settings.agent,
                prior=prior.fingerprint,
                clock=clock,
                room=settings.adapter_memory_mib * 2**20,
            )
            scheduler.serve(self._decoder)
            study = Decoder(self._engine, kind="study", cache_tokens=_STUDY_TOKENS)
            self._school = School(
                settings,
                recipe or Recipe(),
                engine=self._engine,
                decoder=study,
                experience=self.experience,
                chain=self._chain,
                clock=clock,
            )
            stack.callback(self._school.close)
            self._speakers = ThreadPoolExecutor(settings.max_waiting, thread_name_prefix="liveoak-reply")
            stack.callback(self._speakers.shutdown)
            self.rights = Rights(self.experience, agent=settings.agent, teachers=settings.teachers)
            self._traffic = Traffic(
                settings,
                engine=self._engine,
                decoder=study,
                experience=self.experience,
                chain=self._chain,
                teachers=settings.teachers,
                context=self._context,
                recipe=recipe or Recipe(),
                clock=clock,
            )
            self._notebook = Notebook(
                self.experience,
                prior.tokenizer,
                room=min(settings.max_note_tokens, self._context // 4),
                clock=clock,
            )
            self._speaker = Speaker(
                decoder=self._decoder,
                tokenizer=prior.tokenizer,
                experience=self.experience,
                chain=self._chain,
                school=self._school,
                notebook=self._notebook,
                wake=scheduler.wake,
                clock=clock,
                context=self._context,
                overflow=Overflow(self.experience, self._school) if settings.learn_overflow == "on" else None,
            )
            self._under_way: set[int] = set()
            self._guard = threading.Lock()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is under way and let go of the home. What is asked from now on is refused."""
        self._closing = True
        self._stack.close()

    def chat(self, request: Chat, on_event: Callable[[ReplyEvent], None]) -> Reply:
        """Begin a reply. Events come from another thread, the last of them is Finished or Failed.

        Raises:
            NotFound: an unknown model, version or session.
            Overloaded: the queue is full.
            UserError: a request that cannot be answered; nothing was recorded.
        """
        if self._closing:
            raise Unavailable("shutting down: no request is taken any more")
        check_sampling(request.sampling)
        tools = offered(request, self.settings.offer_learn)
        session = request.session or new_id("session", clock=self._clock)
        self._begun(session, request.author)
        pinned = self._pinned(request.model, request.author)
        asked = self._speaker.check(Asked(chat=request, session=session, pinned=pinned, tools=tools))
        reply = Reply(asker=session)
        self._enter(reply)
        try:
            self._open_session(session, request.author)
            self._speakers.submit(self._reply, asked, reply, on_event)
        except BaseException:
            self._leave(reply)
            raise
        return reply

    def ask(self, request: Chat) -> Finished:
        """A reply, waited for. Raises what broke it off."""
        done = threading.Event()
        last: list[ReplyEvent] = []

        def hear(event: ReplyEvent) -> None:
            if isinstance(event, Finished | Failed):
                last.append(event)
                done.set()

        self.chat(request, hear)
        done.wait()
        end = last[0]
        if isinstance(end, Failed):
            raise end.error
        assert isinstance(end, Finished)
        return end

    def score(
        self,
        messages: Sequence[Message],
        reply: str,
        model: str | None = None,
        session: str | None = None,
        author: str = "local",
    ) -> tuple[float, ...]:
        """Log-probability, in nats, of each token of `reply` and of the end of the turn, after these messages."""
        version = self._pinned(model or self.settings.agent, author) or self.current(session, author)
        written = Message(role="assistant", content=reply)
        rendered = self._engine.tokenizer.render([*messages, written], origins=[*[None] * len(messages), None])
        last = [span for span in rendered.spans if span.origin is Origin.ACTED][-1]
        wanted = tuple(range(last.start - 1, last.end - 1))
        ids = rendered.ids[: last.end - 1]
        batch = [Tokens(ids=ids, slot=self._chain.slot(version), wanted=wanted)]
        targets = torch.tensor(rendered.ids[last.start : last.end], device=self._engine.device).unsqueeze(1)
        found = self._engine.infer(lambda: self._engine.logits(batch).log_softmax(-1).gather(1, targets), "serve")
        return tuple(found.squeeze(1).tolist())

    def learn(
        self,
        lesson: Lesson,
        *,
        session: str | None = None,
        author: str = "local",
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Proof:
        """Study a lesson into the agent's slow weights, or into a session's fast weights, and prove it.

        A lesson that the gate refuses is a proof too, with the version served before.

        Raises:
            NotAllowed: the agent itself is meant, and the author is no teacher.
            and whatever `School.learn` raises.
        """
        if session is None:
            self.rights.need_teacher(author, "teach the agent itself")
        else:
            self._open_session(session, author)
        return self._school.learn(lesson, session=session, author=author, on_progress=on_progress)

    def consolidate(
        self, session: str, *, author: str = "local", on_progress: Callable[[Progress], None] | None = None
    ) -> Proof:
        """Distil what a session's fast weights learned into the agent's slow weights, and prove it.

        The author must be a teacher, and the session their own: to others it does not exist. A consolidation that the
        gate refuses is a proof too, with the version served before.

        Raises:
            NotAllowed: the author is no teacher.
            NotFound: no such session, or somebody else's.
            and whatever `School.consolidate` raises.
        """
        self.rights.need_teacher(author, "consolidate a session into the agent itself")
        self.rights.need_session(session, author)
        return self._school.consolidate(session, author=author, on_progress=on_progress)

    def learn_from_feedback(
        self,
        *,
        author: str = "local",
        learning: LearnerSettings = TRAFFIC,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Harvest:
        """Learn from recorded sessions what trusted people said of their turns since the last call; the record knows.
        `learning` says by which signals.

        Raises:
            NotAllowed: the author is no teacher.
            and whatever `Traffic.harvest` raises.
        """
        self.rights.need_teacher(author, "teach the agent itself")
        return self._school.in_turn(
            "feedback",
            lambda tell: self._traffic.harvest(author=author, learning=learning, on_progress=tell),
            author=author,
            on_progress=on_progress,
        )

    def feedback(
        self, *, turn: str, author: str, kind: FeedbackKind, value: float | None = None, text: str | None = None
    ) -> Feedback:
        """Record what somebody says of a turn. From authors who may not teach it waits in quarantine.

        Raises:
            NotFound: no such turn.
            UserError: a reward without a value in [-1, 1], a correction or comment without text.
        """
        self.experience.turn(turn)
        if kind == "reward" and (value is None or not -1 <= value <= 1):
            raise UserError(f"reward {value!r}: expected a value from -1 to 1")
        if kind != "reward" and not (text and text.strip()):
            raise UserError(f"{kind} without text: say what would have been right")
        given = Feedback(
            id=new_id("feedback", clock=self._clock),
            turn=turn,
            author=author,
            kind=kind,
            created=self._clock(),
            value=value,
            text=text,
            trusted=self.rights.may_teach(author),
        )
        self.experience.add_feedback(given)
        return given

    def notes(self, session: str, author: str = "local") -> tuple[Note, ...]:
        """What the agent keeps in the prompt of a session, oldest first."""
        self.rights.need_session(session, author)
        return self._notebook.kept(session)

    def versions(self, session: str | None = None, author: str = "local") -> tuple[Version, ...]:
        """The versions that led to what is served, oldest first. To an author other than the session's it is unknown,
        here and below."""
        return self._chain.line(self.rights.need_session(session, author))

    def version(self, id: str, author: str = "local") -> Version:
        """Any version that the author may know of, also one that is not served any more."""
        return self.rights.need_version(self.experience.version(id), author)

    def current(self, session: str | None = None, author: str = "local") -> Version:
        """What is served."""
        return self._chain.current(self.rights.need_session(session, author))

    @property
    def in_memory(self) -> tuple[str, ...]:
        """Versions whose adapters are in memory, the one used longest ago first."""
        return self._chain.in_memory

    def rollback(self, to: str | None = None, session: str | None = None, author: str = "local") -> Version:
        """Serve an earlier version again; None is the parent of what is served.

        Raises:
            NotAllowed: the agent itself is meant, and the author is no teacher.
        """
        where = self.rights.need_mover(session, author, "roll the agent itself back")
        if to is not None:
            self.rights.need_version(self._chain.get(to), author)
        return self._chain.rollback(to, where)

    def promote(self, version: str, author: str = "local") -> Version:
        """Make a version, one of the author's own session for example, the agent's own.

        Raises:
            NotAllowed: the author is no teacher.
        """
        self.rights.need_teacher(author, "promote a version to the agent's own")
        self.rights.need_version(self._chain.get(version), author)
        return self._chain.promote(version)

    def forget(self, session: str, author: str = "local") -> Version:
        """Drop a session's fast weights; returns the version that serves it from now on."""
        self.rights.need_session(session, author)
        return self._chain.forget(session)

    def erase(self, session: str, author: str = "local") -> tuple[str, ...]:
        """Remove a session's record; returns the versions that learned from it and are retired."""
        self.rights.need_keeper(session, author)
        erased = self.experience.erase(session)
        self._chain.retire(erased.versions, "a record that it learned from was erased")
        return erased.versions

    def health(self) -> dict[str, Any]:
        """What the process is doing."""
        unit = 1024 if sys.platform != "darwin" else 1024 * 1024
        return {
            "agent": self.settings.agent,
            "prior": self.prior_name,
            "version": self._chain.current().id,
            "waiting": self._decoder.waiting,
            "running": self._decoder.running,
            "learning": self._school.studying,
            "uptime": self._clock() - self._began,
            "device": str(self._engine.device),
            "dtype": str(self._engine.dtype).removeprefix("torch."),
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
        }

    def _reply(self, asked: Asked, reply: Reply, on_event: Callable[[ReplyEvent], None]) -> None:
        def leave_first(event: ReplyEvent) -> None:
            if isinstance(event, Finished | Failed):
                self._leave(reply)
            on_event(event)

        self._speaker.speak(asked, reply, leave_first)

    def _enter(self, reply: Reply) -> None:
        with self._guard:
            if len(self._under_way) >= self.settings.max_waiting:
                raise Overloaded(f"{len(self._under_way)} requests are under way: try again in a moment")
            self._under_way.add(id(reply))

    def _leave(self, reply: Reply) -> None:
        with self._guard:
            self._under_way.discard(id(reply))

    def _pinned(self, model: str, author: str) -> Version | None:
        agent, at, version = model.partition("@")
        if agent != self.settings.agent:
            raise NotFound(f"model {model!r}: expected {self.settings.agent!r} or '{self.settings.agent}@VERSION'")
        return self.rights.need_version(self._chain.get(version), author) if at else None

    def _begun(self, session: str, author: str) -> bool:
        """Whether the session is there. It belongs to who began it; to anybody else it does not exist.

        Raises:
            NotFound: somebody else began it.
        """
        try:
            self.experience.session(session)
        except NotFound:
            return False
        if not self.rights.owns(session, author):
            raise NotFound(f"session {session!r} is not known for author {author!r}: take another name for yours")
        return True

    def _open_session(self, id: str, author: str) -> None:
        if self._begun(id, author):
            return
        session = Session(id=id, agent=self.settings.agent, author=author, created=self._clock())
        try:
            self.experience.add_session(session)
        except Conflict:
            # Two requests may begin a session at once, and the first one did.
            if not self._begun(id, author):
                raise


def _load(settings: Settings, on_fetch: Callable[[str, int, int], None] | None, scheduler: Scheduler) -> Engine:
    engine = load_engine(settings, scheduler, on_fetch)
    compile_steps(engine, settings.compile, settings.cache)
    return engine
