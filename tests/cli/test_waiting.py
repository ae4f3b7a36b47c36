"""Threads of a team do not turn for milliseconds where others need the processor."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_SHOW = "import sys, liveoak, os; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"


@pytest.mark.parametrize(("given", "found"), [(None, "1000"), ("77", "77")])
def test_it_is_said_before_torch_is_there_and_what_the_user_says_stays(given: str | None, found: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    env |= {} if given is None else {"GOMP_SPINCOUNT": given}
    done = subprocess.run([sys.executable, "-c", _SHOW], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [found, "False"]
