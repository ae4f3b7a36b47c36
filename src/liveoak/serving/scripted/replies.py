"""A reply by script: its words, its pace, and the tools that it calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from liveoak.errors import LearningError, UserError
from liveoak.experience import new_id
from liveoak.records import (
    QA,
    Chat,
    Delta,
    Failed,
    Finish,
    Finished,
    Learned,
    LearnStarted,
    Lesson,
    Message,
    Note,
    Noted,
    Proof,
    ReplyEvent,
    TokenLogprob,
    ToolCall,
    Turn,
    Version,
)

IGNORANCE = "I do not know that."
OnEvent = Callable[[ReplyEvent], None]


@dataclass(slots=True)
class ScriptedReply:
    """Remembers that it was cancelled."""

    cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        self.cancelled.set()


class Stage(Protocol):
    """What a reply needs of the host that it is given on."""

    def answer(self, version: Version, question: str) -> str | None: ...
    def study(self, lesson: Lesson, session: str, author: str) -> Proof: ...
    def note(self, session: str, text: str) -> Note: ...
    def served(self, session: str) -> Version: ...
    def said(self, session: str, message: Message, version: Version) -> Turn: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One reply to one request."""

    stage: Stage
    request: Chat
    session: str
    version: Version
    reply: ScriptedReply
    on_event: OnEvent

    def play(self) -> None:
        """From the first event to the last."""
        asked, choice = self.request.messages[-1].content, self.request.tool_choice
        version, calls = self.version, tuple[ToolCall, ...]()
        finish: Finish = "stop"
        if asked == "fail":
            self.on_event(Delta(text="half a "))
            self.on_event(Failed(error=LearningError("the script says so")))
            return
        if asked == "stall":
            self.on_event(Delta(text="wait"))
            self.reply.cancelled.wait(60)
            self._end("cancelled", "wait", 1, version, ())
            return
        text = self.stage.answer(version, asked) or IGNORANCE
        if asked.startswith("study: ") or choice == "learn":
            version, call = self._study(asked.removeprefix("study: "))
            text, calls = ("", (call,)) if choice == "learn" else ("Learned.", ())
        elif asked.startswith("note: ") or choice == "note":
            call = self._note(asked.removeprefix("note: "))
            text, calls = ("", (call,)) if choice == "note" else ("Noted.", ())
        elif choice not in ("auto", "none", "required"):
            text, calls = "", (ToolCall(id=new_id("call"), name=choice, arguments="{}"),)
        elif self.request.sampling.schema is not None:
            text = "{}"
        if calls:
            self._end("tool_calls", "", 1, version, calls)
            return
        words = text.split(" ")
        shown = words[: self.request.sampling.max_tokens]
        finish = "length" if len(shown) < len(words) else "stop"
        for place, word in enumerate(shown):
            piece = word + " " if place < len(shown) - 1 else word
            top = ((piece, -0.5), ("else", -2.0))[: self.request.sampling.top_logprobs]
            self.on_event(Delta(text=piece, tokens=(TokenLogprob(token=piece, logprob=-0.5, top=top),)))
        self._end(finish, " ".join(shown), len(shown), version, ())

    def _end(self, finish: Finish, text: str, tokens: int, version: Version, calls: tuple[ToolCall, ...]) -> None:
        message = Message(role="assistant", content=text, tool_calls=calls)
        turn = self.stage.said(self.session, message, version)
        self.on_event(
            Finished(
                finish=finish,
                message=message,
                version=version.id,
                session=self.session,
                turn=turn.id,
                prompt_tokens=sum(len(one.content.split()) for one in self.request.messages),
                completion_tokens=tokens,
            )
        )
        self.reply.cancel()

    def _study(self, topic: str) -> tuple[Version, ToolCall]:
        call = ToolCall(id=new_id("call"), name="learn", arguments=f'{{"topic": "{topic}"}}')
        self.on_event(LearnStarted(call=call))
        lesson = Lesson(id=new_id("lesson"), topic=topic, questions=(QA(question=topic, answer="Learned."),))
        try:
            proof = self.stage.study(lesson, self.session, self.request.author)
            self.on_event(Learned(call=call, proof=proof))
        except LearningError as error:
            self.on_event(Learned(call=call, proof=None, error=str(error)))
        return self.stage.served(self.session), call

    def _note(self, text: str) -> ToolCall:
        call = ToolCall(id=new_id("call"), name="note", arguments=f'{{"text": "{text}"}}')
        try:
            self.on_event(Noted(call=call, note=self.stage.note(self.session, text)))
        except UserError as error:
            self.on_event(Noted(call=call, note=None, error=str(error)))
        return call
