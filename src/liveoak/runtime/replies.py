"""One reply, from request to last turn: the agent speaks, calls tools, learns, and speaks again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from liveoak.engine import Completion, Decoder, Drawn, Request, Ticket
from liveoak.errors import LiveoakError, UserError
from liveoak.experience import Experience, new_id
from liveoak.gate import Chain
from liveoak.priors import ChatTokenizer
from liveoak.records import (
    Chat,
    Delta,
    Failed,
    Finished,
    Learned,
    LearnStarted,
    Message,
    Noted,
    Origin,
    ReplyEvent,
    Sampling,
    TokenLogprob,
    ToolCall,
    ToolSpec,
    Turn,
    Version,
)
from liveoak.runtime.lessons import School
from liveoak.runtime.notes import Notebook, with_notes
from liveoak.runtime.overflow import Overflow, shortened
from liveoak.runtime.speech import Said, closing, opening
from liveoak.runtime.tools import LEARN, OWN, call_schema, lesson_of, note_of, told

MOST_ROUNDS = 4
"""Times that the agent may call tools of its own within one reply."""
_ORIGINS = {
    "system": Origin.GIVEN,
    "user": Origin.GIVEN,
    "tool": Origin.OBSERVED,
    "assistant": Origin.DEMONSTRATED,
}
"""Whose a client's message is. An assistant's turn that is not in the record was written by somebody else."""

OnEvent = Callable[[ReplyEvent], None]


@dataclass(slots=True)
class Reply:
    """Handle of a reply under way."""

    asker: str = ""
    """The session that it is for."""
    cancelled: bool = False
    tickets: list[Ticket] = field(default_factory=list[Ticket])

    def cancel(self) -> None:
        """Stop as soon as possible; what was said so far is kept."""
        self.cancelled = True
        for ticket in self.tickets:
            ticket.cancelled = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was checked: it can be answered."""

    chat: Chat
    session: str
    pinned: Version | None
    """The version that the request names; None: whatever is current when the agent speaks."""
    tools: tuple[ToolSpec, ...]
    left: int = 0
    """Messages after the instructions that the window has no room for."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """Those that the agent is shown."""
        return shortened(self.chat.messages, self.left)


class Speaker:
    """Carries out replies. Each runs in a thread of its caller."""

    def __init__(
        self,
        *,
        decoder: Decoder,
        tokenizer: ChatTokenizer,
        experience: Experience,
        chain: Chain,
        school: School,
        notebook: Notebook,
        wake: Callable[[], None],
        clock: Callable[[], float],
        context: int,
        overflow: Overflow | None = None,
    ) -> None:
        """With `overflow`, chats longer than the context are cut short, and what leaves them is studied."""
        self._decoder, self._tokenizer, self._overflow = decoder, tokenizer, overflow
        self._experience, self._chain, self._school, self._notebook = experience, chain, school, notebook
        self._wake, self._clock, self._context = wake, clock, context
        self._recording = threading.RLock()
        """Held from looking up a session's next index until its turn is there: two replies may go on at once."""

    def check(self, asked: Asked) -> Asked:
        """The request as it is answered, cut to the window where that is wanted.

        Raises UserError where it cannot be answered at all.
        """
        if self._overflow is not None:
            left = self._overflow.leaving(
                asked.session, asked.chat.messages, lambda some: len(self._prompt(asked, some)), self._context
            )
            asked = replace(asked, left=left)
        self._room(self._prompt(asked, asked.messages), asked.chat.sampling)
        return asked

    def speak(self, asked: Asked, reply: Reply, on_event: OnEvent) -> None:
        """Carry out a reply; its last event is Finished or Failed."""
        last: Finished | Failed
        try:
            last = self._converse(asked, reply, on_event)
        except Exception as error:  # the border: whatever breaks a reply, its asker is told
            last = Failed(error=error)
        on_event(last)

    def _converse(self, asked: Asked, reply: Reply, on_event: OnEvent) -> Finished:
        self._record_request(asked)
        messages = list(asked.messages)
        if self._overflow is not None and asked.left:
            self._overflow.learn(asked.session, asked.chat.author, asked.chat.messages, asked.left)
        completion_tokens = 0
        for round_ in range(MOST_ROUNDS + 1):
            said = self._say(asked, messages, reply, on_event, may_call=round_ < MOST_ROUNDS)
            completion_tokens += said.completion_tokens
            turn = self._record_said(asked, said)
            own = [call for call in said.message.tool_calls if call.name in OWN]
            messages = [*messages, said.message, *(self._carry_out(asked, turn, call, on_event) for call in own)]
            forced = asked.chat.tool_choice not in ("auto", "none")
            if not own or forced or len(own) < len(said.message.tool_calls) or reply.cancelled:
                return Finished(
                    finish="tool_calls" if said.message.tool_calls else said.finish,
                    message=said.message,
                    version=said.version.id,
                    session=asked.session,
                    turn=turn.id,
                    prompt_tokens=said.prompt_tokens,
                    completion_tokens=completion_tokens,
                )
        raise AssertionError("the last round calls no tool")

    def _say(self, asked: Asked, messages: list[Message], reply: Reply, on_event: OnEvent, *, may_call: bool) -> Said:
        """Let the agent speak once. Text is shown as it comes, tool calls are not."""
        version = asked.pinned or self._chain.current(asked.session)
        ids = self._prompt(asked, messages)
        sampling = self._room(ids, asked.chat.sampling)
        marker = self._tokenizer.tool_call_marker
        drawn: tuple[Drawn, ...] = ()
        text = ""
        calling = bool(asked.tools) and may_call
        if not (calling and asked.chat.tool_choice not in ("auto", "none")):
            free = replace(sampling, stop=(*sampling.stop, marker)) if calling else sampling
            done = self._run(ids, version, free, reply, on_event)
            drawn, text = done.drawn, done.text
            if not calling or done.stopped_by != marker:
                return Said(
                    message=Message(role="assistant", content=text),
                    tokens=drawn,
                    finish=done.finish,
                    version=version,
                    prompt_tokens=len(ids),
                    completion_tokens=len(drawn),
                )
        tools = asked.tools if asked.chat.tool_choice in ("auto", "required") else self._named(asked)
        form = self._tokenizer.tool_format
        opened = opening(self._tokenizer, drawn, text + form.open)
        before = (*ids, *(token.id for token in opened))
        schema = call_schema(tools, form.arguments_key)
        done = self._run(
            before, version, replace(self._room(before, sampling), stop=(), schema=schema, pattern=None), reply, None
        )
        whole = done.finish == "stop"
        written = f"{text}{form.open}{done.text}{form.close if whole else ''}"
        return Said(
            message=self._tokenizer.parse_reply(written, new_id=lambda: new_id("call")),
            tokens=(*opened, *(closing(self._tokenizer, done.drawn, form.close) if whole else done.drawn)),
            finish=done.finish,
            version=version,
            prompt_tokens=len(ids),
            completion_tokens=len(drawn) + len(done.drawn),
        )

    def _named(self, asked: Asked) -> tuple[ToolSpec, ...]:
        return tuple(tool for tool in asked.tools if tool.name == asked.chat.tool_choice)

    def _run(
        self, ids: tuple[int, ...], version: Version, sampling: Sampling, reply: Reply, on_event: OnEvent | None
    ) -> Completion:
        def listen(drawn: Drawn, text: str) -> None:
            ended = drawn.id in self._tokenizer.stop_ids
            if on_event is not None and not ended:
                on_event(Delta(text=text, tokens=(self._shown(drawn),)))
            elif on_event is not None and text:
                on_event(Delta(text=text))

        request = Request(ids=ids, slot=self._chain.slot(version), sampling=sampling, asker=reply.asker)
        ticket = self._decoder.submit(request, listen)
        reply.tickets.append(ticket)
        ticket.cancelled = reply.cancelled
        self._wake()
        return ticket.result()

    def _shown(self, drawn: Drawn) -> TokenLogprob:
        decode = self._tokenizer.decode
        return TokenLogprob(
            token=decode([drawn.id]),
            logprob=drawn.logprob,
            top=tuple((decode([id]), logprob) for id, logprob in drawn.top),
        )

    def _carry_out(self, asked: Asked, turn: Turn, call: ToolCall, on_event: OnEvent) -> Message:
        """A call of a tool of the agent's own, and its answer, recorded."""
        content = self._learn(asked, call, on_event) if call.name == LEARN.name else self._note(turn, call, on_event)
        result = Message(role="tool", content=content, tool_call_id=call.id)
        self._append(asked.session, [(result, Origin.OBSERVED)])
        return result

    def _learn(self, asked: Asked, call: ToolCall, on_event: OnEvent) -> str:
        """A lesson that fails is an answer too."""
        on_event(LearnStarted(call=call))
        try:
            proof = self._school.learn(
                lesson_of(call), session=asked.session, author=asked.chat.author, on_progress=None
            )
        except LiveoakError as error:
            on_event(Learned(call=call, proof=None, error=str(error)))
            return f"nothing was learned: {error}"
        on_event(Learned(call=call, proof=proof))
        return told(proof)

    def _note(self, turn: Turn, call: ToolCall, on_event: OnEvent) -> str:
        try:
            note, answer = self._notebook.write(turn.session, turn.id, note_of(call))
        except LiveoakError as error:
            on_event(Noted(call=call, note=None, error=str(error)))
            return f"nothing was noted: {error}"
        on_event(Noted(call=call, note=note))
        return answer

    def _prompt(self, asked: Asked, messages: Sequence[Message]) -> tuple[int, ...]:
        noted = with_notes(messages, self._notebook.kept(asked.session))
        return self._tokenizer.render(noted, asked.tools, add_generation_prompt=True).ids

    def _room(self, ids: tuple[int, ...], sampling: Sampling) -> Sampling:
        """The sampling, with no more tokens than the context has left."""
        left = self._context - len(ids)
        if left < 1:
            raise UserError(
                f"the prompt has {len(ids)} tokens, the context holds {self._context} with the reply: shorten it, "
                "or let the agent learn the text"
            )
        return replace(sampling, max_tokens=min(sampling.max_tokens, left))

    def _record_request(self, asked: Asked) -> None:
        """Append what is new: a client sends the whole conversation every time."""
        with self._recording:
            known = self._experience.turns(asked.session)
            new = _unrecorded(known, asked.chat.messages)
            self._append(asked.session, [(message, _ORIGINS[message.role]) for message in new])

    def _record_said(self, asked: Asked, said: Said) -> Turn:
        with self._recording:
            turn = Turn(
                id=new_id("turn", clock=self._clock),
                session=asked.session,
                index=self._next(asked.session),
                message=said.message,
                origin=Origin.ACTED,
                created=self._clock(),
                ids=said.ids,
                logprobs=said.logprobs,
                version=said.version.id,
                spans=said.spans,
            )
            self._experience.append(turn)
        return turn

    def _append(self, session: str, messages: list[tuple[Message, Origin]]) -> None:
        with self._recording:
            start = self._next(session)
            self._experience.append(
                *(
                    Turn(
                        id=new_id("turn", clock=self._clock),
                        session=session,
                        index=start + place,
                        message=message,
                        origin=origin,
                        created=self._clock(),
                    )
                    for place, (message, origin) in enumerate(messages)
                )
            )

    def _next(self, session: str) -> int:
        last = self._experience.last_index(session)
        return 0 if last is None else last + 1


def _unrecorded(known: Sequence[Turn], sent: Sequence[Message]) -> list[Message]:
    """Those of the messages that the record does not hold yet.

    It holds the others in this order, though with more in between: a client may leave out old turns, and never saw
    those in which the agent learned. What was said last is new, unless it still waits for its reply: asking again
    after a broken connection is one question, asking the same once more after its answer is two.
    """
    new: list[Message] = []
    place = 0
    for number, message in enumerate(sent):
        found = next((at for at in range(place, len(known)) if _alike(known[at].message, message)), None)
        waits = found == len(known) - 1 and known[-1].origin is not Origin.ACTED if known else False
        if found is None or (number == len(sent) - 1 and not waits):
            new.append(message)
        else:
            place = found + 1
    return new


def _alike(known: Message, sent: Message) -> bool:
    """Clients rename call ids and drop what they do not know; what was said stays."""
    return (known.role, known.content) == (sent.role, sent.content)
