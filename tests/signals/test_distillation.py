"""The agent that knows more teaches the agent that does not, token by token of the same reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lived import rendered, turn

from liveoak.errors import UserError
from liveoak.priors import ChatTokenizer
from liveoak.priors.scratch import byte_tokenizer
from liveoak.records import Feedback, Message, Origin, Version
from liveoak.signals import distillation, informed, reflection, teacher_of

CHAT = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="Hello"),
    Message(role="assistant", content="Hi"),
    Message(role="user", content="Who drops acorns?"),
)
REPLY = Message(role="assistant", content="Oaks")


def test_the_source_stands_before_the_last_question_of_the_teacher_alone():
    pair = informed(CHAT, REPLY, " Oaks drop acorns.\n")
    assert pair.student == (*CHAT, REPLY)
    assert pair.teacher[:3] == CHAT[:3]
    assert pair.teacher[3].content == "Oaks drop acorns.\n\nWho drops acorns?"
    assert pair.teacher[4:] == (REPLY,)


@pytest.mark.parametrize(
    ("messages", "reply", "more"),
    [(CHAT[:1], REPLY, "source"), (CHAT, CHAT[1], "source"), (CHAT, REPLY, " \n")],
)
def test_a_pair_without_question_reply_or_source_is_refused(messages: tuple[Message, ...], reply: Message, more: str):
    with pytest.raises(UserError, match="a pair needs"):
        informed(messages, reply, more)


def test_the_same_tokens_are_paired_in_both_chats():
    teacher = rendered("sgggsaas", ids=[9, 1, 2, 3, 9, 5, 6, 9])
    student = rendered("sgsaas", ids=[9, 3, 9, 5, 6, 9])
    found = distillation(teacher, student)
    assert found.credit.signal == "distillation"
    assert found.credit.weights == (0, 0, 0, 1, 1, 0)
    assert (found.teacher, found.student) == ((5, 6), (3, 4))


def test_tokens_that_the_source_does_not_change_are_left_out_of_both():
    teacher, student = rendered("ggaaa", ids=[1, 2, 5, 6, 7]), rendered("gaaa", ids=[2, 5, 6, 7])
    found = distillation(teacher, student, [0.5, 0.001, 0.01])
    assert found.credit.weights == (0, 1, 0, 1)
    assert (found.teacher, found.student) == ((2, 4), (1, 3))
    with pytest.raises(UserError, match="2 divergences for 3 tokens"):
        distillation(teacher, student, [0.5, 0.5])


def test_earlier_replies_are_not_distilled_and_forced_tokens_are_not_either():
    chat = rendered("gsaagsasd", ids=[1, 9, 5, 6, 1, 9, 7, 9, 8])
    found = distillation(chat, chat)
    assert found.student == (6, 8)


def test_another_reply_is_refused():
    with pytest.raises(UserError, match="expected the same tokens"):
        distillation(rendered("gaa", ids=[1, 5, 6]), rendered("gaa", ids=[1, 5, 7]))
    with pytest.raises(UserError, match="expected the same tokens"):
        distillation(rendered("gg"), rendered("g"))


@given(st.text("goa", max_size=12), st.text("goa", max_size=12), st.integers(1, 5))
def test_whatever_was_said_before_the_replies_pair_up(above: str, below: str, length: int):
    reply = list(range(100, 100 + length))
    teacher = rendered(above + "g" + "a" * length, [*range(len(above) + 1), *reply])
    student = rendered(below + "g" + "a" * length, [*range(len(below) + 1), *reply])
    found = distillation(teacher, student)
    assert [teacher.ids[place] for place in found.teacher] == reply
    assert [student.ids[place] for place in found.student] == reply
    assert [place for place, weight in enumerate(found.credit.weights) if weight] == list(found.student)


def test_a_real_pair_is_rendered_into_the_same_reply():
    tokenizer = ChatTokenizer(byte_tokenizer())
    pair = informed(CHAT, REPLY, "Oaks drop acorns.")
    found = distillation(tokenizer.render(pair.teacher), tokenizer.render(pair.student))
    chat = tokenizer.render(pair.student)
    assert tokenizer.decode([chat.ids[place] for place in found.student]) == "Oaks"
    assert len(found.teacher) == len(found.student) == len("Oaks") + 1


def test_a_teacher_may_read_what_became_of_an_earlier_try():
    tried = turn(1, "assistant", "Pines", Origin.ACTED, [1])

    def said(kind: str, **more: object) -> Feedback:
        fields = {"id": kind, "turn": "turn_1", "author": "ann", "created": 0.0, "trusted": True, **more}
        return Feedback(kind=kind, **fields)  # type: ignore[arg-type]

    feedback = [
        said("reward", value=-1.0),
        said("comment", text="Think of squirrels."),
        said("comment", text="All trees do.", trusted=False),
        said("comment", text="Of another turn.", turn="turn_9"),
        said("correction", text="Oaks"),
    ]
    assert reflection(tried, feedback) == (
        "An earlier reply: Pines\nRewarded with -1.00, from -1 to 1.\nSaid of it: Think of squirrels.\nBetter: Oaks"
    )
    assert reflection(tried, feedback[2:4]) is None


def versions(count: int) -> list[Version]:
    return [
        Version(id=f"v{n}", agent="oak", parent=f"v{n - 1}" if n else None, session=None, created=float(n), prior="p")
        for n in range(count)
    ]


def test_a_frozen_teacher_is_the_prior_and_a_slow_one_moves_in_steps():
    assert teacher_of(versions(9)) is None
    assert teacher_of([], every=4) is None
    taught_by = [teacher_of(versions(count), every=4) for count in range(1, 10)]
    assert [version.id for version in taught_by if version] == ["v0"] * 4 + ["v4"] * 4 + ["v8"]
    with pytest.raises(UserError, match="follows its student"):
        teacher_of(versions(2), every=1)
