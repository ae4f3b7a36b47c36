"""Passes through some of a decoder's layers: up to those that adapters change, or from there on.

Knows no family of models: whoever asks holds what two stretches make of a text against what one pass makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

HANDED = "hidden_states"
"""What layers call the states that they are handed, where it is not their first argument."""


@dataclass(slots=True, kw_only=True)
class Stretch:
    """Layers `begin` to `end`, the last one left out, of one pass of T tokens."""

    begin: int
    end: int
    states: Tensor | None = None
    """(T, width): what layer `begin` is handed; None, where `begin` is 0: the tokens' embeddings."""
    reached: Tensor | None = None
    """(T, width): what layer `end` would have been handed, once the pass is through; None where there is none."""

    def through(self, place: int, own: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Layer `place`'s forward pass, or its input as it is."""
        hidden: Tensor = args[0] if args else kwargs[HANDED]
        if place == self.begin and self.states is not None:
            hidden = self.states.unsqueeze(0)
            args, kwargs = ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, HANDED: hidden})
        if self.begin <= place < self.end:
            return own(*args, **kwargs)
        if place == self.end:
            self.reached = hidden[0]
        return hidden


def stretchable(layers: Sequence[nn.Module], of: Callable[[dict[str, Any]], Stretch | None]) -> None:
    """Have the layers ask `of` their keyword arguments which stretch a pass goes through; None: all."""
    for place, layer in enumerate(layers):
        layer.forward = _asking(place, layer.forward, of)


def _asking(
    place: int, own: Callable[..., Tensor], of: Callable[[dict[str, Any]], Stretch | None]
) -> Callable[..., Tensor]:
    def forward(*args: Any, **kwargs: Any) -> Tensor:
        stretch = of(kwargs)
        return own(*args, **kwargs) if stretch is None else stretch.through(place, own, args, kwargs)

    return forward
