"""PEFT directories out and in: `peft` itself is the reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_priors import own_logits, some_ids, stirred, tiny_engine, tiny_model

from liveoak.adapters import Bank, Route, Slot, export_peft, import_peft
from liveoak.engine import Sequence
from liveoak.errors import Conflict, LiveoakError, StorageError, UserError

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
IDS = some_ids(14)


def banked(family: str) -> tuple[Any, Bank]:
    model = tiny_model(family)
    return model, Bank(model, model.get_output_embeddings())


def ours(model: Any, bank: Bank, slot: Slot) -> torch.Tensor:
    with bank.routed(Route([len(IDS)], [slot])):
        return own_logits(model, IDS)


def peft_made(folder: Path, family: str = "llama", **options: Any) -> torch.Tensor:
    """An adapter with random weights that `peft` wrote to `folder`; returns its logits."""
    torch.manual_seed(3)
    options = {"r": 5, "lora_alpha": 11, "target_modules": LINEARS, "task_type": "CAUSAL_LM", **options}
    model: Any = peft.get_peft_model(tiny_model(family), peft.LoraConfig(**options))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.eval().save_pretrained(folder)
    return own_logits(model, IDS)


@pytest.mark.parametrize("first", [0, 7])
@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3", "qwen3", "mistral"])
def test_peft_loads_what_we_write_and_says_the_same(family: str, first: int, tmp_path: Path) -> None:
    model, bank = banked(family)
    slot = stirred(bank, rank=6, alpha=9.0, first=first)
    export_peft(slot, tmp_path / "out", prior="some/prior")
    loaded = peft.PeftModel.from_pretrained(tiny_model(family), tmp_path / "out").eval()
    assert torch.allclose(own_logits(loaded, IDS), ours(model, bank, slot), atol=1e-4)
    assert not torch.allclose(own_logits(loaded, IDS), own_logits(tiny_model(family), IDS), atol=1e-2)
    assert loaded.peft_config["default"].base_model_name_or_path == "some/prior"
    adapted = [name for name, _ in loaded.named_modules() if name.endswith("lora_A")]
    assert len(adapted) == len(bank.layout.targets) - first, "the layers below are plain there too"


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma2"])
@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"r": 1}, {"target_modules": ["q_proj", "v_proj"]}])
def test_what_peft_wrote_says_the_same_here(family: str, options: dict[str, Any], tmp_path: Path) -> None:
    theirs = peft_made(tmp_path, family, **options)
    model, bank = banked(family)
    assert torch.allclose(ours(model, bank, import_peft(bank, tmp_path)), theirs, atol=1e-4)


def test_activated_adapters_go_both_ways(tmp_path: Path) -> None:
    """PEFT's own activated LoRA changes the tokens from the last invocation on, and so do we."""
    engine = tiny_engine("llama")
    opening = list(IDS[9:11])
    slot = stirred(engine.bank, rank=3, alpha=6.0)
    slot.invocation = tuple(opening)
    export_peft(slot, tmp_path / "out", prior="p")
    theirs = peft.PeftModel.from_pretrained(tiny_model("llama"), tmp_path / "out").eval()
    ids = torch.tensor([IDS])
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, 10:]
    back = import_peft(engine.bank, tmp_path / "out")
    assert back.invocation == slot.invocation and torch.equal(back.master, slot.master)
    wanted = tuple(range(10, len(IDS)))
    for one in (slot, back):
        found = engine.infer(lambda one=one: engine.logits([Sequence(ids=IDS, slot=one, wanted=wanted)]))
        assert torch.allclose(found, expected, atol=1e-4)


def test_targets_left_out_stay_the_prior(tmp_path: Path) -> None:
    peft_made(tmp_path, target_modules=["q_proj"], layers_to_transform=[1])
    _, bank = banked("llama")
    changed = [name for name, (_, b) in import_peft(bank, tmp_path).named_master().items() if b.count_nonzero()]
    assert changed == ["model.layers.1.self_attn.q_proj"]


def test_out_and_in_again_is_the_same_to_the_bit(tmp_path: Path) -> None:
    _, bank = banked("llama")
    for first in (0, 7):
        slot = stirred(bank, rank=3, alpha=4.5, first=first)
        export_peft(slot, tmp_path, prior="p")
        back = import_peft(bank, tmp_path)
        assert back.first == first and torch.equal(back.master, slot.master)
    assert (back.rank, back.alpha, back.scale, back.steps) == (3, 4.5, 1.5, 0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"alpha_pattern": {"q_proj": 2}}, "alpha_pattern"),
        ({"bias": "all"}, "bias"),
        ({"bias": "lora_only"}, "bias"),
        ({"lora_bias": True}, "lora_bias"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "layer_replication"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights"),
        ({"init_lora_weights": "olora"}, "init_lora_weights"),
    ],
)
def test_more_than_plain_lora_is_refused(options: dict[str, Any], named: str, tmp_path: Path) -> None:
    peft_made(tmp_path, **options)
    _, bank = banked("llama")
    with pytest.raises(UserError, match=named):
        import_peft(bank, tmp_path)


def test_other_kinds_of_adapter_are_refused(tmp_path: Path) -> None:
    model: Any = peft.get_peft_model(tiny_model("llama"), peft.IA3Config(task_type="CAUSAL_LM"))
    model.save_pretrained(tmp_path)
    _, bank = banked("llama")
    with pytest.raises(UserError, match="IA3"):
        import_peft(bank, tmp_path)


@pytest.mark.parametrize(
    ("family", "options", "named"),
    [
        ("llama", {"num_layers": 4}, "layers.3"),
        ("llama", {"target_modules": ["lm_head"]}, "lm_head"),
        ("llama", {"target_modules": ["embed_tokens"]}, "embed_tokens"),
        ("qwen3", {}, "expected"),
    ],
)
def test_layers_and_shapes_that_the_prior_has_not_are_a_conflict(
    family: str, options: dict[str, Any], named: str, tmp_path: Path
) -> None:
    options = dict(options)
    layers = options.pop("num_layers", 3)
    peft_made(tmp_path, family, **options)
    if layers == 4:
        rename(tmp_path, lambda key: key.replace("layers.2", "layers.3"))
    _, bank = banked("llama")
    with pytest.raises(Conflict, match=named):
        import_peft(bank, tmp_path)


def rename(folder: Path, change: Callable[[str], str]) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({change(key): tensor for key, tensor in load_file(path).items()}, path)


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value != "gone"}))


def damage_no_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def damage_no_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def damage_cut(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def damage_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{")


def damage_config_kind(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("[]")


def damage_no_rank(folder: Path) -> None:
    edit(folder, r="gone")


def damage_rank(folder: Path) -> None:
    edit(folder, r=0)


def damage_rank_kind(folder: Path) -> None:
    edit(folder, r="eight")


def damage_half_a_pair(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    save_file(
        {key: tensor for key, tensor in load_file(path).items() if "layers.1.mlp.up_proj.lora_B" not in key}, path
    )


def damage_no_tensors(folder: Path) -> None:
    save_file({}, folder / "adapter_model.safetensors")


def damage_not_a_number(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values()))[0, 0] = float("nan")
    save_file(tensors, path)


@pytest.mark.parametrize(
    "damage",
    [
        damage_no_config,
        damage_no_weights,
        damage_cut,
        damage_config,
        damage_config_kind,
        damage_no_rank,
        damage_rank,
        damage_rank_kind,
        damage_half_a_pair,
        damage_no_tensors,
        damage_not_a_number,
    ],
)
def test_a_damaged_directory_is_told(damage: Callable[[Path], None], tmp_path: Path) -> None:
    peft_made(tmp_path / "hurt")
    damage(tmp_path / "hurt")
    _, bank = banked("llama")
    with pytest.raises(LiveoakError, match="hurt") as caught:
        import_peft(bank, tmp_path / "hurt")
    assert isinstance(caught.value, StorageError)


@pytest.mark.parametrize("when", ["folder", "weights", "config"])
def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    name = {"folder": "mkdir", "config": "write_text"}.get(when)
    if name is None:
        monkeypatch.setattr("liveoak.adapters.peft_format.save_file", full)
    else:
        monkeypatch.setattr(Path, name, full)
    _, bank = banked("llama")
    with pytest.raises(StorageError, match="No space"):
        export_peft(stirred(bank), tmp_path / "out", prior="p")
    assert not (tmp_path / "out" / "adapter_config.json").exists()
