"""Peers are found when they are used: one typed seam to libraries that may be missing and carry no types."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import torch

from liveoak.errors import Unavailable
from liveoak.lab.bench.jobs import Setup
from liveoak.priors import load_prior


def need(module: str, *, package: str | None = None) -> Any:
    """The module of a peer.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = package or module
        raise Unavailable(f"{name} is not installed ({error}); docs/bench.md says how") from None


def load_model(setup: Setup) -> Any:
    """The prior as transformers runs it by itself."""
    torch.set_num_threads(setup.threads)
    return load_prior(
        setup.prior,
        cache=Path(setup.cache),
        dtype=getattr(torch, setup.dtype),
        device=setup.device,
        accept_licence=setup.accept_licence,
    ).model


def now(device: str) -> float:
    """Seconds, once the device has done what it was asked for."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
