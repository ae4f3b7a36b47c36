"""Memory that a lesson took goes back to the system when it has ended."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from liveoak import garbage

BLOCK, BLOCKS = 100_000, 2_000
"""Bytes that the C library takes from what it keeps, and so many that they cannot be overlooked."""


def resident() -> int:
    """MiB of this process in memory."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_what_was_let_go_goes_back_to_the_system():
    if garbage._trim() is None:  # pyright: ignore[reportPrivateUsage]
        pytest.skip("this C library cannot be told to")
    garbage.give_back()
    before = resident()
    taken = [bytes(BLOCK) for _ in range(BLOCKS)]
    # What stays lies behind what goes, so that nothing is given back by itself.
    taken = taken[::100]
    kept = resident()
    assert kept - before > 100, "the C library keeps it"
    garbage.give_back()
    assert resident() - before < 50
    assert len(taken) == BLOCKS // 100


def test_a_c_library_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(garbage, "_trim", lambda: None)
    garbage.give_back()
