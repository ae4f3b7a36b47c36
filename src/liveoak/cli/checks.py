"""What `liveoak doctor` looks at."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from liveoak.cli.connection import running_server
from liveoak.config import Settings, cores
from liveoak.errors import LiveoakError

State = Literal["ok", "warn", "fail"]
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at. `found` says what is so and, where it is not well, what to do."""

    name: str
    state: State
    found: str


def all_checks(settings: Settings) -> list[Check]:
    looks: tuple[Callable[[Settings], Check], ...] = (
        _python,
        _torch,
        _threads,
        _bf16,
        _memory,
        _home,
        _lock,
        _disk,
        _prior,
        _server,
    )
    return [look(settings) for look in looks]


def _check(name: str, state: State, found: str) -> Check:
    return Check(name=name, state=state, found=found)


def _python(_: Settings) -> Check:
    found = f"{platform.python_version()} on {platform.platform()}"
    return _check("python", "ok" if sys.version_info >= (3, 11) else "fail", found)


def _torch(settings: Settings) -> Check:
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        return _check("torch", "fail", f"{', '.join(missing)} not installed; reinstall liveoak")
    import torch

    cuda = torch.cuda.is_available()
    found = f"torch {torch.__version__}, transformers {_version('transformers')}, CUDA {'yes' if cuda else 'no'}"
    if settings.device == "cuda" and not cuda:
        return _check("torch", "fail", f"{found}; device 'cuda' is asked for: use --device cpu, or a CUDA build")
    return _check("torch", "ok", found)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _threads(settings: Settings) -> Check:
    wanted, most = settings.team, cores()
    if wanted > most:
        return _check("threads", "warn", f"{wanted} threads on {most} cores are slower than {most}")
    return _check("threads", "ok", f"{wanted} of {most} cores")


def _bf16(settings: Settings) -> Check:
    flags = _cpu_flags()
    fast = sorted(flags & {"amx_bf16", "avx512_bf16", "bf16"})
    found = f"processor has {', '.join(fast)}" if fast else "processor has no bf16 arithmetic; float32 is faster"
    return _check("bf16", "warn" if settings.dtype == "bfloat16" and not fast else "ok", found)


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()[2:]}


def _memory(_: Settings) -> Check:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        available = next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return _check("memory", "ok", "not known on this system")
    found = f"{available} MiB available"
    if available < 1536:
        return _check("memory", "warn", f"{found}; the default prior wants about 1536 to serve and learn")
    return _check("memory", "ok", found)


def _home(settings: Settings) -> Check:
    return _check("home", *_writable(settings.home, "--home"))


def _lock(settings: Settings) -> Check:
    """Whether a process holds the home, which nobody else can serve or teach meanwhile."""
    from filelock import FileLock, Timeout

    path = settings.home / "lock"
    if not path.exists():
        return _check("lock", "ok", "free")
    try:
        with FileLock(path, timeout=0):
            return _check("lock", "ok", "free")
    except Timeout:
        holder = _text_of(settings.home / "lock.pid") or "unknown"
    except OSError as error:
        return _check("lock", "fail", f"{path}: {error.strerror or error}; remove it, or name another --home")
    try:
        server = running_server(settings.home)
    except LiveoakError:
        server = None
    if server is not None and str(server.pid) == holder:
        return _check("lock", "ok", f"held by process {holder}, the server")
    return _check(
        "lock", "warn", f"held by process {holder}: wait until it is through, stop it, or take another --home"
    )


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _disk(settings: Settings) -> Check:
    state, found = _writable(settings.cache, "--cache")
    free = shutil.disk_usage(_existing(settings.cache)).free // _MIB
    if state == "ok" and free < 1024:
        state = "warn"
    return _check("cache", state, f"{found}; {free} MiB free" + ("; priors want about 1024" if free < 1024 else ""))


def _writable(folder: Path, option: str) -> tuple[State, str]:
    nearest = _existing(folder)
    if not nearest.is_dir():
        return "fail", f"{nearest} is not a folder; name another with {option}"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return "fail", f"{nearest} cannot be written to; name another with {option}"
    return "ok", str(folder) if folder.exists() else f"{folder} (not there yet)"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.exists())


def _prior(settings: Settings) -> Check:
    from liveoak.priors import fetch
    from liveoak.priors.catalogue import KNOWN

    name = settings.prior
    kind, colon, rest = name.partition(":")
    path = Path(rest if kind == "gguf" and colon else name).expanduser()
    if name in KNOWN or name == "scratch":
        if fetch.is_fetched(name, settings.cache):
            return _check("prior", "ok", f"{name} is ready")
        return _check("prior", "warn", f"{name} is not in the cache; it is fetched on first use, which needs a network")
    if kind == "hf" and colon:
        return _check("prior", "ok", f"{name}: the hub's own cache is not looked into")
    if path.exists():
        return _check("prior", "ok", str(path))
    known = ", ".join(sorted(KNOWN))
    return _check("prior", "fail", f"{name!r} is none: expected {known}, scratch, hf:ORG/NAME, a folder or gguf:FILE")


def _server(settings: Settings) -> Check:
    try:
        server = running_server(settings.home)
    except LiveoakError as error:
        return _check("server", "warn", str(error))
    if server is not None:
        version = server.health.get("version")
        return _check("server", "ok", f"process {server.pid} answers at {server.url}, version {version}")
    return _check("server", "ok", "none runs; verbs load the model themselves")
