"""Runs steps of decoding: the fast way for sequences that each have one new token.

Knows the decoder, its bank and the pool. Knows nothing of requests, nor of how a token is drawn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from liveoak.adapters import Bank, Route, Slot
from liveoak.engine import kernels
from liveoak.engine.attention import Pass
from liveoak.engine.batch import Plan, Row
from liveoak.engine.compiled import compile_layers
from liveoak.engine.layer import watch
from liveoak.engine.pool import Pool
from liveoak.engine.step import Step, tables_of
from liveoak.errors import Unavailable

_log = logging.getLogger(__name__)


class Stepper:
    """Steps over one decoder, whose layers it compiles if they can be.

    Raises:
        Unavailable: not on this machine, or not for this prior.
    """

    def __init__(self, decoder: Any, bank: Bank, head: Any, *, pool: Pool, cache: Path) -> None:
        """`pool` is one to try the layers with; `cache` keeps what is built. The bank is packed."""
        self._decoder, self._bank = decoder, bank
        if bank.head is None or not bank.head.weight.is_contiguous():
            raise Unavailable(f"logits are made by a {type(head).__name__}, expected a plain linear layer")
        self._head = bank.head
        own = [product.weight for product in bank.products]
        reads = [product.weight if product.panels is None else product.panels for product in bank.products]
        *self._weights, self._weight = reads
        read = {id(weight): instead for weight, instead in zip(own, reads, strict=True)}
        self.compiled = True
        """Layers run as compiled; else the kernels alone are faster than nothing."""
        self._targets = len(bank.layout.targets)
        self._slots: tuple[Slot | None, ...] = ()
        self._tables: tuple[tuple[int, ...], list[Tensor]] | None = None
        layers = [
            replace(layer, weights={name: read.get(id(weight), weight) for name, weight in layer.weights.items()})
            for layer in watch(decoder, lambda rows: self._run_packed(rows, pool))
        ]
        self.undo: Callable[[], None] = lambda: None
        """Gives the layers back to themselves: the stepper is not used any more."""
        try:
            self.undo = compile_layers(layers, pool.stores, bank, config=decoder.config, cache=cache)
        except Unavailable as error:
            _log.info("steps run on the kernels alone: %s", error)
            self.compiled = False

    def logits(
        self, ids: Sequence[int], rows: Sequence[tuple[int, int]], slots: Sequence[Slot | None], pool: Pool
    ) -> Tensor:
        """Raw next-token logits (T, V) of new tokens `ids` (T), in the prior's number format.

        Each comes with the address and number of its sequence's places in the pool, its own the last, and its slot.
        The pool has seen tokens before.
        """
        step = Step(
            rows=torch.tensor(rows),
            stores=pool.stores,
            tables=self._tables_of(slots),
            weights=self._weights,
            compiled=self.compiled,
        )
        with self._bank.routed(step):
            hidden = self._run(list(ids), [count - 1 for _, count in rows], step)
        return kernels.linear(hidden, self._weight, len(self._head.weight), self._head.bias, None)

    def _tables_of(self, slots: Sequence[Slot | None]) -> list[Tensor]:
        """Kept while the same slots step together; they are held, since their weights are read by address."""
        key = tuple(0 if slot is None else slot.stamp for slot in slots)
        if self._tables is None or self._tables[0] != key:
            self._tables, self._slots = (key, tables_of(slots, self._targets)), tuple(slots)
        return self._tables[1]

    def _run_packed(self, rows: int, pool: Pool) -> None:
        places = pool.take(rows)
        each = [Row(queries=torch.tensor([i]), keys=torch.tensor([place]), first=0) for i, place in enumerate(places)]
        plan = Plan(each, self._bank.device)
        with self._bank.routed(Route([1] * rows, [None] * rows)):
            self._run([0] * rows, [0] * rows, Pass(plan=plan, pool=pool, write=torch.tensor(places)))
        pool.release(places)

    def _run(self, ids: list[int], positions: list[int], carried: Step | Pass) -> Tensor:
        result = self._decoder(
            input_ids=torch.tensor([ids]), position_ids=torch.tensor([positions]), use_cache=False, liveoak=carried
        )
        return result.last_hidden_state[0]
