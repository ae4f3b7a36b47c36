"""One side of a comparison in a process of its own, so that threads and memory of the sides do not mix.

Jobs and answers are lines of JSON over a pair of pipes of their own: libraries may print what they like.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from liveoak import garbage
from liveoak.errors import LiveoakError, Unavailable
from liveoak.lab.bench.jobs import CALLS, Setup, Wire

Answer = TypeVar("Answer", bound=Wire)
PATIENCE = 1800.0
"""Seconds after which a side that says nothing is given up."""


class Side:
    """A process that holds one side. `target` is `module:Class`, made with a `Setup`."""

    def __init__(self, target: str, setup: Setup, *, limit: float = PATIENCE) -> None:
        self._target, self._limit = target, limit
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        to_child, jobs = os.pipe()
        answers, from_child = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, target, str(to_child), str(from_child), setup.model_dump_json()],
            pass_fds=(to_child, from_child),
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            env={**os.environ, "OMP_NUM_THREADS": str(setup.threads), "TOKENIZERS_PARALLELISM": "false"},
        )
        os.close(to_child)
        os.close(from_child)
        self._jobs: IO[bytes] = os.fdopen(jobs, "wb")
        self._answers: IO[bytes] = os.fdopen(answers, "rb")
        self.peak_mib = 0.0
        """Most memory that the process held during the last call."""
        try:
            self._receive()
        except BaseException:
            self.close()
            raise

    def call(self, name: str, job: Wire, answer: type[Answer]) -> Answer:
        """Have the side do one job.

        Raises:
            Unavailable: the side said why it cannot, broke off, or took longer than its limit.
        """
        try:
            self._jobs.write(json.dumps({"call": name, "job": job.model_dump(mode="json")}).encode() + b"\n")
            self._jobs.flush()
        except OSError as error:
            raise Unavailable(f"{self._target}: gone ({error}); it said: {self._last_words()}") from None
        return answer.model_validate(self._receive())

    def _receive(self) -> Any:
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            if not selector.select(self._limit):
                self.close()
                raise Unavailable(f"{self._target}: no answer within {self._limit:g} s")
        line = self._answers.readline()
        if not line:
            raise Unavailable(f"{self._target}: broke off; it said: {self._last_words()}")
        said = json.loads(line)
        if "error" in said:
            raise Unavailable(f"{self._target}: {said['error']}")
        self.peak_mib = float(said["peak_mib"])
        return said["answer"]

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else "nothing"

    def close(self) -> None:
        """End the process. A second time does nothing."""
        for pipe in (self._jobs, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._said.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def main(target: str, jobs: int, answers: int, setup: str) -> None:
    """The process of a side: make it, then do jobs until the pipe is closed."""
    # Ctrl-C reaches the whole group; the parent ends its sides itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    with os.fdopen(jobs, "rb") as asked, os.fdopen(answers, "wb") as told:

        def tell(said: dict[str, Any]) -> None:
            told.write(json.dumps(said).encode() + b"\n")
            told.flush()

        try:
            garbage.look_seldom()
            module, _, name = target.partition(":")
            side = getattr(importlib.import_module(module), name)(Setup.model_validate_json(setup))
        except Exception as error:  # the border of the process: whatever a peer does is told to the parent
            tell({"error": _told(error)})
            return
        garbage.look_as_usual()
        tell({"answer": None, "peak_mib": 0.0})
        for line in asked:
            try:
                said = json.loads(line)
                wanted, _ = CALLS[said["call"]]
                with _peak() as peak:
                    answer = getattr(side, said["call"])(wanted.model_validate(said["job"]))
                tell({"answer": answer.model_dump(mode="json"), "peak_mib": peak[0]})
            except Exception as error:  # the border of the process
                tell({"error": _told(error)})


def _end_with(parent: int) -> None:
    """A parent that was killed could not end its sides: they end in the midst of a job."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _told(error: Exception) -> str:
    words = " ".join(str(error).split())[:300]
    return words if isinstance(error, LiveoakError) else f"{type(error).__name__}: {words}"


@contextlib.contextmanager
def _peak() -> Generator[list[float]]:
    """Gives most MiB held inside, once through: of the accelerator where one is in use, else of the process."""
    peak = [0.0]
    cuda = _cuda()
    if cuda is not None:
        cuda.reset_peak_memory_stats()
    else:
        with contextlib.suppress(OSError):
            # Sets the kernel's high-water mark back to what is held now; without leave it stays that of the process.
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    yield peak
    peak[0] = cuda.max_memory_allocated() / 2**20 if cuda is not None else resident("VmHWM")


def _cuda() -> Any:
    """torch's CUDA module where it has been used."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return cuda if cuda is not None and cuda.is_initialized() else None


def resident(field: str = "VmRSS") -> float:
    """MiB that this process holds now (`VmRSS`), or held at most (`VmHWM`)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
