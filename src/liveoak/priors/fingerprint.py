"""A digest that says which function a prior is, whatever the file layout, machine or number format in memory."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

_ARCHITECTURE = (
    "model_type",
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_act",
    "hidden_activation",
    "rms_norm_eps",
    "layer_norm_epsilon",
    "sliding_window",
    "tie_word_embeddings",
    "rope_theta",
    "rope_parameters",
    "rope_scaling",
)
"""The keys of config.json that change the function; others are bookkeeping and change with library versions."""


def fingerprint_files(folder: Path) -> str:
    """SHA-256 over the architecture and every tensor of the safetensors files in `folder`, in order of name."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(json.dumps({key: config.get(key) for key in _ARCHITECTURE}, sort_keys=True).encode())
    homes: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            homes.update(dict.fromkeys(file.keys(), path))
    for path in sorted(set(homes.values())):
        with safe_open(path, framework="pt") as file:
            for name in sorted(name for name, home in homes.items() if home == path):
                update(digest, name, file.get_tensor(name))
    return digest.hexdigest()


def update(digest: Any, name: str, tensor: Any) -> None:
    """Adds one tensor (torch, on the CPU) to a running digest."""
    import torch

    digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy())
