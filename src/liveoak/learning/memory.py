"""What a learner carries from one call to the next besides its slots, and the folder that keeps it all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from liveoak.adapters import Bank, Slot, load_snapshot, save_snapshot
from liveoak.errors import StorageError
from liveoak.learning.reservoir import Reservoir
from liveoak.learning.value import Value
from liveoak.learning.winning import Wins
from liveoak.signals import Balance, Boilerplate, Record, Source, Standing
from liveoak.signals.boilerplate import Follower

_MEMORY, _SLOT, _REFERENCE, _TEACHER = "memory.json", "slot", "reference", "teacher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """All that a learner carries along besides its slots. Pure data, so that it can be kept."""

    calls: int = 0
    past: Reservoir
    balances: Mapping[str, Balance] = field(default_factory=dict[str, Balance])
    boilerplate: Boilerplate = field(default_factory=Boilerplate)
    values: Mapping[str, Value] = field(default_factory=dict[str, Value])
    standing: Standing = field(default_factory=Standing)
    wins: Wins = field(default_factory=lambda: Wins(own=Reservoir(room=0), rivals=Reservoir(room=0)))


def save_state(folder: Path, slot: Slot, reference: Slot | None, teacher: Slot | None, memory: Memory) -> None:
    """Write a learner into `folder`, which must not exist.

    Raises:
        StorageError: it exists, or cannot be written; nothing is left behind.
    """
    draft = folder.with_name(f".{folder.name}.draft-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        if folder.exists():
            raise StorageError(f"learner not kept in {str(folder)!r}: it exists; name a new folder")
        draft.mkdir(parents=True)
        save_snapshot(slot, draft / _SLOT)
        if reference is not None:
            save_snapshot(reference, draft / _REFERENCE)
        if teacher is not None:
            save_snapshot(teacher, draft / _TEACHER)
        content = json.dumps(_as_json(memory))
        told = {"sha256": _digest(content), "content": content}
        with (draft / _MEMORY).open("w", encoding="utf-8") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(folder)
    except OSError as error:
        raise StorageError(f"learner not kept in {str(folder)!r}: {error}; free some space and try again") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load_state(bank: Bank, folder: Path) -> tuple[Slot, Slot | None, Slot | None, Memory]:
    """
    Raises:
        StorageError: missing or damaged files.
        Conflict: it was kept over another prior.
    """
    try:
        told = json.loads((folder / _MEMORY).read_text(encoding="utf-8"))
        if _digest(told["content"]) != told["sha256"]:
            raise ValueError(f"{_MEMORY} was damaged")
        memory = _of_json(json.loads(told["content"]))
    except (OSError, ValueError, TypeError, KeyError, ValidationError) as error:
        raise StorageError(
            f"learner in {str(folder)!r} cannot be read: {type(error).__name__}: {error}; go on from an older one"
        ) from None
    reference, teacher = (
        load_snapshot(bank, folder / name) if (folder / name).exists() else None for name in (_REFERENCE, _TEACHER)
    )
    return load_snapshot(bank, folder / _SLOT), reference, teacher, memory


def _as_json(memory: Memory) -> dict[str, Any]:
    """Two tables have keys that JSON has none of."""
    seen = [(context, asdict(follower)) for context, follower in memory.boilerplate.seen.items()]
    sources = [(asdict(source), asdict(record)) for source, record in memory.standing.records.items()]
    rest = replace(
        memory, boilerplate=replace(memory.boilerplate, seen={}), standing=replace(memory.standing, records={})
    )
    return {"memory": asdict(rest), "seen": seen, "sources": sources}


def _of_json(value: dict[str, Any]) -> Memory:
    memory = _READER.validate_python(value["memory"])
    seen, sources = _SEEN.validate_python(value["seen"]), _SOURCES.validate_python(value["sources"])
    return replace(
        memory,
        boilerplate=replace(memory.boilerplate, seen=dict(seen)),
        standing=replace(memory.standing, records=dict(sources)),
    )


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


_READER = TypeAdapter(Memory)
_SEEN = TypeAdapter(list[tuple[tuple[int, ...], Follower]])
_SOURCES = TypeAdapter(list[tuple[Source, Record]])
