"""The agent that knows more teaches the agent that does not, token by token of the same reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lived import rendered, turn

from liveoak.errors import UserError
from liveoak.priors import ChatTokenizer
from liveoak.priors.scratch import byte_tokenizer
from liveoak.records import Feedback, Message, Origin
from liveoak.signals import Try, distillation, informed, reflection, teacher_of, tries

MORE = (71, 72, 73)


def test_the_source_stands_before_the_question_of_the_first_reply():
    chat = rendered("sggsosaasosaas")
    found = informed(chat, MORE)
    assert found.ids == (0, 1, 2, 3, *MORE, *range(4, 14))
    assert found.spans == rendered("sggsgggosaasosaas").spans[:3] + found.spans[3:]
    assert [(span.origin, span.start, span.end) for span in found.spans[3:6]] == [
        (Origin.GIVEN, 4, 7),
        (Origin.OBSERVED, 7, 8),
        (Origin.SCAFFOLD, 8, 9),
    ]
    assert found.spans[-1].end == len(found.ids) == len(chat.ids) + len(MORE)


@pytest.mark.parametrize(("chat", "more"), [("sgg", MORE), ("saago", MORE), ("gsaa", ())])
def test_a_chat_without_reply_or_question_and_an_empty_source_are_refused(chat: str, more: tuple[int, ...]):
    with pytest.raises(UserError, match="a teacher needs"):
        informed(rendered(chat), more)


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


def test_all_replies_are_distilled_but_forced_and_demonstrated_tokens_are_not():
    chat = rendered("gsaagsasagd", ids=[1, 9, 5, 6, 1, 9, 7, 9, 8, 1, 4])
    assert distillation(chat, chat).student == (2, 3, 6, 8)


def test_another_reply_is_refused():
    with pytest.raises(UserError, match="expected the same tokens"):
        distillation(rendered("gaa", ids=[1, 5, 6]), rendered("gaa", ids=[1, 5, 7]))
    with pytest.raises(UserError, match="expected the same tokens"):
        distillation(rendered("gg"), rendered("g"))


@given(st.text("gos", max_size=8), st.text("goasd", max_size=12), st.lists(st.integers(100, 200), min_size=1))
def test_whoever_is_informed_reads_the_same_replies(before: str, after: str, more: list[int]):
    chat = rendered(before + "g" + "a" + after)
    teacher = informed(chat, more)
    found = distillation(teacher, chat)
    acted = [place for place, letter in enumerate(before + "ga" + after) if letter == "a"]
    assert list(found.student) == acted
    assert [teacher.ids[place] for place in found.teacher] == acted, "a token of `rendered` is its own place"
    assert [place for place, weight in enumerate(found.credit.weights) if weight] == acted
    assert {above - below for above, below in zip(found.teacher, found.student, strict=True)} == {len(more)}


def test_a_real_chat_is_informed_within_the_question():
    tokenizer = ChatTokenizer(byte_tokenizer())
    messages = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Who drops acorns?"),
        Message(role="assistant", content="Oaks"),
    ]
    chat = tokenizer.render(messages)
    teacher = informed(chat, tokenizer.encode("Oaks drop acorns.\n\n"))
    asked = Message(role="user", content="Oaks drop acorns.\n\nWho drops acorns?")
    assert teacher.ids == tokenizer.render([messages[0], asked, messages[2]]).ids
    found = distillation(teacher, chat)
    assert tokenizer.decode([chat.ids[place] for place in found.student]) == "Oaks"
    assert len(found.teacher) == len(found.student) == len("Oaks") + 1


def test_a_teacher_may_read_what_became_of_earlier_tries():
    tried = [turn(1, "assistant", "Pines", Origin.ACTED, [1]), turn(3, "assistant", "Firs", Origin.ACTED, [1])]

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
    first = "An earlier reply: Pines\nRewarded with -1.00, from -1 to 1.\nSaid of it: Think of squirrels.\nBetter: Oaks"
    assert reflection(tries(tried, feedback)) == first
    assert tries(tried, feedback[2:4]) == ()
    assert reflection(()) == ""
    second = Try(reply="Firs", reward=0.0)
    assert reflection((*tries(tried, feedback), second)) == (
        f"{first}\nAn earlier reply: Firs\nRewarded with +0.00, from -1 to 1."
    )


def test_a_frozen_teacher_is_the_first_and_a_slow_one_moves_in_steps():
    assert [teacher_of(newest) for newest in (0, 1, 9)] == [0, 0, 0]
    assert [teacher_of(newest, every=4) for newest in range(9)] == [0] * 4 + [4] * 4 + [8]
    with pytest.raises(UserError, match="follows its student"):
        teacher_of(2, every=1)
