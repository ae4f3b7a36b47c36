"""Snapshots: a slot with its optimizer state as a folder of safetensors, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from liveoak.adapters.bank import Bank
from liveoak.adapters.slots import Layout, Slot
from liveoak.errors import Conflict, StorageError

_TENSORS = "adapter.safetensors"
_FACTS = "adapter.json"


def digest(slot: Slot) -> str:
    """SHA-256 over all that the slot is: weights, optimizer state, rank, scale and steps."""
    hasher = hashlib.sha256(json.dumps(_facts(slot), sort_keys=True).encode())
    for name, tensor in sorted(_tensors(slot).items()):
        hasher.update(name.encode())
        hasher.update(tensor.numpy().tobytes())
    return hasher.hexdigest()


def save_snapshot(slot: Slot, folder: Path) -> None:
    """Write the slot into `folder`, which must not exist.

    Raises:
        StorageError: the disk is full or not writable; nothing is left behind.
    """
    draft = folder.with_name(f".{folder.name}.draft-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        if folder.exists():
            raise StorageError(f"version not written to {str(folder)!r}: it exists, and a version never changes")
        draft.mkdir(parents=True)
        save_file(_tensors(slot), draft / _TENSORS)
        facts = {**_facts(slot), "layout": _layout(slot.layout), "sha256": _sum_of(draft / _TENSORS)}
        (draft / _FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        for path in (draft / _TENSORS, draft / _FACTS, draft):
            _sync(path)
        draft.rename(folder)
        _sync(folder.parent)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"version not written to {str(folder)!r}: {error}; free some space and try again") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load_snapshot(bank: Bank, folder: Path, *, optimizer: bool = True) -> Slot:
    """The slot as it was saved: equal weights, and the optimizer's state unless it will only be served.

    Raises:
        StorageError: missing or damaged files.
        Conflict: the snapshot was made over another prior.
    """
    try:
        facts: dict[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        rank, alpha, steps, layout, expected = (facts[name] for name in ("rank", "alpha", "steps", "layout", "sha256"))
        invocation, first = [int(token) for token in facts.get("invocation", ())], int(facts.get("first", 0))
        found = _sum_of(folder / _TENSORS)
        if found != expected:
            raise ValueError(f"{_TENSORS} has SHA-256 {found[:12]}, expected {expected[:12]}: it was damaged")
        tensors = load_file(folder / _TENSORS)
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise StorageError(
            f"version in {str(folder)!r} cannot be read: {type(error).__name__}: {error}; "
            "roll back to another version, or restore the folder from a copy"
        ) from None
    if layout != _layout(bank.layout):
        raise Conflict(f"version in {str(folder)!r} was made over another prior: its adapter changes other layers")
    slot = bank.new_slot(rank=rank, alpha=alpha, invocation=invocation, first=first)
    slot.master.copy_(tensors["master"])
    if optimizer and "first_moment" in tensors:
        slot.first_moment = tensors["first_moment"].to(bank.device)
        slot.second_moment = tensors["second_moment"].to(bank.device)
        slot.gram = tensors["gram"].to(bank.device) if "gram" in tensors else None
    slot.steps = steps
    slot.publish()
    return slot


def _facts(slot: Slot) -> dict[str, Any]:
    """What is as it always was is not named, so that sums of snapshots stay the same."""
    facts: dict[str, Any] = {"rank": slot.rank, "alpha": slot.alpha, "steps": slot.steps}
    if slot.invocation:
        facts["invocation"] = list(slot.invocation)
    return {**facts, "first": slot.first} if slot.first else facts


def _tensors(slot: Slot) -> dict[str, torch.Tensor]:
    if not slot.master.numel():
        raise ValueError("the slot was made slim for serving: there is nothing left of it to save")
    found = {
        "master": slot.master,
        "first_moment": slot.first_moment,
        "second_moment": slot.second_moment,
        "gram": slot.gram,
    }
    return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items() if tensor is not None}


def _layout(layout: Layout) -> str:
    """Names and shapes of all targets, as a SHA-256."""
    told = "\n".join(f"{target.name} {target.inputs} {target.outputs}" for target in layout.targets)
    return hashlib.sha256(told.encode()).hexdigest()


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
