"""A disk that is really full: a small file system of its own, which takes root to mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, mebibytes: int) -> Iterator[Path]:
    """`folder`, made and mounted. Without the right to mount, the test is skipped; as root in CI it fails."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    permitted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    if not permitted:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"{' '.join(mount)} is refused, so that the full disk goes untested")
        pytest.skip("mounting a small disk takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
