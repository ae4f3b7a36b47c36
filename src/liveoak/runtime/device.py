"""Where the model runs, in which number format, and whether its steps are compiled."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from pathlib import Path

import torch

from liveoak import garbage
from liveoak.config import Settings
from liveoak.engine import Engine, Scheduler
from liveoak.errors import BadSettings, StorageError, Unavailable
from liveoak.priors import load_prior

WORTH_COMPILING = 32_000_000
"""Numbers in a prior below which a first start should not take seconds longer."""
WORTH_LETTING_GO = 32_000_000
"""Numbers that engines of before may hold while another is loaded."""
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
"""Those that were loaded in this process and are still in memory."""
_log = logging.getLogger(__name__)


def choose_device(wanted: str) -> torch.device:
    """
    Raises:
        BadSettings: CUDA was asked for and is not there.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise BadSettings("device 'cuda': no CUDA device is available; take 'cpu' or 'auto'")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """bfloat16 where matrix products in it are fast: on GPUs, and on CPUs with instructions for it."""
    if wanted != "auto":
        return torch.float32 if wanted == "float32" else torch.bfloat16
    if device.type == "cuda" or _has_fast_bfloat16():
        return torch.bfloat16
    return torch.float32


def _has_fast_bfloat16() -> bool:
    """oneDNN runs bfloat16 without such instructions too, but several times slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def load_engine(
    settings: Settings,
    scheduler: Scheduler,
    on_fetch: Callable[[str, int, int], None] | None = None,
    *,
    prior: str | None = None,
    dtype: str | None = None,
) -> Engine:
    """An engine on the device of the settings, to be made in the scheduler's thread. `prior` and `dtype` are those of
    the settings where they are not given.

    Raises:
        what `choose_device`, `load_prior` and `Engine` raise.
    """
    garbage.look_as_usual()
    if sum(map(_size, _engines)) >= WORTH_LETTING_GO:
        # One that nobody uses any more is part of a cycle, and stays until it is looked for, with all its weights.
        gc.collect()
    device = choose_device(settings.device)
    found = load_prior(
        prior or settings.prior,
        cache=settings.cache.expanduser(),
        dtype=choose_dtype(dtype or settings.dtype, device),
        device=device,
        accept_licence=settings.accept_licence,
        progress=on_fetch,
    )
    engine = Engine(found, scheduler)
    _engines.add(engine)
    return engine


def compile_steps(engine: Engine, wanted: str, cache: Path, *, least: int | None = None) -> None:
    """Compile steps of decoding as the setting `compile` says; `auto` leaves out priors of fewer numbers than `least`,
    which is `WORTH_COMPILING` unless given.

    Raises:
        Unavailable, StorageError: they were asked for, and cannot be.
    """
    tiny = _size(engine) < (WORTH_COMPILING if least is None else least)
    if wanted == "off" or (wanted == "auto" and (engine.device.type != "cpu" or tiny)):
        return
    try:
        engine.compile(cache.expanduser())
    except (Unavailable, StorageError) as error:
        if wanted == "on":
            raise
        _log.info("steps of decoding are not compiled: %s", error)


def _size(engine: Engine) -> int:
    """Numbers of its prior."""
    return sum(parameter.numel() for parameter in engine.model.parameters())
