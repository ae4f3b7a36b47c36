"""llama.cpp on the GGUF file that the prior is made from, quantised as it is: fewer bytes a token than our copy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from liveoak.errors import Unavailable
from liveoak.lab.bench import jobs
from liveoak.lab.bench.peers.found import need
from liveoak.priors import KNOWN
from liveoak.priors.cache import make_once
from liveoak.priors.fetch import fetch_gguf

_CONTEXT = 1024


class Llama:
    """One sequence at a time."""

    def __init__(self, setup: jobs.Setup) -> None:
        llama_cpp = need("llama_cpp", package="llama-cpp-python")
        self._model: Any = llama_cpp.Llama(
            model_path=str(_file(setup.prior, Path(setup.cache))),
            n_ctx=_CONTEXT,
            n_threads=setup.threads,
            n_threads_batch=setup.threads,
            n_gpu_layers=-1 if setup.device == "cuda" else 0,
            verbose=False,
        )

    def decode(self, job: jobs.DecodeJob) -> jobs.Decoded:
        if len(job.prompts) != 1 or job.adapters:
            raise Unavailable("this side answers one prompt at a time, without adapters")
        times: list[float] = []
        began = time.perf_counter()
        for _ in self._model.generate(list(job.prompts[0]), temp=0.0):
            times.append(time.perf_counter() - began)
            if len(times) == job.tokens:
                break
        return jobs.Decoded(times=(tuple(times),))


def _file(prior: str, cache: Path) -> Path:
    """
    Raises:
        Unavailable: the prior is not made from a GGUF file, or that cannot be fetched.
    """
    if prior.startswith("gguf:"):
        return Path(prior.removeprefix("gguf:")).expanduser()
    known = KNOWN.get(prior)
    if known is None:
        raise Unavailable(f"prior {prior!r} is not made from a GGUF file")

    def fill(partial: Path) -> dict[str, object]:
        fetch_gguf(known, into=partial, cache=cache, progress=None)
        return {"prior": known.name, "source": known.sha256}

    return make_once(cache / "gguf" / f"{known.name}-{known.sha256[:12]}", fill) / f"{known.name}.gguf"
