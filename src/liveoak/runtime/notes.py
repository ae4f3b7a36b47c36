"""The text memory of a session: notes that stand before the agent whenever it speaks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from liveoak.errors import NotFound, UserError
from liveoak.experience import Experience, new_id
from liveoak.priors import ChatTokenizer
from liveoak.records import Message, Note

_HEADING = "Your notes:"


class Notebook:
    """Notes of every session, each bounded by `room` tokens.

    What is over the bound leaves the prompt, the oldest first: an agent has no tool to strike a note out, so a full
    notebook that refused would stay as it was filled first for ever. What left is told, to be noted or learned again.
    """

    def __init__(
        self, experience: Experience, tokenizer: ChatTokenizer, *, room: int, clock: Callable[[], float]
    ) -> None:
        self._experience, self._tokenizer, self._clock = experience, tokenizer, clock
        self._room = room
        self._writing = threading.Lock()
        """Held from looking at what is there until the note is: two replies of a session may go on at once."""

    def kept(self, session: str) -> tuple[Note, ...]:
        """Those in the session's prompt, oldest first; none for a session that has not begun."""
        try:
            return tuple(note for note in self._experience.notes(session) if note.dropped is None)
        except NotFound:
            return ()

    def write(self, session: str, turn: str, text: str) -> tuple[Note, str]:
        """Keep a text from now on, and say what became of it, in one line of JSON. The same text again is one note.

        Raises:
            UserError: a text longer than all the room that there is.
        """
        tokens = len(self._tokenizer.encode(_line(text)))
        if tokens > self._room:
            raise UserError(f"note: text: it has {tokens} tokens, and all notes together have {self._room}: shorten it")
        with self._writing:
            kept = self.kept(session)
            note = next((one for one in kept if one.text == text), None)
            dropped: list[Note] = []
            if note is None:
                while sum(one.tokens for one in kept) + tokens > self._room:
                    dropped.append(kept[0])
                    kept = kept[1:]
                note = Note(
                    id=new_id("note", clock=self._clock),
                    session=session,
                    turn=turn,
                    text=text,
                    tokens=tokens,
                    created=self._clock(),
                )
                self._experience.add_note(note, dropped=[one.id for one in dropped])
                kept = (*kept, note)
        answer = {"noted": True, "tokens": sum(one.tokens for one in kept), "room": self._room}
        return note, json.dumps({**answer, "dropped": [one.text for one in dropped]}, ensure_ascii=False)


def with_notes(messages: Sequence[Message], notes: Sequence[Note]) -> list[Message]:
    """The messages with the notes at the end of their system message, which is put before them if there is none."""
    if not notes:
        return list(messages)
    text = "".join([_HEADING, "\n", *(_line(note.text) for note in notes)]).rstrip("\n")
    first = messages[0]
    if first.role != "system":
        return [Message(role="system", content=text), *messages]
    return [replace(first, content=f"{first.content}\n\n{text}" if first.content else text), *messages[1:]]


def _line(text: str) -> str:
    return f"- {text}\n"
