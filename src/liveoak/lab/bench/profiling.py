"""Where the time of a run goes, by group of operators.

An operator's group is told by the shapes that it works on, so that it does not matter how the engine is built: a
product with an adapter's rank among its dimensions is an adapter's, one with the vocabulary the head's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._C import _profiler
from torch.profiler import ProfilerActivity, profile

from liveoak.lab.bench.jobs import Profile, Shape
from liveoak.lab.bench.metrics import GROUPS

_PRODUCTS = ("mm", "bmm", "baddbmm", "linear", "matmul", "gemm", "einsum", "packed_linear", "grouped_mm")
_ATTENTION = ("attention", "attend", "softmax", "baddbmm")
_OURS = "liveoak::linear"
"""Adds what the slots add in the same operator, so that the two cannot be told apart."""
_ADAPTERS = ("liveoak::change", "liveoak::change_back")
"""What slots add in a pass, and the way back through it."""
_LOSS = ("log_softmax", "nll_loss", "cross_entropy")
_WAITING = ("cudaDeviceSynchronize", "cudaStreamSynchronize", "cudaEventSynchronize")


def profiled(run: Callable[[], object], shape: Shape, rank: int, device: torch.device) -> Profile:
    """Run once to warm up, once for the time, and once under the profiler, which itself takes time."""
    run()
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    # The computing thread is not the one that asks; only this setting of torch sees them all.
    experimental: Any = getattr(_profiler, "_ExperimentalConfig")  # noqa: B009 - torch exports it under no other name
    seconds = _timed(run, on_gpu)
    config = experimental(profile_all_threads=True)
    with profile(activities=activities, record_shapes=True, experimental_config=config) as made:
        _timed(run, on_gpu)
    took: dict[str, float] = dict.fromkeys(GROUPS, 0.0)
    names: dict[str, float] = {}
    events: Any = made.key_averages(group_by_input_shape=True)
    for event in events:
        own = (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6
        if own <= 0 or event.key in _WAITING or event.key.startswith("ProfilerStep"):
            continue
        took[group_of(event.key, event.input_shapes, shape, rank)] += own
        names[event.key] = names.get(event.key, 0.0) + own
    inside = sum(took.values())
    # Under the profiler operators take longer, so that they may fill more than the time of the run without it.
    whole = max(seconds, inside)
    took["outside"] += whole - inside
    slowest = sorted(names.items(), key=lambda pair: -pair[1])[:12]
    return Profile(
        seconds=seconds,
        shares={group: value / whole for group, value in took.items()},
        slowest=tuple((name, value / whole) for name, value in slowest),
    )


def _timed(run: Callable[[], object], on_gpu: bool) -> float:
    began = time.perf_counter()
    run()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def group_of(name: str, shapes: Sequence[Sequence[int]], shape: Shape, rank: int) -> str:
    """The group of an operator from its name and the shapes of its inputs."""
    if name in _ADAPTERS:
        return "adapters"
    plain = name.removeprefix("aten::").removeprefix("mkldnn::").lstrip("_")
    sizes = [tuple(one) for one in shapes if one]
    dims = {dim for one in sizes for dim in one}
    if shape.vocabulary in dims or any(word in plain for word in _LOSS):
        return "head_loss"
    if any(len(one) == 1 and one[0] == rank * shape.adapter_per_rank for one in sizes) or "adam" in plain:
        return "optimizer"
    if name == _OURS:
        return "head_loss" if any(_in_panels(one, shape.vocabulary) for one in sizes) else "linear"
    if any(word in plain for word in _PRODUCTS):
        return _product(sizes, shape, rank)
    if any(word in plain for word in _ATTENTION):
        return "attention"
    return "elementwise"


def _in_panels(size: tuple[int, ...], outputs: int) -> bool:
    """Whether a weight of this shape has so many outputs in panels: whole, or two in each number."""
    return len(size) == 3 and any(0 <= size[0] * each - outputs < each for each in (size[2], 2 * size[2]))


def _product(sizes: Sequence[tuple[int, ...]], shape: Shape, rank: int) -> str:
    """A product's group. Operands of several linear layers may be joined, and slots be stacked in a third axis."""
    matrices = [one[-2:] for one in sizes if len(one) >= 2]
    if not matrices:
        return "linear"
    # The weight comes last; asked first, since a batch may have as many tokens as an adapter has ranks.
    if frozenset(matrices[-1]) in {frozenset(pair) for pair in shape.linears}:
        return "linear"
    dims = {dim for one in matrices for dim in one}
    low = not dims.isdisjoint({rank, 2 * rank, 3 * rank})
    wide = not dims.isdisjoint({dim for pair in shape.linears for dim in pair})
    if any(len(one) >= 3 for one in sizes):
        return "adapters" if low and wide else "attention"
    return "adapters" if low else "linear"
