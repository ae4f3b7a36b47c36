"""The note tool: what is noted stands before the agent from then on, within bounds, for that session alone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from scripted_speech import Scripted
from small_life import LOOK, Heard, chat, user

from liveoak.errors import NotFound, UserError
from liveoak.records import Message, Note, Noted, Origin, ToolCall
from liveoak.runtime import Runtime
from liveoak.runtime.notes import with_notes
from liveoak.runtime.tools import NoteArguments, note_of


def call(**arguments: object) -> ToolCall:
    return ToolCall(id="c", name="note", arguments=json.dumps(arguments))


def note(text: str) -> Note:
    return Note(id=text, session="s", turn="t", text=text, tokens=1, created=0.0)


def prompt(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, *messages: Message | str, session: str = "s") -> str:
    """What the agent has before it."""
    with monkeypatch.context() as patch:
        script = Scripted(runtime, patch, "Yes.")
        runtime.ask(chat(*messages, session=session))
    return runtime._engine.tokenizer.decode(script.requests[0].ids)  # pyright: ignore[reportPrivateUsage]


def take_notes(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, *texts: str, session: str = "s") -> list[str]:
    """Have the agent note each of these, a request each; what it was answered."""
    for text in texts:
        with monkeypatch.context() as patch:
            Scripted(runtime, patch, json.dumps({"name": "note", "arguments": {"text": text}}))
            runtime.ask(chat("Remember.", session=session, tool_choice="note"))
    return [turn.message.content for turn in runtime.experience.turns(session) if turn.message.role == "tool"]


@pytest.mark.parametrize("arguments", ["no json", "{}", '{"text": ""}', '{"text": " \\n "}', '{"text": "a", "b": 1}'])
def test_arguments_that_are_no_note_are_told(arguments: str):
    with pytest.raises(UserError, match=r"^note: "):
        note_of(ToolCall(id="c", name="note", arguments=arguments))


def test_a_note_is_one_line():
    assert note_of(call(text=" Runa has\n\n the key. ")) == "Runa has the key."


def test_notes_end_the_system_message_or_make_one():
    notes = [note("One."), note("Two.")]
    text = "Your notes:\n- One.\n- Two."
    system = Message(role="system", content="Be brief.")
    assert with_notes([user("Hi")], notes) == [Message(role="system", content=text), user("Hi")]
    assert with_notes([system, user("Hi")], notes)[0].content == f"Be brief.\n\n{text}"
    assert with_notes([system, user("Hi")], []) == [system, user("Hi")]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_forced_note_is_kept_even_from_a_model_that_knows_nothing(runtime: Runtime, seed: int):
    heard = Heard()
    # Room for the longest text that the grammar allows, four bytes a letter.
    draw = {"max_tokens": 1200, "seed": seed, "temperature": 0.7}
    runtime.chat(chat("Remember: Runa has the key.", session="s", tool_choice="note", draw=draw), heard)
    done = heard.finished()
    assert done.finish == "tool_calls"
    (made,) = done.message.tool_calls
    assert NoteArguments.model_validate_json(made.arguments).text
    (told,) = [event for event in heard.events if isinstance(event, Noted)]
    assert told.call == made
    *_, acted, observed = runtime.experience.turns("s")
    assert (observed.origin, observed.message.tool_call_id) == (Origin.OBSERVED, made.id)
    if told.note is None:
        # Random letters may come to blanks alone, or to more bytes than there is room for.
        assert observed.message.content == f"nothing was noted: {told.error}"
        assert runtime.notes("s") == ()
    else:
        assert (told.note.turn, told.note.text) == (acted.id, note_of(made))
        assert runtime.notes("s") == (told.note,) == tuple(runtime.experience.notes("s"))
        assert json.loads(observed.message.content)["tokens"] == told.note.tokens


def test_what_is_noted_stands_in_the_prompt_of_its_session_alone(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
):
    runtime = start()
    before = prompt(runtime, monkeypatch, "Hi")
    (answer,) = take_notes(runtime, monkeypatch, "Runa has the key.")
    # "- Runa has the key.\n" by a tokenizer of bytes.
    assert json.loads(answer) == {"noted": True, "tokens": 20, "room": 256, "dropped": []}
    assert "Your notes:\n- Runa has the key.\n" not in before
    assert "system\nYour notes:\n- Runa has the key.\n" in prompt(runtime, monkeypatch, "Hi")
    assert "Your notes" not in prompt(runtime, monkeypatch, "Hi", session="t")
    recorded = [turn.message for turn in runtime.experience.turns("s")]
    assert not any(message.role == "system" for message in recorded), "the notes are no turn of anybody"
    runtime.close()
    again = start()
    assert [one.text for one in again.notes("s")] == ["Runa has the key."]
    assert "- Runa has the key.\n" in prompt(again, monkeypatch, "Hi")


def test_the_oldest_notes_make_room_and_the_agent_is_told(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
):
    runtime = start(max_note_tokens=40)  # "- one 345678\n" takes 13
    texts = [f"{name} 345678" for name in ("one", "two", "six", "ten")]
    answers = [json.loads(answer) for answer in take_notes(runtime, monkeypatch, *texts)]
    assert [answer["tokens"] for answer in answers] == [13, 26, 39, 39]
    assert [answer["dropped"] for answer in answers] == [[], [], [], ["one 345678"]]
    assert [one.text for one in runtime.notes("s")] == texts[1:]
    *_, answer = take_notes(runtime, monkeypatch, "x" * 30)
    assert json.loads(answer)["dropped"] == texts[1:]
    everything = runtime.experience.notes("s")
    assert [one.text for one in everything] == [*texts, "x" * 30]
    assert [one.dropped for one in everything] == [everything[3].id, *[everything[4].id] * 3, None]


def test_a_note_over_all_the_room_is_refused_and_a_repeated_one_is_one(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
):
    runtime = start(max_note_tokens=40)
    answers = take_notes(runtime, monkeypatch, "Runa has the key.", "y" * 38, "Runa has the key.")
    assert answers[1] == ("nothing was noted: note: text: it has 41 tokens, and all notes together have 40: shorten it")
    assert json.loads(answers[2]) == {"noted": True, "tokens": 20, "room": 40, "dropped": []}
    assert len(runtime.notes("s")) == 1


def test_notes_take_a_quarter_of_a_small_context_at_most(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
):
    runtime = start(context=400)
    assert json.loads(take_notes(runtime, monkeypatch, "Yes")[0])["room"] == 100


def test_the_agent_notes_within_a_reply_and_goes_on(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    one = json.dumps({"name": "note", "arguments": {"text": "Runa has the key."}})
    script = Scripted(runtime, monkeypatch, "Let me see. <tool_call>", one, "I wrote it down.")
    heard = Heard()
    runtime.chat(chat("Runa has the key.", session="s", tools=(LOOK,)), heard)
    assert heard.finished().message.content == "I wrote it down."
    assert [turn.origin.value for turn in runtime.experience.turns("s")] == ["given", "acted", "observed", "acted"]
    last = runtime._engine.tokenizer.decode(script.requests[-1].ids)  # pyright: ignore[reportPrivateUsage]
    assert "- Runa has the key.\n" in last
    assert '"noted": true' in last


def test_notes_are_their_authors_and_go_with_the_session(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    take_notes(runtime, monkeypatch, "Zanzibarium is secret.")
    with pytest.raises(NotFound):
        runtime.notes("s", author="bob")
    runtime.erase("s")
    with pytest.raises(NotFound, match="erased"):
        runtime.notes("s")
    home = runtime.settings.home
    left = [path for path in home.rglob("*") if path.is_file() and b"Zanzibarium" in path.read_bytes()]
    assert left == []
