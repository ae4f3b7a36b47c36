"""Who shows what: traces of those who may teach, trusted corrections in the place of what they correct."""

from __future__ import annotations

from dataclasses import replace

from lived import turn

from liveoak.priors import ChatTokenizer
from liveoak.priors.scratch import byte_tokenizer
from liveoak.records import Feedback, Message, Origin, Session, ToolCall
from liveoak.signals import Source, demonstrations, imitation, origins_of

ANN = Session(id="session_1", agent="oak", author="ann", created=0.0)
TURNS = [
    turn(0, "user", "two?", Origin.GIVEN),
    turn(1, "assistant", "three", Origin.ACTED, [1]),
    turn(2, "user", "four?", Origin.GIVEN),
    turn(3, "assistant", "4", Origin.DEMONSTRATED),
    turn(4, "user", "bye", Origin.GIVEN),
]


def correction(turn: str, text: str, author: str = "ben", created: float = 0.0, *, trusted: bool = True) -> Feedback:
    return Feedback(
        id=f"{turn}{created}", turn=turn, author=author, kind="correction", created=created, text=text, trusted=trusted
    )


def test_a_teachers_trace_shows_its_demonstrated_turns_alone():
    (found,) = demonstrations(ANN, TURNS, [], {"ann"})
    assert found.source == Source(author="ann", kind="trace")
    assert found.turns == ("turn_3",)
    assert [message.content for message in found.messages] == ["two?", "three", "four?", "4"]
    assert found.origins == (Origin.GIVEN, Origin.GIVEN, Origin.GIVEN, Origin.DEMONSTRATED)


def test_anybody_elses_conversation_shows_nothing():
    assert demonstrations(ANN, TURNS, [], {"ben"}) == ()
    assert demonstrations(ANN, TURNS[:3], [], {"ann"}) == ()


def test_a_correction_stands_in_the_turns_place():
    (found,) = demonstrations(ANN, TURNS, [correction("turn_1", "2")], set())
    assert found.source == Source(author="ben", kind="correction")
    assert found.turns == ("turn_1",)
    assert [message.content for message in found.messages] == ["two?", "2"]
    assert found.origins == (Origin.GIVEN, Origin.DEMONSTRATED)


def test_the_latest_trusted_correction_counts():
    feedback = [
        correction("turn_1", "2.0", created=3.0),
        correction("turn_1", "two", created=1.0),
        correction("turn_1", "nine", created=9.0, trusted=False),
        correction("turn_0", "three?"),
    ]
    (found,) = demonstrations(ANN, TURNS, feedback, set())
    assert found.messages[-1].content == "2.0"


def test_a_corrected_demonstration_is_not_imitated_as_it_was():
    (found,) = demonstrations(ANN, TURNS, [correction("turn_3", "four")], {"ann"})
    assert found.source.kind == "correction"
    assert found.messages[-1].content == "four"


def test_a_correction_of_a_call_is_a_reply_in_its_place():
    call = ToolCall(id="c", name="learn", arguments="{}")
    called = replace(TURNS[1], message=Message(role="assistant", content="", tool_calls=(call,)))
    (found,) = demonstrations(ANN, [TURNS[0], called], [correction("turn_1", "2")], set())
    assert found.messages[-1] == Message(role="assistant", content="2")


def test_what_a_tool_is_said_to_have_answered_is_context_unless_a_teacher_says_it():
    seen = [*TURNS[:2], turn(2, "tool", "a bear", Origin.OBSERVED), turn(3, "assistant", "4", Origin.DEMONSTRATED)]
    whole = [Origin.GIVEN, Origin.ACTED, Origin.OBSERVED, Origin.GIVEN]
    assert list(origins_of(ANN, seen, {"ann"})) == whole, "what was demonstrated is found apart, and counted once"
    assert list(origins_of(ANN, seen, {"ben"})) == [Origin.GIVEN, Origin.ACTED, Origin.GIVEN, Origin.GIVEN]
    for teachers, observed in (({"ann"}, Origin.OBSERVED), (set(), Origin.GIVEN)):
        *_, right = demonstrations(ANN, seen, [correction("turn_3", "four")], teachers)
        assert right.origins == (Origin.GIVEN, Origin.GIVEN, observed, Origin.DEMONSTRATED)


def test_what_is_shown_is_credited_and_nothing_else():
    tokenizer = ChatTokenizer(byte_tokenizer())
    for found, expected in zip(
        demonstrations(ANN, TURNS, [correction("turn_1", "2")], {"ann"}), ("4", "2"), strict=True
    ):
        chat = tokenizer.render(found.messages, origins=found.origins)
        credit = imitation(chat, 0.5)
        assert set(credit.weights) == {0.0, 0.5}
        assert tokenizer.decode([id for id, weight in zip(chat.ids, credit.weights, strict=True) if weight]) == expected
