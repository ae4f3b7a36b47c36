"""What the machine can do at most: matrix products, memory copied and read. The best of several tries, each."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from liveoak.lab.bench import jobs

_BUFFER_MIB = {"cpu": 256, "cuda": 1024}
"""What no cache holds."""

_RATED = {"H100 PCIe": 756e3, "H100 NVL": 835e3, "H100": 989e3, "H200 NVL": 835e3, "H200": 989e3}
"""Dense bfloat16 GFLOP/s by a part of the device's name, the longer names first. Source: NVIDIA's data sheets."""


class Machine:
    """Measures the ceilings with the threads and the device that the sides get."""

    def __init__(self, setup: jobs.Setup) -> None:
        torch.set_num_threads(setup.threads)
        self._device = torch.device(setup.device)
        self._large = self._device.type == "cuda"
        self._seconds = 0.0
        """Spent on each ceiling of the job under way."""

    def measure(self, job: jobs.MeasureJob) -> jobs.Measured:
        self._seconds = job.seconds
        name = torch.cuda.get_device_name() if self._large else "cpu"
        rated = next((gflops for part, gflops in _RATED.items() if part in name), None)
        return jobs.Measured(ceilings=self._ceilings(), device=name, rated_bf16=rated)

    def read(self, job: jobs.MeasureJob) -> jobs.Bandwidth:
        """The best read alone, for whoever is to be held against it as the machine is at that moment."""
        self._seconds = job.seconds
        with torch.inference_mode():
            best, _ = self._reads()
        return jobs.Bandwidth(read_gb=best)

    def _reads(self) -> tuple[float, dict[torch.dtype, float]]:
        """The best of all ways to read, and that of products of a matrix and a vector by their number format."""
        vectors = {dtype: self._gemv(dtype) for dtype in (torch.bfloat16, torch.float32)}
        return max(self._sum(), *vectors.values()), vectors

    def _ceilings(self) -> jobs.Ceilings:
        with torch.inference_mode():
            bf16, f32 = torch.bfloat16, torch.float32
            read, vectors = self._reads()
            return jobs.Ceilings(
                matmul_bf16=self._matmul(bf16),
                matmul_f32=self._matmul(f32),
                copy_gb=self._copy(),
                read_gb=read,
                gemv_bf16_gb=vectors[bf16],
                gemv_f32_gb=vectors[f32],
            )

    def _matmul(self, dtype: torch.dtype) -> float:
        sizes = ((8192, 8192, 8192), (16384, 4096, 4096)) if self._large else ((512, 576, 1536), (1024, 2048, 2048))
        found: list[float] = []
        for m, k, n in sizes:
            a = torch.randn(m, k, device=self._device, dtype=dtype)
            b = torch.randn(n, k, device=self._device, dtype=dtype)
            found.append(2 * m * k * n / self._best(lambda a=a, b=b: torch.nn.functional.linear(a, b)))
        return max(found) / 1e9

    def _copy(self) -> float:
        source = torch.ones(self._floats, device=self._device)
        target = torch.empty_like(source)
        return 2 * source.numel() * 4 / self._best(lambda: target.copy_(source)) / 1e9

    def _sum(self) -> float:
        source = torch.ones(self._floats, device=self._device)
        return source.numel() * 4 / self._best(source.sum) / 1e9

    def _gemv(self, dtype: torch.dtype) -> float:
        """A stack of weights much larger than the caches, each read once, as in decoding."""
        width = 4096 if self._large else 2048
        size = torch.finfo(dtype).bits // 8
        weights = [
            torch.full((width, width), 0.5, device=self._device, dtype=dtype)
            for _ in range(max(2, self._floats * 4 // (width * width * size)))
        ]
        x = torch.randn(1, width, device=self._device, dtype=dtype)

        def read() -> None:
            for weight in weights:
                torch.nn.functional.linear(x, weight)

        return len(weights) * width * width * size / self._best(read) / 1e9

    @property
    def _floats(self) -> int:
        """Float32 numbers in a buffer that no cache holds."""
        return _BUFFER_MIB[self._device.type] * 2**18

    def _best(self, work: Callable[[], object]) -> float:
        """Seconds of the fastest try."""
        work()
        best, began = float("inf"), time.perf_counter()
        while time.perf_counter() - began < self._seconds:
            self._wait()
            start = time.perf_counter()
            work()
            self._wait()
            best = min(best, time.perf_counter() - start)
        return best

    def _wait(self) -> None:
        if self._large:
            torch.cuda.synchronize()
