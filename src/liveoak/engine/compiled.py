"""A decoder's layers compiled for steps: the one seam to `torch.export` and Inductor.

The model is run as it is, to see what each layer is handed. Layers that differ in nothing but their weights share one
graph, which takes weights, slots and caches as inputs; it is kept on disk, so that a machine compiles a prior once.
Knows nothing of model families: whoever asks holds what comes out against the model's own logits.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from liveoak.adapters import Bank
from liveoak.engine import kernels
from liveoak.engine.layer import OURS, WATCHED, Layer, forwards, take
from liveoak.engine.step import MOST_ROWS, Step
from liveoak.errors import Unavailable
from liveoak.priors.cache import make_once
from liveoak.priors.quiet import quiet

_INDUCTOR = {"cpp.threads": 1, "compile_threads": 1}
"""What Inductor makes is too small to be shared among threads; the kernels share their own work."""
_SOURCES = ("compiled.py", "layer.py", "step.py", "attention.py", "kernels.py", "../adapters/bank.py")


def compile_layers(
    layers: list[Layer], stores: Mapping[int, tuple[Tensor, Tensor]], bank: Bank, *, config: Any, cache: Path
) -> Callable[[], None]:
    """From now on, passes of a compiled `Step` run these layers as compiled, and other passes as before. Returns what
    undoes that.

    `stores` are keys and values of any number of places.

    Raises:
        Unavailable: the layers cannot be compiled.
    """
    kinds = list(dict.fromkeys(layer.kind for layer in layers))
    first = {kind: next(layer for layer in layers if layer.kind == kind) for kind in kinds}

    def fill(folder: Path) -> dict[str, object]:
        for number, kind in enumerate(kinds):
            layer = first[kind]
            _compile(layer, stores[layer.cache], bank, folder / f"{number}.pt2")
        return {"kinds": kinds}

    folder = make_once(cache / "compiled" / _key(config, kinds), fill)
    try:
        graphs = [_load(folder / f"{number}.pt2") for number in range(len(kinds))]
    except Exception as error:  # the border: what was built may not fit a machine that has changed
        raise Unavailable(f"compiled layers in {str(folder)!r} cannot be loaded: {error}") from error
    undo = forwards(layer.module for layer in layers)
    for layer in layers:
        layer.module.forward = _switch(layer, graphs[kinds.index(layer.kind)])
    return undo


def _key(config: Any, kinds: list[str]) -> str:
    sources = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in _SOURCES] + [kernels.sources()]
    facts = [config.to_dict(), kinds, sources, _INDUCTOR, kernels.machine(), transformers.__version__]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


class _Graph(nn.Module):
    """A layer as a function of all the tensors that it reads. Its weights are arguments, not its own."""

    def __init__(self, layer: Layer, bank: Bank) -> None:
        super().__init__()
        self._parts = (layer, bank)

    def forward(
        self,
        handed: list[Tensor],
        rows: Tensor,
        keys: Tensor,
        values: Tensor,
        tables: list[Tensor],
        weights: list[Tensor],
    ) -> Tensor:
        layer, bank = self._parts
        step = Step(
            rows=rows, stores={layer.cache: (keys, values)}, tables=dict(zip(layer.targets, tables, strict=True))
        )
        args, kwargs = layer.called_with(handed)
        named = dict(zip(layer.weights, weights, strict=True))
        with bank.routed(step):
            return torch.func.functional_call(layer.module, named, args, {**kwargs, OURS: step})


def _compile(layer: Layer, store: tuple[Tensor, Tensor], bank: Bank, path: Path) -> None:
    handed = [tensor.clone(memory_format=torch.contiguous_format) for tensor in layer.handed]
    inputs = (
        handed,
        torch.zeros((WATCHED, 2), dtype=torch.long),
        *store,
        [torch.zeros((WATCHED, 4), dtype=torch.long) for _ in layer.targets],
        list(layer.weights.values()),
    )
    dim = torch.export.Dim
    tokens, places = dim("tokens", min=1, max=MOST_ROWS), dim("places")
    shapes = (
        [dict.fromkeys(growing, tokens) for growing in layer.growing],
        {0: tokens},
        {0: places},
        {0: places},
        [{0: tokens} for _ in layer.targets],
        [None for _ in layer.weights],
    )
    try:
        inductor = importlib.import_module("torch._inductor")
        with quiet(), torch.no_grad():
            program = torch.export.export(_Graph(layer, bank), inputs, dynamic_shapes=shapes)
            inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs={**_INDUCTOR})
    except Exception as error:  # the border: whatever other code makes of somebody's layers
        kind = type(layer.module).__name__
        raise Unavailable(f"layers of {kind} cannot be compiled: {type(error).__name__}: {str(error)[:500]}") from error


def _load(path: Path) -> Callable[[list[Tensor]], list[Tensor]]:
    # The loader itself: the function around it starts the compiler three times to see what the processor can do.
    native: Any = importlib.import_module("torch._C._aoti")
    return native.AOTIModelPackageLoader(str(path), "model", False, 1, -1).boxed_run


def _switch(layer: Layer, graph: Callable[[list[Tensor]], list[Tensor]]) -> Callable[..., Tensor]:
    """The layer's forward pass, by the graph where the pass is a compiled step."""
    own, weights = layer.module.forward, list(layer.weights.values())

    def forward(*args: Any, **kwargs: Any) -> Tensor:
        step = kwargs.get(OURS)
        if not isinstance(step, Step) or not step.compiled:
            return own(*args, **kwargs)
        inputs = [take(path, args, kwargs).contiguous() for path in layer.paths]
        inputs += (step.rows, *step.stores[layer.cache])
        inputs += [step.tables[target] for target in layer.targets]
        return graph(inputs + weights)[0]

    return forward
