"""What is to stay: drawn once, kept, and pulling nowhere while nothing has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from liveoak.engine import Decoder, Engine
from liveoak.gate.probes import PROMPTS as GATE_PROMPTS
from liveoak.learning.general import FREE_TEXTS, PART, PROMPTS, anchors
from liveoak.learning.objective import ANCHOR, losses
from liveoak.learning.slices import share_beginning
from liveoak.priors import load_prior


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


def test_anchors_are_the_priors_own_words_drawn_part_by_part(engine: Engine, tmp_path: Path):
    held = anchors(engine, Decoder(engine), tmp_path)
    assert len(held) == len(PROMPTS) + FREE_TEXTS and len(held) % PART == 0
    first = held[0]
    assert len(list((tmp_path / "known").iterdir())) == 1, "a lesson that takes few does not wait for all"
    whole = held[:]
    assert whole[0].ids == first.ids and len({one.ids for one in whole}) > len(PROMPTS)
    for one in whole:
        assert one.wanted == tuple(range(one.wanted[0], len(one.ids))), "every place from the end of the prompt on"
    replies = [place for place, one in enumerate(whole) if one.wanted[0] > 0]
    assert len(replies) == len(PROMPTS) and replies[1] - replies[0] == replies[-1] - replies[-2], "of both kinds early"
    again = anchors(engine, Decoder(engine), tmp_path / "elsewhere")
    assert [one.ids for one in again] == [one.ids for one in whole], "the same words everywhere"


def test_the_priors_teacher_is_the_prior(engine: Engine, tmp_path: Path):
    examples = anchors(engine, Decoder(engine), tmp_path)
    some = examples[:4]
    assert {one.signal for one in some} == {ANCHOR}
    with torch.inference_mode():
        sums = losses(some, engine.logits(share_beginning(some, None)))
    places = sum(len(one.wanted) for one in some)
    assert float(sums[ANCHOR]) / places == pytest.approx(0, abs=1e-4)


def test_the_gate_does_not_ask_what_the_lesson_was_anchored_on():
    assert not set(PROMPTS) & set(GATE_PROMPTS)
    assert len(set(PROMPTS)) == len(PROMPTS) and len(set(GATE_PROMPTS)) == len(GATE_PROMPTS)
