"""Replies: what is recorded, whose it is, and what happens to those that cannot be given."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from small_life import FACT, Heard, chat, lesson, user

from liveoak.errors import NotFound, Overloaded, Unavailable, UserError
from liveoak.experience import Experience
from liveoak.records import Delta, Finished, Message, Origin, Sampling, ToolCall
from liveoak.runtime import Runtime


def told(runtime: Runtime, session: str) -> list[tuple[str, str, str]]:
    return [(turn.message.role, turn.message.content, turn.origin.value) for turn in runtime.experience.turns(session)]


def test_a_reply_is_recorded_before_its_end_is_told(runtime: Runtime):
    seen: list[int] = []
    heard = Heard()

    def listen(event: object) -> None:
        if isinstance(event, Finished):
            seen.append(len(runtime.experience.turns(event.session)))
        heard(event)  # type: ignore[arg-type]

    runtime.chat(chat("Hello"), listen)
    done = heard.finished()
    assert seen == [2]
    asked, acted = runtime.experience.turns(done.session)
    assert (asked.message.content, asked.origin, asked.ids, asked.version) == ("Hello", Origin.GIVEN, (), None)
    assert (acted.id, acted.message, acted.origin, acted.version) == (
        done.turn,
        done.message,
        Origin.ACTED,
        done.version,
    )
    assert len(acted.ids) == len(acted.logprobs) == done.completion_tokens == 4
    assert all(logprob < 0 for logprob in acted.logprobs)
    assert done.version == runtime.current().id
    # Bytes are tokens here: three markers, the two roles, a line break after each role and after the first message.
    assert done.prompt_tokens == 3 + len("user\nHello\nassistant\n")
    shown = "".join(event.text for event in heard.events if isinstance(event, Delta))
    assert shown == done.message.content


def test_the_recorded_log_probabilities_are_the_models_own(runtime: Runtime):
    """Before temperature, nucleus and grammar: those that scoring the text gives."""
    done = runtime.ask(chat("Hello", sampling=Sampling(temperature=1.5, max_tokens=6, seed=3, pattern="[a-z]{6}")))
    assert len(done.message.content) == 6
    scored = runtime.score([user("Hello")], done.message.content)
    assert len(scored) == 7, "six letters and the end of the turn"
    assert runtime.experience.turn(done.turn).logprobs[:6] == pytest.approx(scored[:6], abs=0.05)


def test_a_conversation_that_is_sent_whole_each_time_is_recorded_once(runtime: Runtime):
    messages: list[Message] = [Message(role="system", content="Be kind."), user("One")]
    for number in range(3):
        done = runtime.ask(chat(*messages, session="s"))
        messages += [done.message, user(f"Next {number}")]
    found = told(runtime, "s")
    assert [role for role, _, _ in found] == ["system", "user", "assistant", "user", "assistant", "user", "assistant"]
    assert [origin for _, _, origin in found] == ["given", "given", "acted", "given", "acted", "given", "acted"]
    assert [turn.index for turn in runtime.experience.turns("s")] == list(range(7))


def test_a_client_that_sends_only_what_is_new(runtime: Runtime):
    for text in ("One", "Two", "One"):
        runtime.ask(chat(text, session="s"))
    assert [(role, content) for role, content, _ in told(runtime, "s") if role == "user"] == [
        ("user", "One"),
        ("user", "Two"),
        ("user", "One"),
    ]


def test_a_client_that_leaves_out_old_turns_or_changes_its_instruction(runtime: Runtime):
    first = runtime.ask(chat(Message(role="system", content="It is 7:25."), "One", session="s"))
    second = runtime.ask(chat(Message(role="system", content="It is 7:26."), "One", first.message, "Two", session="s"))
    runtime.ask(chat(Message(role="system", content="It is 7:26."), second.message, "Three", session="s"))
    found = told(runtime, "s")
    assert [origin for role, _, origin in found if role == "assistant"] == ["acted"] * 3
    assert [content for role, content, _ in found if role != "assistant"] == [
        "It is 7:25.", "One", "It is 7:26.", "Two", "Three",
    ]  # fmt: skip


def test_a_question_asked_again_after_a_broken_connection_is_one_question(runtime: Runtime):
    """Recorded, but never answered, as after a kill."""
    runtime.ask(chat("One", session="s"))
    waiting = runtime._speaker  # pyright: ignore[reportPrivateUsage]
    waiting._append("s", [(user("Two"), Origin.GIVEN)])  # pyright: ignore[reportPrivateUsage]
    runtime.ask(chat("Two", session="s"))
    assert [content for role, content, _ in told(runtime, "s") if role == "user"] == ["One", "Two"]


def test_what_somebody_else_wrote_as_the_assistant_is_demonstrated(runtime: Runtime):
    corrected = Message(role="assistant", content="With Runa Hessel.")
    runtime.ask(chat("Who has the key?", corrected, "And now?", session="s"))
    assert told(runtime, "s")[1] == ("assistant", "With Runa Hessel.", "demonstrated")


def test_tool_results_are_observed(runtime: Runtime):
    call = Message(role="assistant", content="", tool_calls=(ToolCall(id="c", name="look", arguments="{}"),))
    runtime.ask(chat("Look!", call, Message(role="tool", content="a door", tool_call_id="c"), session="s"))
    assert told(runtime, "s")[2] == ("tool", "a door", "observed")


def test_requests_without_a_session_have_one_each(runtime: Runtime):
    first, second = runtime.ask(chat("One")), runtime.ask(chat("One"))
    assert first.session != second.session
    assert len(runtime.experience.sessions()) == 2


def test_a_session_belongs_to_its_author(runtime: Runtime):
    runtime.ask(chat("One", session="s", author="ann"))
    with pytest.raises(NotFound, match="'s' is not known for author 'bob'"):
        runtime.ask(chat("Two", session="s", author="bob"))
    with pytest.raises(NotFound):
        runtime.learn(lesson(), session="s", author="bob")
    assert len(told(runtime, "s")) == 2
    assert runtime.experience.lessons() == []


def test_two_replies_in_one_session_at_once_are_both_recorded(runtime: Runtime):
    heard = [Heard() for _ in range(6)]
    for number, one in enumerate(heard):
        runtime.chat(chat(f"Question {number}", session="s"), one)
    assert {one.finished().session for one in heard} == {"s"}
    turns = runtime.experience.turns("s")
    assert [turn.index for turn in turns] == list(range(12))
    assert {turn.id for turn in turns if turn.origin is Origin.ACTED} == {one.finished().turn for one in heard}


@pytest.mark.parametrize(
    ("request_", "error", "match"),
    [
        (chat("Hi", model="elm"), NotFound, "'elm': expected 'agent' or 'agent@VERSION'"),
        (chat("Hi", model="agent@nothing"), NotFound, "'nothing' is not known"),
        (chat("Hi", draw={"temperature": 9.0}), UserError, "temperature 9.0"),
        (chat("Hi", draw={"max_tokens": 0}), UserError, "max_tokens 0"),
        (chat("x" * 3000), UserError, "the context holds 2048"),
        (chat("Hi", tool_choice="look"), UserError, "tool_choice 'look'"),
        (chat("Hi", tool_choice="required"), UserError, "without tools"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_leaves_no_trace(
    runtime: Runtime, request_: object, error: type[Exception], match: str
):
    with pytest.raises(error, match=match):
        runtime.chat(request_, Heard())  # type: ignore[arg-type]
    assert runtime.experience.counts()["sessions"] == 0
    assert runtime.ask(chat("Hi")).finish in ("length", "stop")


def test_a_reply_gets_what_room_the_context_leaves(start: Callable[..., Runtime]):
    runtime = start(context=64)
    done = runtime.ask(chat("Hi", sampling=Sampling(max_tokens=500, temperature=0)))
    assert done.finish in ("length", "stop")
    assert done.prompt_tokens + done.completion_tokens <= 64


def test_too_many_at_once_are_told_to_come_again(start: Callable[..., Runtime]):
    runtime = start(max_waiting=2)
    held = [Heard(), Heard()]
    replies = [runtime.chat(chat("Hi", draw={"max_tokens": 1500}), one) for one in held]
    with pytest.raises(Overloaded, match="2 requests are under way"):
        runtime.chat(chat("Hi"), Heard())
    for reply in replies:
        reply.cancel()
    for one in held:
        one.end()
    assert runtime.ask(chat("Hi")).finish == "length"


def test_a_cancelled_reply_keeps_what_was_said(runtime: Runtime):
    heard, begun = Heard(), threading.Event()

    def listen(event: object) -> None:
        heard(event)  # type: ignore[arg-type]
        begun.set()

    reply = runtime.chat(chat("Hi", draw={"max_tokens": 1900}), listen)
    assert begun.wait(30)
    reply.cancel()
    done = heard.finished()
    assert done.finish == "cancelled"
    assert 1 <= done.completion_tokens < 1900
    assert runtime.experience.turn(done.turn).message.content == done.message.content
    assert runtime.health()["running"] == 0


def test_a_listener_that_breaks_harms_nobody_else(runtime: Runtime):
    other = Heard()
    runtime.chat(chat("Hi", draw={"max_tokens": 40, "temperature": 0.0}), other)
    events: list[object] = []

    def broken(event: object) -> None:
        events.append(event)
        raise RuntimeError("the connection is gone")

    runtime.chat(chat("Hi"), broken)
    assert other.finished().completion_tokens == 40
    assert runtime.ask(chat("Hi")).finish == "length"
    ends = [event for event in events if not isinstance(event, Delta)]
    assert len(ends) == 1, "the last event comes once, whatever its listener does"


def test_greedy_replies_and_seeds_repeat(runtime: Runtime):
    def content(**draw: object) -> str:
        return runtime.ask(chat(FACT, draw={"max_tokens": 12, **draw})).message.content

    assert content(temperature=0.0) == content(temperature=0.0, seed=99)
    assert content(seed=5) == content(seed=5)
    assert content(seed=5) != content(seed=6)


def test_closing_lets_a_reply_end_and_takes_no_other(start: Callable[..., Runtime]):
    runtime = start()
    heard = [Heard() for _ in range(4)]
    for one in heard:
        runtime.chat(chat("Hi", draw={"max_tokens": 30, "temperature": 0.0}), one)
    runtime.close()
    assert [one.finished().completion_tokens for one in heard] == [30] * 4
    with pytest.raises(Unavailable, match="shutting down"):
        runtime.chat(chat("Hi"), Heard())
    with pytest.raises(Unavailable):
        runtime.learn(lesson())
    runtime.close()
    with Experience(runtime.settings.home / "experience.db") as record:
        assert record.counts()["turns"] == 8


def test_health_tells_who_serves(runtime: Runtime):
    health = runtime.health()
    assert (health["agent"], health["prior"], health["learning"]) == ("agent", "scratch", None)
    assert health["version"] == runtime.current().id
    assert health["peak_memory_mib"] > 50
    assert health["waiting"] == health["running"] == 0
