"""Where a learner is held to the prior, and what that weighs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_priors import stirred, tiny_engine

from liveoak.engine import Decoder
from liveoak.learning.anchoring import A_STEP, Anchors
from liveoak.learning.general import replies
from liveoak.learning.objective import ANCHOR, REWARD, Example
from liveoak.learning.outer.credit import gradient_of
from liveoak.records import Message, ToolSpec

ACT = Example(signal=REWARD, ids=(5, 6, 7), wanted=(2,), credit=(1.0,), targets=(8,), sampled=(-2.0,))
TOOL = ToolSpec(name="look", description="Look.", parameters={"type": "object", "properties": {}})


def held(number: int) -> Example:
    return Example(signal=ANCHOR, ids=(number,), wanted=(0,), credit=(1.0,), teacher=torch.zeros(1, 4))


def test_a_step_holds_some_of_each_kind_one_after_the_other() -> None:
    engine = tiny_engine()
    few, many = [held(1), held(2), held(3)], [held(number) for number in range(10, 20)]
    anchors = Anchors(engine, few, [], many)
    assert A_STEP == 2
    steps = [[one.ids[0] for one in anchors.examples([], step)] for step in range(3)]
    assert steps == [[1, 2, 10, 11], [3, 1, 12, 13], [2, 3, 14, 15]]


def test_without_any_the_prior_is_held_where_the_agent_acted() -> None:
    engine = tiny_engine()
    (one,) = Anchors(engine).examples([ACT], 0)
    assert (one.signal, one.ids, one.wanted) == (ANCHOR, ACT.ids, ACT.wanted)


def test_how_a_reply_begins_counts_as_much_as_the_rest_of_it(tmp_path: Path) -> None:
    engine = tiny_engine()
    chats = [[Message(role="user", content=text)] for text in ("Hello!", "Who are you?")]
    drawn = replies(engine, Decoder(engine), tmp_path, chats, [TOOL])
    assert len(drawn) == 2
    for one, chat in zip(drawn, chats, strict=True):
        prompt = engine.tokenizer.render(chat, [TOOL], add_generation_prompt=True).ids
        assert one.ids[: len(prompt)] == prompt and one.wanted[0] == len(prompt) - 1
        assert (one.credit[0], set(one.credit[1:])) == (39.0, {1.0})


def test_the_acts_gradient_is_pulled_to_the_prior_by_the_anchors_weight(tmp_path: Path) -> None:
    engine = tiny_engine()
    slot = stirred(engine.bank)
    chats = [[Message(role="user", content="Hello!")]]
    anchors = list(replies(engine, Decoder(engine), tmp_path, chats, ()))
    bare = gradient_of(engine, slot, [ACT])
    one, two = (gradient_of(engine, slot, [ACT], anchors, weight) for weight in (1.0, 2.0))
    assert set(bare.losses) == {"reward"} and set(one.losses) == {"reward", "anchor"}
    assert one.losses["anchor"] == pytest.approx(two.losses["anchor"]) and one.losses["anchor"] > 0
    assert one.losses["reward"] == pytest.approx(bare.losses["reward"], rel=1e-4)
    assert one.credited == bare.credited, "what is held is not learned"
    pull = one.flat - bare.flat
    assert pull.norm() > 0
    torch.testing.assert_close(two.flat - bare.flat, 2 * pull, rtol=1e-3, atol=1e-5)
    fresh = engine.bank.new_slot(rank=4, seed=0)
    assert gradient_of(engine, fresh, [ACT], anchors, 1.0).losses["anchor"] == pytest.approx(0, abs=1e-4)
