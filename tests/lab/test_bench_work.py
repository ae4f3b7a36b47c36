"""What the sides do, in this process and on the prior without weights: the same work, counted alike."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from liveoak.errors import Unavailable, UserError
from liveoak.lab.bench import jobs
from liveoak.lab.bench.ceilings import Machine
from liveoak.lab.bench.metrics import GROUPS
from liveoak.lab.bench.ours import Ours
from liveoak.lab.bench.peers import found, llama
from liveoak.lab.bench.peers.lora import Lora
from liveoak.lab.bench.peers.plain import Continuous, Generate
from liveoak.lab.bench.peers.seal import make

SETUP = jobs.Setup(prior="scratch", cache="~/.cache/liveoak", dtype="float32", device="cpu", threads=1)
LESSON = (tuple(range(40, 52)), tuple(range(60, 67)), tuple(range(80, 95)))
PROMPTS = (tuple(range(30, 50)), tuple(range(60, 66)), tuple(range(70, 101)))


@pytest.fixture(scope="module")
def ours() -> Ours:
    return Ours(SETUP)


def test_the_model_is_counted_as_it_is(ours: Ours):
    shape = ours.describe(jobs.Nothing())
    # Four layers of width 128: q and o 128 x 128, k and v 128 x 64, gate, up and down 128 x 512; 259 tokens.
    linear = 4 * (2 * 128 * 128 + 2 * 128 * 64 + 3 * 128 * 512)
    assert (shape.linear, shape.head, shape.layers, shape.attention_width) == (linear, 259 * 128, 4, 128)
    assert shape.adapter_per_rank == 4 * (2 * 256 + 2 * 192 + 3 * 640)
    # The embedding makes the logits too, so that it is read; norms are two a layer and one at the end, and their ones
    # are held by two bytes each.
    assert shape.weight_bytes == 4 * (linear + 259 * 128) + 2 * 9 * 128
    assert set(shape.linears) == {(128, 128), (128, 64), (128, 512), (512, 128)}


def test_lines_end_and_prompts_ask_for_a_reply(ours: Ours):
    made = ours.tokenise(jobs.Texts(lines=("ab",), chats=("hi",)))
    assert made.lines[0][:2] == (97, 98) and len(made.lines[0]) == 3
    assert made.chats[0][-len(b"assistant\n") :] == tuple(b"assistant\n")


@pytest.mark.parametrize("side", [Generate, Continuous, "ours", "mixed", Lora])
def test_replies_have_exactly_as_many_tokens_as_asked_for(side: object, ours: Ours):
    makers = {"ours": lambda: ours, "mixed": lambda: ours}
    made = makers[side]() if isinstance(side, str) else side(SETUP)  # type: ignore[operator]
    adapters = 2 if side in ("mixed", Lora) else 0
    decoded = made.decode(jobs.DecodeJob(prompts=PROMPTS, tokens=9, adapters=adapters, rank=4))
    assert [len(times) for times in decoded.times] == [9, 9, 9]
    for times in decoded.times:
        assert list(times) == sorted(times) and times[0] > 0


def test_every_layout_of_peft_learns_the_same():
    side = Lora(SETUP)
    # Loading the model draws numbers too.
    side.train(jobs.TrainJob(lessons=(LESSON,), passes=1, rank=4))
    found: dict[str, float] = {}
    for way in side.ways(jobs.Nothing()).ways:
        torch.manual_seed(0)
        done = side.train(jobs.TrainJob(lessons=(LESSON,), passes=6, rank=4, way=way, evaluate=True))
        assert done.loss is not None
        found[way] = done.loss
    assert len(found) == 12
    assert max(found.values()) - min(found.values()) < 1e-4
    assert max(found.values()) < math.log(259) - 0.05
    with pytest.raises(UserError, match="way 'sideways'"):
        side.train(jobs.TrainJob(lessons=(LESSON,), passes=1, way="sideways"))


def test_padding_changes_no_loss_of_seals_inner_loop():
    side, losses = make(SETUP), list[float]()
    side.train(jobs.TrainJob(lessons=(LESSON,), passes=1, rank=4))
    for width in (0, 200):
        torch.manual_seed(0)
        job = jobs.TrainJob(
            lessons=(LESSON,), passes=3, by="line", rank=4, decay=True, way="single, f32", pad_to=width, evaluate=True
        )
        loss = side.train(job).loss
        assert loss is not None
        losses.append(loss)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    trained = {name.split(".")[-4] for name, w in side._model.named_parameters() if w.requires_grad}
    assert trained == {"q_proj", "v_proj"}


@pytest.mark.parametrize("by", ["lesson", "line"])
def test_our_side_learns_as_peft_does(ours: Ours, by: str):
    torch.manual_seed(0)
    job = jobs.TrainJob(lessons=(LESSON, LESSON[:2]), passes=12, by=by, rank=8, rate=3e-3, evaluate=True)  # type: ignore[arg-type]
    mine, theirs = ours.train(job).loss, Lora(SETUP).train(job.model_copy(update={"way": "single, f32"})).loss
    assert mine is not None and theirs is not None
    # Initial weights differ, so that the curves are close and not equal.
    assert mine < math.log(259) - 0.3
    assert mine == pytest.approx(theirs, rel=0.15)


def test_replies_and_training_go_on_together(ours: Ours):
    job = jobs.TogetherJob(prompts=PROMPTS[:1], lesson=LESSON, seconds=0.3, rank=4)
    done = ours.together(job)
    assert len(done.gaps_alone) >= 31 and len(done.gaps_learning) >= 31
    assert min(done.replies_alone, done.replies_learning, done.train_alone, done.train_serving) > 0


@pytest.mark.parametrize("kind", ["train", "decode"])
def test_a_profile_shares_out_all_of_the_time(ours: Ours, kind: str):
    train = jobs.TrainJob(lessons=(LESSON,), passes=2, rank=4)
    decode = jobs.DecodeJob(prompts=PROMPTS, tokens=6, adapters=3, rank=4)
    job = jobs.ProfileJob(train=train) if kind == "train" else jobs.ProfileJob(decode=decode)
    found = ours.profile(job)
    assert set(found.shares) == set(GROUPS)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert min(found.shares[group] for group in ("linear", "adapters", "head_loss", "elementwise")) > 0
    assert found.shares["optimizer"] > 0 if kind == "train" else found.shares["optimizer"] == 0


def test_a_soak_replies_cancels_and_learns(ours: Ours):
    done = ours.soak(jobs.SoakJob(minutes=0.05, prompts=PROMPTS, lessons=(LESSON,)))
    assert (done.errors, done.first_error) == (0, "")
    assert done.replies > 0 and done.lessons > 0
    assert len(done.samples) > 20 and all(mib > 50 for _, mib in done.samples)


def test_ceilings_are_positive_and_a_read_is_at_least_as_fast_as_a_product(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("liveoak.lab.bench.ceilings._BUFFER_MIB", {"cpu": 16})
    measured = Machine(SETUP).measure(jobs.MeasureJob(seconds=0.02))
    found = measured.ceilings
    assert (measured.device, measured.rated_bf16) == ("cpu", None)
    assert found.read_gb >= max(found.gemv_bf16_gb, found.gemv_f32_gb) > 0
    assert min(found.matmul_bf16, found.matmul_f32, found.copy_gb) > 0


def test_what_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(Unavailable, match=r"no-such-thing is not installed .*docs/bench\.md"):
        found.need("no_such_thing", package="no-such-thing")
    with pytest.raises(Unavailable, match="prior 'scratch' is not made from a GGUF file"):
        llama._file("scratch", tmp_path)
    assert llama._file("gguf:/some/file.gguf", tmp_path) == Path("/some/file.gguf")
    with pytest.raises(Unavailable, match="takes no adapters"):
        Continuous(SETUP).decode(jobs.DecodeJob(prompts=PROMPTS, tokens=2, adapters=2))
