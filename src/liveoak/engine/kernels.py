"""Our operators in C++, built once a machine with the compiler that is there.

`cpp/steps.cpp` has what decoding is made of: torch's own matrix product reads weights at a third of the memory's speed
when there are few rows, and its attention wants keys and values copied together first. `torch.export` can trace both.
Its product over weights kept in panels serves whole passes too. `cpp/passes.cpp` has what stands between
the products of a pass, forward and backward, `cpp/changes.cpp` what slots add, and `cpp/losses.cpp` what is lost at
logits. Each becomes an operator of `torch.ops.liveoak`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from liveoak.adapters.operators import is_loaded, ours
from liveoak.errors import Unavailable
from liveoak.priors.cache import make_once

HOME = Path(__file__).with_name("cpp")
_FLAGS = ("-O3", "-march=native", "-std=c++20", "-fno-math-errno", "-ffp-contract=off", "-shared", "-fPIC")
_STABLE_SINCE = "-DTORCH_TARGET_VERSION=0x020b000000000000"
"""Torch 2.11, whose stable binary interface the source is written to."""
_BUILD_SECONDS = 600
_loaded = threading.Lock()


def compiler() -> str | None:
    """The C++ compiler that would be used, if there is one."""
    return next((found for name in (os.environ.get("CXX"), "g++", "clang++") if name and (found := _which(name))), None)


def machine() -> str:
    """What a build depends on besides its source: the processor's abilities and the version of torch."""
    return json.dumps([torch.cpu.get_capabilities(), torch.__version__], sort_keys=True, default=str)


def sources() -> str:
    """What a build is made from."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted(HOME.iterdir()))


def load(cache: Path) -> None:
    """Make the operators known to torch, building them into `cache` first if they are not there.

    Raises:
        Unavailable: there is no compiler, or it cannot build them.
    """
    with _loaded:
        if is_loaded():
            return
        key = hashlib.sha256((sources() + " ".join(_FLAGS) + machine()).encode()).hexdigest()[:16]
        folder = make_once(cache / "kernels" / key, _build)
        try:
            torch.ops.load_library(str(folder / "kernels.so"))
        except OSError as error:
            raise Unavailable(f"the kernels that were built in {str(folder)!r} cannot be loaded: {error}") from error
        _register = cast(Any, torch.library).register_fake
        _register("liveoak::linear", _linear_shape)
        _register("liveoak::attend", _attend_shape)


def linear(x: Tensor, weight: Tensor, outputs: int, bias: Tensor | None, table: Tensor | None) -> Tensor:
    """x (..., inputs) -> (..., outputs); `table` (rows, 4) says what each row's slot adds. The weight is
    (outputs, inputs), or in panels (`adapters.products`)."""
    return ours().linear(x, weight, outputs, bias, table)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    keys: Tensor,
    values: Tensor,
    rows: Tensor,
    *,
    scaling: float,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """query (1, H, T, D), key and value (1, G, T, D), keys and values (places, G, D), rows (T, 2) -> (1, T, H, D)."""
    return ours().attend(query, key, value, keys, values, rows, scaling, window or 0, softcap or 0.0)


def _linear_shape(x: Tensor, weight: Tensor, outputs: int, bias: Tensor | None, table: Tensor | None) -> Tensor:
    return x.new_empty((*x.shape[:-1], outputs))


def _attend_shape(query: Tensor, *_: Any) -> Tensor:
    return query.new_empty((1, query.shape[2], query.shape[1], query.shape[3]))


def _which(name: str) -> str | None:
    return shutil.which(name.split()[0])


def _build(folder: Path) -> dict[str, object]:
    command = compiler()
    if command is None:
        raise Unavailable("the kernels need a C++ compiler: install g++ (or clang++), or name one in CXX")
    torch_home = Path(torch.__file__).parent
    arguments = [
        *(command, *_FLAGS, _STABLE_SINCE, f"-I{torch_home / 'include'}", *map(str, sorted(HOME.glob("*.cpp")))),
        *("-o", str(folder / "kernels.so"), f"-L{torch_home / 'lib'}", "-ltorch_cpu", "-lc10"),
    ]
    try:
        built = subprocess.run(arguments, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"the kernels cannot be built with {command!r}: {error}") from error
    if built.returncode != 0:
        raise Unavailable(f"the kernels cannot be built with {command!r}: {built.stderr.strip()[:500]}")
    return {"compiler": command}
