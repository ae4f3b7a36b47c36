"""Adapters as PEFT directories, so that what was learned here runs in vLLM or transformers, and the other way.

Source: PEFT's checkpoint format: `adapter_config.json` beside `adapter_model.safetensors`, whose keys are
`base_model.model.<module>.lora_A.weight` (R, inputs) and `lora_B.weight` (outputs, R).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from liveoak.adapters.bank import Bank
from liveoak.adapters.slots import Slot, layer_of
from liveoak.errors import Conflict, StorageError, UserError

WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_PLAIN = frozenset(
    "task_type peft_type auto_mapping peft_version base_model_name_or_path revision inference_mode r target_modules "
    "exclude_modules lora_alpha lora_dropout use_rslora layers_to_transform layers_pattern megatron_core "
    "qalora_group_size runtime_config eva_config init_lora_weights bias alora_invocation_tokens".split()
)
"""Settings that a plain LoRA may have, whatever their value. PEFT grows new kinds: any other setting must be off."""
_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Initialisations that leave the base weights as they are; after any other the adapter fits no plain prior."""


def export_peft(slot: Slot, folder: Path, *, prior: str, dtype: torch.dtype = torch.float32) -> None:
    """Write the slot's weights (not its optimizer state) for PEFT, rounded to `dtype`; `prior` is noted as the base
    model.

    Raises:
        StorageError: they cannot be written.
    """
    tensors = {}
    for name, (a, b) in slot.named_master().items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = _written(a, dtype)
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = _written(b, dtype)
    config: dict[str, Any] = {
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
    if slot.first:
        config["layers_to_transform"] = sorted({layer_of(name) for name in slot.named_master()})
    if slot.invocation:
        config["alora_invocation_tokens"] = list(slot.invocation)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise StorageError(f"adapter not written to {str(folder)!r}: {error}") from None


def import_peft(bank: Bank, folder: Path) -> Slot:
    """A slot with the weights of a PEFT directory, activated where PEFT's is. Targets that it does not change stay as
    the prior.

    Raises:
        StorageError: missing or damaged files.
        UserError: a kind of adapter that is more than a plain or activated LoRA.
        Conflict: layers or shapes that this prior does not have.
    """
    try:
        config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        _refuse_other_kinds(config)
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
        invocation = [int(token) for token in config.get("alora_invocation_tokens") or ()]
        tensors = load_file(folder / WEIGHTS)
        if rank < 1 or not tensors:
            raise ValueError(f"rank {rank!r} with {len(tensors)} tensors changes nothing")
    except (OSError, ValueError, TypeError, AttributeError, KeyError, SafetensorError) as error:
        raise StorageError(
            f"PEFT adapter in {str(folder)!r} cannot be read: {type(error).__name__}: {error}; expected "
            f"adapter_config.json and {WEIGHTS}, as PEFT writes them"
        ) from None
    if config.get("use_rslora"):
        alpha *= rank**0.5
    names = {_module_of(key) for key in tensors}
    own = [place for place, target in enumerate(bank.layout.targets) if target.name in names]
    slot = bank.new_slot(rank=rank, alpha=alpha, invocation=invocation, first=min(own, default=0))
    slot.master.zero_()
    _fill(slot, tensors, folder)
    slot.publish()
    return slot


def _written(half: Tensor, dtype: torch.dtype) -> Tensor:
    return half.detach().to("cpu", dtype).contiguous().clone()


def _fill(slot: Slot, tensors: dict[str, Tensor], folder: Path) -> None:
    pairs = slot.named_master()
    halves: dict[str, int] = {}
    for key, tensor in tensors.items():
        name, which = _module_of(key), key.removesuffix(".weight").rpartition(".")[2]
        if name not in pairs or which not in ("lora_A", "lora_B"):
            raise Conflict(f"PEFT adapter has {key!r}, which this prior has no linear layer for")
        place = pairs[name][0 if which == "lora_A" else 1]
        if place.shape != tensor.shape:
            raise Conflict(f"PEFT adapter's {key!r} is {tuple(tensor.shape)}, expected {tuple(place.shape)}")
        if not tensor.isfinite().all():
            raise StorageError(f"PEFT adapter in {str(folder)!r} is damaged: {key!r} holds values that are no numbers")
        place.copy_(tensor)
        halves[name] = halves.get(name, 0) + 1
    for name, count in halves.items():
        if count != 2:
            raise StorageError(f"PEFT adapter in {str(folder)!r} is not whole: {name!r} lacks its lora_A or lora_B")


def _module_of(key: str) -> str:
    """The module that a tensor's key names."""
    return key.removeprefix(_PREFIX).removesuffix(".weight").rpartition(".")[0]


def _refuse_other_kinds(config: dict[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise UserError(f"peft_type {config.get('peft_type')!r}: only LORA adapters can be imported")
    if config.get("init_lora_weights", True) not in _STARTS:
        raise UserError(
            f"PEFT adapter with init_lora_weights = {config['init_lora_weights']!r}, which changes the base model: "
            "save it with PEFT's path_initial_model_for_weight_conversion, and import that"
        )
    if config.get("bias", "none") != "none":
        raise UserError(f"PEFT adapter with bias = {config['bias']!r}: only adapters without biases can be imported")
    for key, value in config.items():
        if value and key not in _PLAIN:
            raise UserError(f"PEFT adapter with {key} = {value!r}: only plain and activated LoRA can be imported")
