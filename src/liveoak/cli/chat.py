"""`liveoak chat`: a conversation in which the agent may learn."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import typer

from liveoak.cli.chat_commands import obey
from liveoak.cli.connection import Connection, connect
from liveoak.cli.options import Options, takes_options
from liveoak.cli.proofs import summary
from liveoak.cli.screen import notice, print_json
from liveoak.errors import LiveoakError, NotFound
from liveoak.records import Chat, Delta, Finished, Learned, LearnStarted, Message, Noted, ReplyEvent, Sampling

_GREETING = "Ctrl-D or /quit leaves; /help lists the commands."


def register(app: typer.Typer) -> None:
    app.command()(takes_options(chat))


def chat(
    options: Options,
    session: Annotated[str | None, typer.Option(help="Go on with this session, or begin it under this name.")] = None,
    system: Annotated[str | None, typer.Option(help="Instructions that the agent is given first.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Longest reply, in tokens.", min=1)] = 256,
    temperature: Annotated[float, typer.Option(help="0 always takes the likeliest token.", min=0, max=2)] = 0.7,
    seed: Annotated[int | None, typer.Option(help="Makes replies repeatable.")] = None,
) -> None:
    """Talk with the agent.

    What it learns stays in the session. Lines come from a person or a pipe; /help lists the commands.
    """
    from liveoak.experience import new_id

    with connect(options) as connection:
        conversation = Conversation(
            connection=connection,
            session=session or new_id("session"),
            sampling=Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed),
            as_json=options.json,
        )
        conversation.resume(system)
        conversation.run()


@dataclass(slots=True, kw_only=True)
class Conversation:
    """One session at the keyboard, or at the end of a pipe."""

    connection: Connection
    session: str
    sampling: Sampling
    as_json: bool
    messages: list[Message] = field(default_factory=list[Message])

    def resume(self, system: str | None) -> None:
        """What was said in the session before, if it is not new."""
        with contextlib.suppress(NotFound):
            turns = self.connection.record(self.session).turns
            self.messages = [turn.message for turn in turns if turn.message.role in ("system", "user", "assistant")]
            self.messages = [one for one in self.messages if one.content]
        if system is not None:
            self.messages = [
                Message(role="system", content=system),
                *(one for one in self.messages if one.role != "system"),
            ]

    def run(self) -> None:
        """Until the lines end. A person is told of an error and goes on; a pipe stops at the first."""
        at_terminal = sys.stdin.isatty()
        if at_terminal:
            notice(f"session {self.session}. {_GREETING}")
        for line in _lines(at_terminal):
            try:
                if not self.take(line):
                    return
            except LiveoakError as error:
                if not at_terminal:
                    raise
                notice(f"error: {error}")

    def take(self, line: str) -> bool:
        """Obey a command or send a message. False: it is over."""
        if not line.strip():
            return True
        if line.startswith("/"):
            return obey(line, self.connection, self.session)
        self.reply_to(line)
        return True

    def reply_to(self, line: str) -> None:
        asked = [*self.messages, Message(role="user", content=line)]
        request = Chat(
            messages=tuple(asked),
            model=self.connection.agent,
            author=self.connection.author,
            session=self.session,
            sampling=self.sampling,
        )
        events = self.connection.chat(request)
        try:
            end = self._show(events)
        except KeyboardInterrupt:
            events.close()
            if not sys.stdin.isatty():
                raise
            notice("\n(stopped)")
            return
        self.messages = [*asked, Message(role="assistant", content=end.message.content)]

    def _show(self, events: Generator[ReplyEvent]) -> Finished:
        proofs, noted = list[dict[str, Any]](), list[str]()
        for event in events:
            match event:
                case Delta(text=text) if not self.as_json:
                    print(text, end="", flush=True)
                case LearnStarted():
                    notice("(learning ...)")
                case Learned(proof=None, error=error):
                    notice(f"(could not learn: {error})")
                case Learned(proof=proof) if proof is not None:
                    proofs.append(asdict(proof))
                    notice(f"({summary(proof)})")
                case Noted(note=None, error=error):
                    notice(f"(could not note: {error})")
                case Noted(note=note) if note is not None:
                    noted.append(note.text)
                    notice(f"(noted: {note.text})")
                case Finished() as end:
                    if self.as_json:
                        reply = {"reply": end.message.content, "finish": end.finish, "version": end.version}
                        print_json(
                            {**reply, "session": end.session, "turn": end.turn, "learned": proofs, "noted": noted}
                        )
                    else:
                        print(flush=True)
                    return end
                case _:
                    pass
        raise AssertionError("a connection's events end with Finished or an error")


def _lines(at_terminal: bool) -> Generator[str]:
    if not at_terminal:
        yield from (line.rstrip("\r\n") for line in sys.stdin)
        return
    with contextlib.suppress(ImportError):
        # Importing it is all: it gives input() a history and editing.
        importlib.import_module("readline")
    while True:
        try:
            yield input("> ")
        except EOFError:
            print(file=sys.stderr)
            return
