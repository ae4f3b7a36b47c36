"""From the settings of a run to what every side is made with."""

from __future__ import annotations

import os
from typing import Literal, cast

from liveoak.lab.bench.jobs import Setup
from liveoak.lab.order import Order
from liveoak.runtime.device import choose_device, choose_dtype


def setup_for(order: Order, device: str | None = None) -> Setup:
    """The same prior, number format, device and threads for all sides. A quick run takes the prior without weights.

    Raises:
        BadSettings: a device that is not there.
    """
    settings = order.settings
    place = choose_device(device or settings.device)
    dtype = str(choose_dtype(settings.dtype, place)).removeprefix("torch.")
    return Setup(
        prior="scratch" if order.quick else settings.prior,
        cache=str(settings.cache.expanduser()),
        dtype=cast("Literal['float32', 'bfloat16']", dtype),
        device=place.type,
        threads=settings.threads or len(os.sched_getaffinity(0)),
        compile=settings.compile,
        accept_licence=settings.accept_licence,
    )


def dryness(order: Order, device: str, wanted: str | None = None) -> str:
    """Why no figure of a run on this device means anything; empty where they do."""
    if wanted is not None and device != wanted:
        return f"on {device} in place of {wanted}, which shows that the code runs: nothing here is met or missed"
    if order.quick:
        return "next to nothing of everything, which shows that all sides run: nothing here is met or missed"
    return ""
