"""The layers of a decoder as they are called: which tensors they are handed, and which of those grow with the batch.

Seen by watching the model run, so that nothing is assumed of how its family hands things on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from torch import Tensor, nn

from liveoak.adapters.bank import SlottedLinear
from liveoak.errors import Unavailable

Path = tuple[Any, ...]
"""Where in a call's arguments a tensor is: 0 for the positional ones or 1 for the others, then keys."""
OURS = "liveoak"
"""The argument that the engine adds; it is no part of a call."""
WATCHED = 3
"""Rows of the pass whose calls are kept."""
_BY_PLACE = frozenset({"layer_idx", "index", "training"})
"""Attributes that number a layer: they do not make it another kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer and one call of it."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    paths: tuple[Path, ...]
    """Of the tensors among the arguments."""
    growing: tuple[tuple[int, ...], ...]
    """For each of them, the dimensions that are as long as the step has rows."""
    cache: int
    """The layer's number in the pool."""
    targets: tuple[int, ...]
    """Its linear layers."""
    weights: dict[str, Tensor]
    """All that it reads besides."""

    @property
    def handed(self) -> list[Tensor]:
        """The tensors among the arguments."""
        return [take(path, self.args, self.kwargs) for path in self.paths]

    @property
    def kind(self) -> str:
        """Layers of one kind compute the same but for their weights."""
        modules = [
            (name, type(module).__qualname__, sorted((k, repr(v)) for k, v in vars(module).items() if _tells(k, v)))
            for name, module in self.module.named_modules()
        ]
        weights = [(name, tuple(weight.shape), weight.dtype) for name, weight in self.weights.items()]
        handed = [(path, tensor.dtype, tensor.shape) for path, tensor in zip(self.paths, self.handed, strict=True)]
        return repr((modules, weights, handed, _without_tensors(self.args), _without_tensors(self.kwargs)))

    def called_with(self, handed: Sequence[Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call's arguments with these tensors in place of its own."""
        others = iter(handed)
        return _replaced(self.args, others), _replaced(self.kwargs, others)


def watch(decoder: Any, run: Callable[[int], None]) -> list[Layer]:
    """The decoder's layers, as `run(rows)` calls them.

    Raises:
        Unavailable: they cannot be found, or are not called in a way that steps could be compiled for.
    """
    modules = layers_of(decoder)
    few, many = _calls(modules, run, WATCHED - 1), _calls(modules, run, WATCHED)
    return [_layer(module, *calls) for module, *calls in zip(modules, few, many, strict=True)]


def take(path: Path, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """The tensor at `path`."""
    found: Any = kwargs if path[0] else args
    for key in path[1:]:
        found = found[key]
    return found


def forwards(modules: Iterable[nn.Module]) -> Callable[[], None]:
    """What gives modules the `forward` back that they have now."""
    before = [(module, vars(module).get("forward")) for module in modules]

    def undo() -> None:
        for module, forward in before:
            vars(module).pop("forward", None)
            if forward is not None:
                module.forward = forward

    return undo


Call = tuple[tuple[Any, ...], dict[str, Any]]


def layers_of(decoder: Any) -> list[nn.Module]:
    """
    Raises:
        Unavailable: they cannot be found.
    """
    count = decoder.config.get_text_config().num_hidden_layers
    for child in decoder.children():
        if isinstance(child, nn.ModuleList) and len(child) == count:
            return list(child)
    raise Unavailable(f"no list of {count} layers is found in {type(decoder).__name__}")


def _calls(modules: list[nn.Module], run: Callable[[int], None], rows: int) -> list[Call]:
    calls: dict[nn.Module, list[Call]] = {module: [] for module in modules}

    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls[module].append((args, {key: value for key, value in kwargs.items() if key != OURS}))

    hooks = [module.register_forward_pre_hook(note, with_kwargs=True) for module in modules]
    try:
        run(rows)
    finally:
        for hook in hooks:
            hook.remove()
    if any(len(each) != 1 for each in calls.values()):
        raise Unavailable("a layer is not called once a pass")
    return [each[0] for each in calls.values()]


def _layer(module: nn.Module, few: Call, many: Call) -> Layer:
    """Its calls with one row fewer than `WATCHED`, and with as many."""
    paths = tuple(_paths(many, ()))
    if tuple(_paths(few, ())) != paths:
        raise Unavailable("a layer's arguments depend on the size of the batch")
    growing: list[tuple[int, ...]] = []
    for path in paths:
        shapes = take(path, *few).shape, take(path, *many).shape
        grown = [d for d, (a, b) in enumerate(zip(*shapes, strict=True)) if a != b]
        if any(shapes[0][d] != WATCHED - 1 or shapes[1][d] != WATCHED for d in grown):
            raise Unavailable(f"a layer is handed a tensor of shape {tuple(shapes[1])} for {WATCHED} rows")
        growing.append(tuple(grown))
    caches = {found for part in module.modules() if isinstance(found := getattr(part, "layer_idx", None), int)}
    weights = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if len(caches) != 1 or not all(weight.is_contiguous() for weight in weights.values()):
        raise Unavailable("a layer has no cache of its own, or weights that are strided")
    return Layer(
        module=module,
        args=many[0],
        kwargs=many[1],
        paths=paths,
        growing=tuple(growing),
        cache=caches.pop(),
        targets=tuple(part.index for part in module.modules() if isinstance(part, SlottedLinear)),
        weights=weights,
    )


def _tells(name: str, value: Any) -> bool:
    """Attributes by which two layers of one class may differ."""
    plain = isinstance(value, (bool, int, float, str, type(None)))
    return plain and name not in _BY_PLACE and not name.startswith("_")


def _paths(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, Tensor):
        yield path
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _paths(part, (*path, key))
    elif isinstance(value, (tuple, list)):
        for place, part in enumerate(value):
            yield from _paths(part, (*path, place))


def _replaced(value: Any, others: Iterator[Any]) -> Any:
    """`value` with its tensors, in the order of their paths, replaced."""
    if isinstance(value, Tensor):
        return next(others)
    if isinstance(value, dict):
        return {key: _replaced(part, others) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_replaced(part, others) for part in value)
    return value


def _without_tensors(value: Any) -> Any:
    return _replaced(value, repeat(Ellipsis))
