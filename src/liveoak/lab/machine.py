"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from liveoak.config import cores


class Machine(BaseModel):
    """Enough to judge whether two files may be compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    cpu: str
    cores: int
    """Cores that this process may use."""
    memory_mib: int
    python: str
    torch: str
    """Installed version, build included; `none` where torch is missing."""
    device: str
    """Where the model ran, and in which number format: as they were chosen, never `auto`."""
    dtype: str


def describe_machine(*, device: str = "cpu", dtype: str = "float32") -> Machine:
    """This machine, described without importing torch."""
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        cpu=_cpu_model(),
        cores=cores(),
        memory_mib=_memory_mib(),
        python=platform.python_version(),
        torch=_installed("torch"),
        device=device,
        dtype=dtype,
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_mib() -> int:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        # In a container the limit is the group's, not the machine's.
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        limit = whole
    return min(whole, limit) // 2**20


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
