"""Chats longer than the context: what is shown, and what is learned of that which is not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from small_life import chat, user

from liveoak.errors import UserError
from liveoak.experience import LessonRecord
from liveoak.records import Message
from liveoak.runtime import Runtime

KEY = "The key to the boathouse hangs with Runa Hessel."
FILLER = "Tell me about the weather in the old town by the sea. " * 2
SMALL = {"context": 420, "learn_overflow": "on"}
"""Of the tokenizer of bytes: three turns or so."""


def talk(runtime: Runtime, messages: list[Message], text: str) -> None:
    """One more turn of a client that sends the whole conversation each time."""
    messages.append(user(text))
    reply = runtime.ask(chat(*messages, session="s"))
    messages.append(reply.message)


def through(runtime: Runtime, count: int) -> list[LessonRecord]:
    """The lessons of the session, once so many have ended."""
    until = time.monotonic() + 60
    found: list[LessonRecord] = []
    while time.monotonic() < until:
        found = runtime.experience.lessons(session="s")
        if len(found) >= count and all(one.status != "waiting" for one in found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"{count} lessons were not through in time: {found!r}")


def scored(runtime: Runtime, session: str | None = None) -> float:
    return sum(runtime.score([user("Who has the key?")], "Runa Hessel", session=session))


def test_what_leaves_the_window_is_learned(start: Callable[..., Runtime]):
    runtime = start(**SMALL)
    messages: list[Message] = []
    talk(runtime, messages, KEY)
    before = scored(runtime)
    while not runtime.experience.lessons(session="s"):
        assert len(messages) < 20, "nothing ever left the window"
        talk(runtime, messages, f"{len(messages)}: {FILLER}")
        time.sleep(0.2)
    (record,) = through(runtime, 1)
    assert KEY in record.lesson.source and record.status == "kept"
    turns = runtime.experience.turns("s")
    assert runtime.current("s").lessons == (record.lesson.id,)
    assert scored(runtime, "s") > before, "the session knows better what it does not see any more"
    assert scored(runtime) == before, "nobody else does"
    assert [turn.message.content for turn in turns] == [one.content for one in messages], "all of it is in the record"


def test_each_turn_is_learned_once_and_none_is_left_out(start: Callable[..., Runtime]):
    runtime = start(**SMALL)
    messages: list[Message] = []
    for number in range(9):
        talk(runtime, messages, f"Door {number} opens at 7:{number:02d}. {FILLER}")
        time.sleep(0.05)
        while any(one.status == "waiting" for one in runtime.experience.lessons(session="s")):
            time.sleep(0.02)
    time.sleep(0.2)
    found = through(runtime, 2)
    told = "\n".join(record.lesson.source for record in found)
    times = [f"7:{number:02d}" for number in range(9)]
    learned = [time for time in times if time in told]
    assert all(told.count(time) == 1 for time in learned)
    assert learned == times[: len(learned)] and 2 <= len(learned) < 9, "from the beginning on, without a gap"


def test_a_chat_that_fits_is_left_alone_and_off_refuses_what_does_not(start: Callable[..., Runtime]):
    runtime = start(context=420)
    runtime.ask(chat("Hi", session="s"))
    long = [user(f"{number}: {FILLER}") for number in range(9)]
    with pytest.raises(UserError, match="the context holds 420"):
        runtime.ask(chat(*long, session="s"))
    assert runtime.experience.lessons() == []


def test_the_last_question_must_fit_by_itself(start: Callable[..., Runtime]):
    runtime = start(**SMALL)
    with pytest.raises(UserError, match="the context holds 420"):
        runtime.ask(chat("Hi", FILLER * 9, session="s"))
    assert runtime.experience.sessions() == []


def test_instructions_stay_in_the_window(start: Callable[..., Runtime]):
    runtime = start(**SMALL)
    system = Message(role="system", content="You are brief.")
    messages = [system]
    for number in range(6):
        talk(runtime, messages, f"{number}: {FILLER}")
    overflow = runtime._speaker._overflow  # pyright: ignore[reportPrivateUsage]
    assert overflow is not None

    def letters(some: object) -> int:
        assert isinstance(some, list | tuple) and some[0] == system  # pyright: ignore[reportUnknownVariableType]
        return sum(len(one.content) for one in some)  # type: ignore[union-attr]

    left = overflow.leaving("other", messages, letters, 300)
    assert left and messages[1 + left].role == "user"
    assert letters([system, *messages[1 + left :]]) <= 150 < letters([system, *messages[left - 1 :]])
