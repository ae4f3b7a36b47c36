"""What is to stay: drawn once, kept, and pulling nowhere while nothing has changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from liveoak.engine import Decoder, Engine
from liveoak.gate.probes import PROMPTS as GATE_PROMPTS
from liveoak.learning.general import FREE_TEXTS, PROMPTS, anchors, ground
from liveoak.learning.objective import ANCHOR, losses
from liveoak.learning.slices import share_beginning
from liveoak.priors import load_prior


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


def test_the_ground_is_the_priors_own_words_drawn_once(engine: Engine, tmp_path: Path):
    known = ground(engine, Decoder(engine), tmp_path)
    assert len(known.sequences) == len(PROMPTS) + FREE_TEXTS
    for ids, wanted in known.sequences:
        assert wanted == tuple(range(wanted[0], len(ids))), "every place from the end of the prompt on"
    again = ground(engine, Decoder(engine), tmp_path / "elsewhere")
    assert again == known, "the same words everywhere"
    (kept,) = (tmp_path / "ground").iterdir()
    short = json.loads(kept.read_text())[:3]
    kept.write_text(json.dumps(short))
    assert len(ground(engine, Decoder(engine), tmp_path).sequences) == 3, "what is kept is used"


@pytest.mark.parametrize("damage", ["", "[[1", "{}", '[["a", [0]]]', "[[[1, 2], [5]]]"])
def test_a_damaged_ground_is_drawn_again(engine: Engine, tmp_path: Path, damage: str):
    known = ground(engine, Decoder(engine), tmp_path)
    (kept,) = (tmp_path / "ground").iterdir()
    kept.write_text(damage)
    assert ground(engine, Decoder(engine), tmp_path) == known


def test_the_priors_teacher_is_the_prior(engine: Engine, tmp_path: Path):
    examples = anchors(engine, ground(engine, Decoder(engine), tmp_path))
    assert {one.signal for one in examples} == {ANCHOR}
    batch = share_beginning(examples[:4], None)
    with torch.inference_mode():
        sums = losses(examples[:4], engine.logits(batch))
    places = sum(len(one.wanted) for one in examples[:4])
    assert float(sums[ANCHOR]) / places == pytest.approx(0, abs=1e-4)


def test_the_gate_does_not_ask_what_the_lesson_was_anchored_on():
    assert not set(PROMPTS) & set(GATE_PROMPTS)
    assert len(set(PROMPTS)) == len(PROMPTS) and len(set(GATE_PROMPTS)) == len(GATE_PROMPTS)
