"""Recorded turns along a rendered chat: what was sampled is found, what was forced or rewritten earns nothing."""

from __future__ import annotations

import pytest
from lived import episode, rendered, turn

from liveoak.errors import UserError
from liveoak.priors import ChatTokenizer
from liveoak.priors.scratch import byte_tokenizer
from liveoak.records import Feedback, Message, Origin, Span
from liveoak.signals import Acted, Episode, episode_of, rewards_of


def said(turn: str, value: float | None, author: str = "world", created: float = 0.0, **more: object) -> Feedback:
    fields = {"kind": "reward", "trusted": True, **more}
    return Feedback(id=f"{author}{created}", turn=turn, author=author, created=created, value=value, **fields)  # type: ignore[arg-type]


def test_the_reward_of_a_turn_is_what_each_trusted_author_said_last():
    feedback = [
        said("a", 0.5, created=2.0),
        said("a", -1.0, created=1.0),
        said("a", 1.0, author="ann"),
        said("b", 1.0, trusted=False),
        said("c", None, kind="comment", text="well done"),
        said("d", 0.0),
    ]
    assert rewards_of(feedback) == {"a": 0.75, "d": 0.0}


def test_turns_are_found_where_they_stand():
    chat = rendered("sgsaasossaa", ids=[9, 1, 9, 5, 6, 9, 2, 9, 9, 5, 6])
    turns = [
        turn(0, "user", "?", Origin.GIVEN),
        turn(1, "assistant", "!", Origin.ACTED, [5, 6]),
        turn(2, "tool", ".", Origin.OBSERVED),
        turn(3, "assistant", "!", Origin.ACTED, [5, 6]),
    ]
    found = episode_of("session_1", turns, chat, [said("turn_3", 1.0)])
    assert found.acted == (
        Acted(turn="turn_1", places=(3, 4), logprobs=(-0.5, -1.5), version="v1"),
        Acted(turn="turn_3", places=(9, 10), logprobs=(-0.5, -1.5), version="v1", reward=1.0),
    )
    assert found.astray == ()
    assert found.rewarded


def test_a_turn_that_the_template_writes_otherwise_goes_astray_alone():
    chat = rendered("sgsaasaa", ids=[9, 1, 9, 5, 7, 9, 5, 6])
    turns = [turn(1, "assistant", "!", Origin.ACTED, [5, 8]), turn(2, "assistant", "!", Origin.ACTED, [5, 6])]
    found = episode_of("session_1", turns, chat)
    assert found.astray == ("turn_1",)
    assert [acted.places for acted in found.acted] == [(6, 7)]
    assert not found.rewarded


def test_a_cut_off_turn_is_not_taken_for_the_same_words_of_somebody_else():
    # The user's 5 stands before the agent's; the token that ends the turn was written by the template.
    chat = rendered("sgsaa", ids=[9, 5, 9, 5, 0])
    found = episode_of("session_1", [turn(1, "assistant", "!", Origin.ACTED, [5])], chat)
    assert [acted.places for acted in found.acted] == [(3,)]
    assert episode_of("session_1", [turn(1, "assistant", "!", Origin.ACTED, [0])], chat).astray == ("turn_1",)


def test_forced_tokens_are_none_of_the_agents():
    spans = (
        Span(origin=Origin.SCAFFOLD, start=0, end=1),
        Span(origin=Origin.ACTED, start=1, end=3),
        Span(origin=Origin.SCAFFOLD, start=3, end=4),
    )
    spoken = turn(1, "assistant", "!", Origin.ACTED, [4, 5, 6, 7], spans)
    for text in ("sgsaaaa", "sgssaaa", "sgssaas"):  # whichever way the renderer counts them
        found = episode_of("session_1", [spoken], rendered(text, ids=[9, 1, 9, 4, 5, 6, 7]))
        assert [(acted.places, acted.logprobs) for acted in found.acted] == [((4, 5), (-1.5, -2.5))]
    forced = turn(1, "assistant", "!", Origin.ACTED, [4], (Span(origin=Origin.SCAFFOLD, start=0, end=1),))
    assert episode_of("session_1", [forced], rendered("sa", ids=[9, 4])).astray == ("turn_1",)


def test_a_real_chat_is_found_to_its_last_token():
    tokenizer = ChatTokenizer(byte_tokenizer())
    first = [Message(role="user", content="2+2?"), Message(role="assistant", content="4")]
    chat = [*first, Message(role="user", content="sure?"), Message(role="assistant", content="4")]
    stop = next(iter(tokenizer.stop_ids & set(tokenizer.render(chat).ids)))
    turns = [
        turn(index, message.role, message.content, Origin.ACTED if message.role == "assistant" else Origin.GIVEN,
             (*tokenizer.encode("4"), stop) if message.role == "assistant" else ())
        for index, message in enumerate(chat)
    ]  # fmt: skip
    found = episode_of("session_1", turns, tokenizer.render(chat))
    assert found.astray == ()
    assert [[found.rendered.ids[place] for place in acted.places] for acted in found.acted] == [
        [*tokenizer.encode("4"), stop]
    ] * 2


def test_an_episode_that_contradicts_itself_is_refused():
    chat = rendered("ssaa")
    wrong = [
        (Acted(turn="t", places=(3, 2), logprobs=(0.0, 0.0)), "expected them to ascend"),
        (Acted(turn="t", places=(2, 4), logprobs=(0.0, 0.0)), "it has 4 ids"),
        (Acted(turn="t", places=(2, 3), logprobs=(0.0,)), "2 sampled tokens and 1 log-probabilities"),
    ]
    for acted, message in wrong:
        with pytest.raises(UserError, match=message):
            Episode(id="e", rendered=chat, acted=(acted,))
    with pytest.raises(UserError, match="ascend"):
        Episode(id="e", rendered=chat, acted=episode("ssaa").acted * 2)
