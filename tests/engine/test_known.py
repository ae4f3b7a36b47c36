"""What the prior says of fixed texts: computed once, kept, and computed again where the disk cannot be believed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from liveoak.engine import Decoder, Engine, Known, Request
from liveoak.errors import StorageError
from liveoak.priors import load_prior
from liveoak.records import Sampling


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


class Counted:
    """Makes the same tensors each time, and counts how often."""

    def __init__(self, kind: torch.dtype = torch.float32) -> None:
        self.times, self.kind = 0, kind

    def __call__(self) -> dict[str, Tensor]:
        self.times += 1
        return {"a": torch.arange(6.0).view(2, 3).to(self.kind), "b": torch.tensor([7])}


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_what_is_kept_is_not_computed_again(engine: Engine, tmp_path: Path, kind: torch.dtype):
    make = Counted(kind)
    first = Known(engine, tmp_path).get("x", "this", make)
    again = Known(engine, tmp_path).get("x", "this", make)
    assert make.times == 1 and again.keys() == first.keys()
    assert all(torch.equal(again[name], first[name]) and again[name].dtype == first[name].dtype for name in first)
    Known(engine, tmp_path).get("x", "that", make)
    assert make.times == 2, "made of something else"
    assert len(list((tmp_path / "known").iterdir())) == 2, "no drafts are left"


def test_without_a_cache_nothing_is_kept(engine: Engine):
    make, known = Counted(), Known(engine, None)
    known.get("x", "this", make)
    known.get("x", "this", make)
    assert make.times == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "other"])
def test_what_is_damaged_is_computed_again(engine: Engine, tmp_path: Path, damage: str):
    make, known = Counted(), Known(engine, tmp_path)
    whole = known.get("x", "this", make)
    (kept,) = (tmp_path / "known").iterdir()
    content = kept.read_bytes()
    if damage == "other":
        save_file({**load_file(kept), "b": torch.tensor([8])}, kept)
    else:
        kept.write_bytes({"empty": b"", "cut": content[:-3], "bit": content[:-1] + b"\x01"}[damage])
    again = known.get("x", "this", make)
    assert make.times == 2 and torch.equal(again["b"], whole["b"])
    known.get("x", "this", make)
    assert make.times == 2, "mended on disk"


def test_a_cache_that_cannot_be_written_is_said(engine: Engine, tmp_path: Path):
    (tmp_path / "known").write_text("in the way")
    with pytest.raises(StorageError, match="--cache"):
        Known(engine, tmp_path).get("x", "this", Counted())


def test_said_has_the_states_that_the_head_makes_the_priors_logits_of(engine: Engine, tmp_path: Path):
    requests = [
        Request(ids=engine.tokenizer.encode(text), slot=None, sampling=Sampling(temperature=1, seed=seed, max_tokens=5))
        for seed, text in enumerate(("One ", "Two and "))
    ]
    said = Known(engine, tmp_path).said("x", Decoder(engine), requests)
    again = Known(engine, tmp_path).said("x", Decoder(engine), requests)
    for request, one, other in zip(requests, said, again, strict=True):
        ids = one.sequence.ids
        assert ids[: len(request.ids)] == request.ids and one.sequence == other.sequence
        assert one.sequence.wanted == tuple(range(len(request.ids) - 1, len(ids)))
        with torch.inference_mode():
            torch.testing.assert_close(engine.head(other.states), engine.logits([one.sequence]))
