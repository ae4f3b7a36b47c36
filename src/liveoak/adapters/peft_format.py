"""Adapters as PEFT directories, so that what was learned here runs in vLLM or transformers, and the other way.

Source: PEFT's checkpoint format: `adapter_config.json` beside `adapter_model.safetensors`, whose keys are
`base_model.model.<module>.lora_A.weight` (R, inputs) and `lora_B.weight` (outputs, R).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from liveoak.adapters.bank import Bank
from liveoak.adapters.slots import Slot
from liveoak.errors import Conflict, StorageError, UserError

_PREFIX = "base_model.model."


def export_peft(slot: Slot, folder: Path, *, prior: str) -> None:
    """Write the slot's weights (not its optimizer state) for PEFT; `prior` is noted as the base model."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, (a, b) in slot.named_master().items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = a.detach().cpu().contiguous().clone()
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = b.detach().cpu().contiguous().clone()
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": prior,
        "r": slot.rank,
        "lora_alpha": slot.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted({name.rpartition(".")[2] for name in slot.named_master()}),
    }
    try:
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise StorageError(f"adapter not written to {str(folder)!r}: {error}") from None


def import_peft(bank: Bank, folder: Path) -> Slot:
    """A slot with the weights of a PEFT directory. Targets that it does not change stay as the prior.

    Raises:
        StorageError: missing or damaged files.
        UserError: a kind of adapter that is more than a plain LoRA.
        Conflict: layers or shapes that this prior does not have.
    """
    try:
        config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "adapter_model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise StorageError(f"PEFT adapter in {str(folder)!r} cannot be read: {error}") from None
    _refuse_other_kinds(config)
    rank = int(config["r"])
    alpha = float(config["lora_alpha"])
    if config.get("use_rslora"):
        alpha *= rank**0.5
    slot = bank.new_slot(rank=rank, alpha=alpha)
    slot.master.zero_()
    pairs = slot.named_master()
    for key, tensor in tensors.items():
        name, _, which = key.removeprefix(_PREFIX).removesuffix(".weight").rpartition(".")
        if name not in pairs or which not in ("lora_A", "lora_B"):
            raise Conflict(f"PEFT adapter has {key!r}, which this prior has no linear layer for")
        place = pairs[name][0 if which == "lora_A" else 1]
        if place.shape != tensor.shape:
            raise Conflict(f"PEFT adapter's {key!r} is {tuple(tensor.shape)}, expected {tuple(place.shape)}")
        place.copy_(tensor)
    slot.publish()
    return slot


def _refuse_other_kinds(config: dict[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise UserError(f"peft_type {config.get('peft_type')!r}: only LORA adapters can be imported")
    for key in ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "fan_in_fan_out"):
        if config.get(key):
            raise UserError(f"PEFT adapter with {key} = {config[key]!r}: only plain LoRA can be imported")
    if config.get("bias", "none") != "none":
        raise UserError(f"PEFT adapter with bias = {config['bias']!r}: only adapters without biases can be imported")
