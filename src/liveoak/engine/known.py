"""What the prior itself says of texts that never change: computed once, and kept on disk for every later process."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from liveoak.engine.batch import Sequence, portions
from liveoak.engine.decoder import Decoder, Request
from liveoak.engine.engine import SLICE, Engine
from liveoak.engine.readings import Readings
from liveoak.errors import StorageError

_SUM = "sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A prompt with what the prior replied. `wanted` of the sequence are the P places that the reply was drawn from."""

    sequence: Sequence
    states: Tensor
    """(P, width): the last hidden states at these places, of which the head makes the prior's distribution."""


class Known:
    """Tensors by name, of one prior in one number format. What is damaged on disk is computed again."""

    def __init__(self, engine: Engine, cache: Path | None) -> None:
        """`cache` None: nothing is kept."""
        self._engine = engine
        self._folder = None if cache is None else cache.expanduser() / "known"
        kind = str(engine.dtype).removeprefix("torch.")
        self._prefix = f"{engine.prior.fingerprint[:24]}-{kind}-torch{torch.__version__.split('+')[0]}"

    def get(self, name: str, of: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """What `make` computes of `of`, which names everything that the result hangs on beside the prior.

        Raises:
            StorageError: it cannot be kept in the cache.
        """
        if self._folder is None:
            return make()
        path = self._folder / f"{self._prefix}-{name}-{hashlib.sha256(of.encode()).hexdigest()[:16]}.safetensors"
        found = _read(path)
        if found is None:
            found = make()
            _keep(path, found)
        return found

    def readings(self, name: str, batch: Seq[Sequence]) -> Readings:
        """What the prior reads of a batch whose sequences stand under the slots to be asked about, or others that
        change the same layers and speak up at the same places.

        Raises:
            StorageError: it cannot be kept in the cache.
        """
        engine = self._engine
        slots = [sequence.slot for sequence in batch if sequence.slot is not None]
        fresh = engine.readings(slots)

        def make() -> dict[str, Tensor]:
            for some in portions(batch, SLICE):
                engine.infer(lambda some=some: engine.wanted(some, fresh))
            return fresh.kept()

        of = repr((fresh.layer, [(one.ids, one.slot and one.slot.invocation) for one in batch]))
        found = self.get(name, of, make)
        return Readings.restored(found, layer=fresh.layer, dtype=engine.dtype, device=engine.device)

    def said(self, name: str, decoder: Decoder, requests: Seq[Request]) -> list[Said]:
        """What the prior replies to these.

        Raises:
            StorageError: it cannot be kept in the cache.
        """
        found = self.get(name, repr(requests), lambda: _drawn(self._engine, decoder, requests))
        each = found["ids"].split(found["lengths"].tolist())
        sequences = [
            Sequence(ids=tuple(ids.tolist()), wanted=tuple(range(first, len(ids))))
            for ids, first in zip(each, found["firsts"].tolist(), strict=True)
        ]
        states = found["states"].to(self._engine.device).split([len(one.wanted) for one in sequences])
        # Copied, so that each begins where torch aligns memory: products of what a file holds at some odd address can
        # differ, in the last bits, from those of the same numbers just computed.
        return [Said(sequence=one, states=own.clone()) for one, own in zip(sequences, states, strict=True)]


def _drawn(engine: Engine, decoder: Decoder, requests: Seq[Request]) -> dict[str, Tensor]:
    said: list[Sequence] = []
    for request, completion in zip(requests, decoder.generate(requests), strict=True):
        ids = (*request.ids, *(token.id for token in completion.drawn))[:-1]
        said.append(Sequence(ids=ids, wanted=tuple(range(len(request.ids) - 1, len(ids)))))
    states = [engine.infer(lambda some=some: engine.wanted(some)).cpu() for some in portions(said, SLICE)]
    return {
        "ids": torch.tensor([token for one in said for token in one.ids]),
        "lengths": torch.tensor([len(one.ids) for one in said]),
        "firsts": torch.tensor([one.wanted[0] for one in said]),
        "states": torch.cat(states),
    }


def _read(path: Path) -> dict[str, Tensor] | None:
    """What was kept; None where there is nothing, or something damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            expected = (file.metadata() or {}).get(_SUM)
    except (OSError, SafetensorError):
        return None
    return found if expected == _sum_of(found) else None


def _keep(path: Path, tensors: Mapping[str, Tensor]) -> None:
    draft: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
        os.close(handle)
        save_file(dict(tensors), draft, metadata={_SUM: _sum_of(tensors)})
        os.replace(draft, path)
    except (OSError, SafetensorError) as error:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)
        raise StorageError(
            f"what the prior itself says cannot be kept in {str(path.parent)!r}: {error}; free some space there, or "
            "name another folder with --cache"
        ) from None


def _sum_of(tensors: Mapping[str, Tensor]) -> str:
    hasher = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hasher.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()
