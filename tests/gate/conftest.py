"""One scratch engine for the lane: a million random parameters, float32 so that figures are exact."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from liveoak.engine import Decoder, Engine
from liveoak.priors import load_prior


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


@pytest.fixture(scope="session")
def decoder(engine: Engine) -> Decoder:
    return Decoder(engine)
