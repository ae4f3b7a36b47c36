"""Snapshots: nothing is lost on the way to disk and back, and damage is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_priors import some_ids, stirred, tiny_engine, tiny_model

from liveoak.adapters import Bank, Slot, digest, load_snapshot, save_snapshot
from liveoak.engine import Engine
from liveoak.errors import Conflict, StorageError
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import Example
from liveoak.learning.update import Update


@pytest.fixture
def engine() -> Engine:
    return tiny_engine("llama")


def study(engine: Engine, slot: Slot, steps: range) -> None:
    update = Update(engine, slot, {}, AdamSettings())
    for step in steps:
        ids = some_ids(12, step)
        wanted = tuple(range(4, 11))
        targets = tuple(ids[place + 1] for place in wanted)
        update.step([Example(signal="imitation", ids=ids, wanted=wanted, credit=(1.0,) * 7, targets=targets)], 1e-2)


def same(a: Slot, b: Slot) -> bool:
    pairs = [(a.master, b.master), (a.weights, b.weights)]
    assert a.first_moment is not None and b.first_moment is not None
    assert a.second_moment is not None and b.second_moment is not None
    pairs += [(a.first_moment, b.first_moment), (a.second_moment, b.second_moment)]
    return a.steps == b.steps and a.scale == b.scale and all(torch.equal(x, y) for x, y in pairs)


def test_a_snapshot_brings_back_weights_moments_and_steps(engine: Engine, tmp_path: Path) -> None:
    slot = engine.bank.new_slot(rank=3, alpha=5.0, seed=4)
    study(engine, slot, range(3))
    save_snapshot(slot, tmp_path / "one")
    loaded = load_snapshot(engine.bank, tmp_path / "one")
    assert same(slot, loaded)
    assert digest(loaded) == digest(slot)
    served = load_snapshot(engine.bank, tmp_path / "one", optimizer=False)
    assert torch.equal(served.weights, slot.weights)
    assert served.first_moment is None
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_snapshot_tells_from_where_on_its_slot_changes_the_prior(engine: Engine, tmp_path: Path) -> None:
    plain, activated = engine.bank.new_slot(rank=3), engine.bank.new_slot(rank=3, invocation=(5, 6))
    upper = engine.bank.new_slot(rank=3, first=7)
    assert len({digest(slot) for slot in (plain, activated, upper)}) == 3
    for name, slot in (("plain", plain), ("activated", activated), ("upper", upper)):
        save_snapshot(slot, tmp_path / name)
        loaded = load_snapshot(engine.bank, tmp_path / name)
        assert loaded.invocation == slot.invocation == slot.fork().invocation
        assert loaded.first == slot.first and digest(loaded) == digest(slot)
    # As snapshots were written before there were any others: theirs change every token, and keep their names.
    assert not {"invocation", "first"} & json.loads((tmp_path / "plain" / "adapter.json").read_text()).keys()


def test_training_resumed_equals_training_uninterrupted_to_the_bit(engine: Engine, tmp_path: Path) -> None:
    whole = engine.bank.new_slot(rank=4, seed=1)
    study(engine, whole, range(6))
    first = engine.bank.new_slot(rank=4, seed=1)
    study(engine, first, range(3))
    save_snapshot(first, tmp_path / "half")
    other = tiny_engine("llama")
    resumed = load_snapshot(other.bank, tmp_path / "half")
    study(other, resumed, range(3, 6))
    assert same(whole, resumed)


def test_a_digest_is_stable_and_feels_every_part(engine: Engine) -> None:
    slot = engine.bank.new_slot(rank=2, seed=9)
    fresh = digest(slot)
    assert digest(engine.bank.new_slot(rank=2, seed=9)) == fresh
    assert digest(tiny_engine("llama").bank.new_slot(rank=2, seed=9)) == fresh
    seen = {fresh, digest(engine.bank.new_slot(rank=2, seed=8)), digest(engine.bank.new_slot(rank=2, alpha=1, seed=9))}
    slot.train()
    seen.add(digest(slot))
    slot.steps += 1
    seen.add(digest(slot))
    assert slot.second_moment is not None and slot.first_moment is not None
    for tensor in (slot.master, slot.first_moment, slot.second_moment):
        flat = tensor.view(-1).view(torch.int32)
        flat[-1] ^= 1  # the last bit of the last number
        seen.add(digest(slot))
    assert len(seen) == 8


def damage_cut(folder: Path) -> None:
    path = folder / "adapter.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def damage_flip(folder: Path) -> None:
    path = folder / "adapter.safetensors"
    content = bytearray(path.read_bytes())
    content[-50] ^= 0x10
    path.write_bytes(content)


def damage_header(folder: Path) -> None:
    (folder / "adapter.safetensors").write_bytes(b"nothing")


def damage_no_weights(folder: Path) -> None:
    (folder / "adapter.safetensors").unlink()


def damage_no_facts(folder: Path) -> None:
    (folder / "adapter.json").unlink()


def damage_facts(folder: Path) -> None:
    (folder / "adapter.json").write_text("{")


def damage_facts_kind(folder: Path) -> None:
    (folder / "adapter.json").write_text("[1]")


def damage_facts_part(folder: Path) -> None:
    facts: dict[str, Any] = json.loads((folder / "adapter.json").read_text())
    del facts["alpha"]
    (folder / "adapter.json").write_text(json.dumps(facts))


def damage_all(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    "damage",
    [
        damage_cut,
        damage_flip,
        damage_header,
        damage_no_weights,
        damage_no_facts,
        damage_facts,
        damage_facts_kind,
        damage_facts_part,
        damage_all,
    ],
)
@pytest.mark.parametrize("optimizer", [True, False])
def test_a_damaged_snapshot_is_told(engine: Engine, tmp_path: Path, damage: Any, optimizer: bool) -> None:
    slot = stirred(engine.bank)
    slot.train()
    save_snapshot(slot, tmp_path / "hurt")
    damage(tmp_path / "hurt")
    with pytest.raises(StorageError, match="hurt"):
        load_snapshot(engine.bank, tmp_path / "hurt", optimizer=optimizer)


@pytest.mark.parametrize("other", ["qwen3", "llama-tied", "mistral"])
def test_a_snapshot_over_other_layers_is_a_conflict(engine: Engine, tmp_path: Path, other: str) -> None:
    model = tiny_model(other)
    save_snapshot(stirred(Bank(model, model.get_output_embeddings())), tmp_path / "other")
    with pytest.raises(Conflict, match="another prior"):
        load_snapshot(engine.bank, tmp_path / "other")


def test_layers_of_one_size_in_another_order_are_a_conflict(engine: Engine, tmp_path: Path) -> None:
    save_snapshot(stirred(engine.bank), tmp_path / "mine")
    model = tiny_model("llama")
    for layer in model.model.layers:  # as many numbers, at other places
        layer.mlp.gate_proj, layer.mlp.down_proj = layer.mlp.down_proj, layer.mlp.gate_proj
    with pytest.raises(Conflict, match="another prior"):
        load_snapshot(Bank(model, model.get_output_embeddings()), tmp_path / "mine")


def test_a_snapshot_is_never_written_over(engine: Engine, tmp_path: Path) -> None:
    first, second = stirred(engine.bank, seed=1), stirred(engine.bank, seed=2)
    save_snapshot(first, tmp_path / "one")
    with pytest.raises(StorageError, match="exists"):
        save_snapshot(second, tmp_path / "one")
    assert digest(load_snapshot(engine.bank, tmp_path / "one")) == digest(first)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("when", ["safetensors", "facts", "sync", "rename"])
def test_a_full_disk_leaves_nothing_behind(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    slot = stirred(engine.bank)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    def half(_: Any, path: Path) -> None:
        path.write_bytes(b"half of it")
        full()

    with monkeypatch.context() as patch:
        match when:
            case "safetensors":
                patch.setattr("liveoak.adapters.snapshot.save_file", half)
            case "facts":
                patch.setattr(Path, "write_text", full)
            case "sync":
                patch.setattr(os, "fsync", full)
            case _:
                patch.setattr(Path, "rename", full)
        with pytest.raises(StorageError, match="free some space"):
            save_snapshot(slot, tmp_path / "home" / "one")
    assert list((tmp_path / "home").iterdir()) == []
    save_snapshot(slot, tmp_path / "home" / "one")
    assert digest(load_snapshot(engine.bank, tmp_path / "home" / "one")) == digest(slot)


def test_a_draft_left_by_a_crash_is_no_hindrance(engine: Engine, tmp_path: Path) -> None:
    slot = stirred(engine.bank)
    left = tmp_path / f".one.draft-{os.getpid()}"
    left.mkdir()
    (left / "adapter.safetensors").write_bytes(b"half")
    save_snapshot(slot, tmp_path / "one")
    assert digest(load_snapshot(engine.bank, tmp_path / "one")) == digest(slot)


def test_weights_are_on_disk_before_the_snapshot_has_its_name(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, rename = os.fsync, Path.rename

    def told_sync(handle: int) -> None:
        order.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        sync(handle)

    def told_rename(self: Path, target: Path) -> Path:
        order.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", told_sync)
    monkeypatch.setattr(Path, "rename", told_rename)
    save_snapshot(stirred(engine.bank), tmp_path / "one")
    draft = f".one.draft-{os.getpid()}"
    before = order[: order.index("rename")]
    assert sorted(before) == sorted([draft, "adapter.json", "adapter.safetensors"])
    assert before[-1] == draft
    assert order[order.index("rename") + 1 :] == [tmp_path.name]
