"""Slow weights that travel: a PEFT directory, and in it what made them.

    FOLDER/adapter_config.json          the form of the adapter
    FOLDER/adapter_model.safetensors    its weights, in bfloat16
    FOLDER/made.json                    orders, rounds, exams before and after, SHA-256 of the weights

Some come with the package, and are named `builtin:NAME`.
"""

from __future__ import annotations

import hashlib
from importlib.resources import as_file, files
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from liveoak import __version__
from liveoak.adapters import WEIGHTS, Slot, export_peft
from liveoak.errors import NotFound, StorageError
from liveoak.runtime.training.examined import ArmFigures
from liveoak.runtime.training.orders import TrainOrder

BUILT_IN = "builtin:"
_MADE = "made.json"
_SHIPPED = files("liveoak.runtime.training").joinpath("shipped")


class Made(BaseModel):
    """What made an adapter, so that it can be made again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    liveoak: str
    """The version that trained it."""
    order: TrainOrder
    rounds: int
    exams: tuple[ArmFigures, ...]
    """As it was trained, before the weights were rounded."""
    sha256: str
    """Of the weights' file."""


def export(slot: Slot, order: TrainOrder, rounds: int, exams: tuple[ArmFigures, ...], folder: Path) -> None:
    """Write trained weights, without their optimizer's state, and what made them.

    Raises:
        StorageError: they cannot be written.
    """
    export_peft(slot, folder, prior=order.prior, dtype=torch.bfloat16)
    try:
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        made = Made(liveoak=__version__, order=order, rounds=rounds, exams=exams, sha256=digest)
        (folder / _MADE).write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"adapter not written to {str(folder)!r}: {error}; free some space") from None


def shipped() -> tuple[str, ...]:
    """Names of the adapters that come with the package."""
    return tuple(sorted(one.name for one in _SHIPPED.iterdir() if one.is_dir()))


def folder_of(named: str) -> Path:
    """Where an adapter is: `builtin:NAME`, or a PEFT directory.

    Raises:
        NotFound: neither.
    """
    name = named.removeprefix(BUILT_IN)
    if name != named:
        if name not in shipped():
            known = ", ".join(BUILT_IN + one for one in shipped()) or "none"
            raise NotFound(f"no adapter {named!r} comes with liveoak, which brings: {known}")
        with as_file(_SHIPPED.joinpath(name)) as folder:
            return folder
    if not Path(named).expanduser().is_dir():
        raise NotFound(f"no adapter {named!r}: expected a PEFT directory, or {BUILT_IN}NAME")
    return Path(named).expanduser()


def made_of(folder: Path) -> Made | None:
    """What made the adapter in a folder, whose weights are as they were written; None where nobody told.

    Raises:
        StorageError: damaged files.
    """
    try:
        made = Made.model_validate_json((folder / _MADE).read_bytes())
        found = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    except FileNotFoundError as error:
        if error.filename == str(folder / _MADE):
            return None
        raise StorageError(f"adapter in {str(folder)!r} is not whole: {WEIGHTS} is missing; get it again") from None
    except (OSError, ValidationError) as error:
        raise StorageError(f"{_MADE} in {str(folder)!r} cannot be read: {error}; get the adapter again") from None
    if found != made.sha256:
        raise StorageError(
            f"{WEIGHTS} in {str(folder)!r} has SHA-256 {found[:12]}, expected {made.sha256[:12]}: it was damaged; "
            "get the adapter again"
        )
    return made
