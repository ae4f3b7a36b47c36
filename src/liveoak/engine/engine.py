"""The engine: one copy of the prior, run for whoever asks.

Serving and learning share it, and the one thread that computes: both hand it their work (`run`, `infer`). Work of
learning breathes at every layer, forward and backward, so that a reply is delayed by a turn and not by a lesson.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from collections.abc import Sequence as Seq
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from liveoak.adapters import Bank, Ours, Route, Slot, frozen
from liveoak.adapters.operators import DTYPES
from liveoak.engine import kernels
from liveoak.engine.attention import NAME, Pass, Past
from liveoak.engine.batch import Plan, Row, Sequence, activated, read_first, rows_of
from liveoak.engine.faithful import (
    TEXTS,
    own_logits,
    require_faithful,
    require_same,
    scrambled,
    stepped_logits,
)
from liveoak.engine.fused import fuse
from liveoak.engine.layer import OURS, layers_of
from liveoak.engine.pool import Pool
from liveoak.engine.positions import pin_positions
from liveoak.engine.readings import Laid, Readings, Unread
from liveoak.engine.scheduler import Kind, Scheduler
from liveoak.engine.stepper import Stepper
from liveoak.engine.stretch import Stretch, stretchable
from liveoak.errors import Unavailable, UserError
from liveoak.priors import Prior

T = TypeVar("T")
_log = logging.getLogger(__name__)
SLICE = 384
"""Tokens that work which can wait runs at once, which bounds its memory, and on a GPU how long a reply waits for it."""

TRIAL_PLACES = 64
"""Places of the pool that compiled steps are tried with."""


class Engine:
    """Runs the prior over packed sequences under their slots.

    Its methods compute in the thread that calls them; work that counts is handed to `run` or `infer`.

    Raises:
        UserError: the prior is of a kind that cannot be run so.
    """

    def __init__(self, prior: Prior, scheduler: Scheduler | None = None) -> None:
        """Without a scheduler it makes one of its own."""
        self.prior, self.scheduler = prior, scheduler or Scheduler()
        self.tokenizer = prior.tokenizer
        self.model: Any = prior.model
        kind = type(self.model).__name__
        self._head: Any = self.model.get_output_embeddings()
        pin_positions(self.model)
        self.vocabulary = int(self._head.weight.shape[0])
        """Tokens that the head knows; often more than the tokenizer has."""
        samples = [self.tokenizer.encode(text)[:most] for text, most in TEXTS]
        own = self.infer(lambda: own_logits(self.model, samples, self._head.weight.device))
        self._decoder: Any = self.model.get_decoder()
        self.bank = Bank(self.model, self._head)
        self.model.set_attn_implementation(NAME)
        config = self.model.config.get_text_config()
        self._softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self._scale = _logit_scale(config)
        self.device, self.dtype = self.bank.device, self.bank.dtype
        self._breathes_within = self.device.type == "cpu"
        """On a GPU a pass is short, and its backward part runs in a thread of torch's own."""
        self._stepper: Stepper | None = None
        self._fused = False
        """Our operators run what stands between the products of a pass."""
        self._layers = 0
        """How many there are, where a pass may go through some of them; else 0."""
        try:
            found = self.infer(lambda: self._whole(samples, None))
        except Exception as error:  # the border: whatever other code does with our attention
            raise UserError(f"prior {prior.name!r} is a {kind}, which this engine cannot run: {error}") from error
        require_faithful(found, own, prior=prior.name, kind=kind)
        self.infer(lambda: self._stretch(samples, found))

    def hidden(self, batch: Seq[Sequence]) -> Tensor:
        """Last hidden states (T, width) of all tokens, in the order of the batch, each sequence under its slot from its
        first token on. Gradients flow if enabled."""
        rows, positions = rows_of(batch)
        return self._pass(batch, positions, Pass(plan=Plan(rows, self.device)))

    def _pass(self, batch: Seq[Sequence], positions: Seq[int], carried: Pass) -> Tensor:
        ids = [token for sequence in batch for token in sequence.ids]
        route = Route([len(s.ids) for s in batch], [s.slot for s in batch])
        return self._run(ids, positions, route, carried)

    def wanted(self, batch: Seq[Sequence], readings: Readings | None = None) -> Tensor:
        """Last hidden states (P, width) at the wanted positions of each sequence in order.

        With gradients, or `readings`, what the slots leave as it is runs apart and without gradients: all layers below
        the first that any of them changes, and what the prior reads before activated ones, of which nothing is kept but
        keys and values. What `readings` (of `self.readings`) have is not run again.
        """
        batch = activated(batch)
        if not torch.is_grad_enabled() and readings is None:
            rows, positions = rows_of(batch)
            return self._at_wanted(batch, self._pass(batch, positions, Pass(plan=Plan(rows, self.device))))
        batch, read = read_first(batch)
        first = self._first_changed([sequence.slot for sequence in batch])
        if readings is None or (first is not None and readings.layer > first):
            readings = self._readings(first or 0)
        rows, positions = rows_of(batch)
        laid = self._read(batch, read, readings)
        tokens = sum(len(sequence.ids) for sequence in batch[:read])
        later = [replace(row, queries=row.queries - tokens) for row in rows[read:]]
        carried = Pass(
            plan=Plan(later, self.device),
            past=Past(readings.above, torch.tensor(laid.read, device=self.device)) if read else None,
            stretch=self._from(readings, laid.said),
        )
        return self._at_wanted(batch[read:], self._pass(batch[read:], positions[tokens:], carried))

    def readings(self, slots: Seq[Slot]) -> Readings:
        """What keeps what the prior reads for passes under these slots."""
        return self._readings(self._first_changed(slots) or 0)

    def _readings(self, layer: int) -> Readings:
        return Readings(layer=layer, dtype=self.dtype, device=self.device)

    def _first_changed(self, slots: Seq[Slot | None]) -> int | None:
        """The first layer that any of these changes, where passes may begin; None: there is none."""
        layout, stretches = self.bank.layout, self._layers > 0
        return min((layout.layer(slot.first) if stretches else 0 for slot in slots if slot is not None), default=None)

    def _from(self, readings: Readings, places: Seq[int]) -> Stretch | None:
        """The stretch from the first changed layer to the last one, of tokens at these places."""
        if not readings.layer:
            return None
        return Stretch(begin=readings.layer, end=self._layers, states=readings.states(places))

    @torch.no_grad()
    def _read(self, batch: Seq[Sequence], read: int, readings: Readings) -> Laid:
        """Find a batch in `readings`, and run what they do not have yet."""
        try:
            laid = readings.lay(batch, read)
            if laid.below.ids:
                stretch = Stretch(begin=0, end=readings.layer)
                self._into(readings.below, laid.below, stretch)
                assert stretch.reached is not None
                readings.keep(laid.below.places, stretch.reached)
            if laid.above.ids:
                self._into(readings.above, laid.above, self._from(readings, laid.handed))
        except BaseException:
            readings.forget()
            raise
        return laid

    def _into(self, pool: Pool, tokens: Unread, stretch: Stretch | None) -> None:
        """Run tokens under the prior itself, and keep their keys and values."""
        write = torch.tensor(tokens.places, device=self.device)
        carried = Pass(plan=Plan(tokens.rows, self.device), pool=pool, write=write, stretch=stretch)
        self._run(tokens.ids, tokens.positions, Route([len(tokens.ids)], [None]), carried)

    def _at_wanted(self, batch: Seq[Sequence], hidden: Tensor) -> Tensor:
        """hidden (T, width) -> (P, width)."""
        places: list[int] = []
        start = 0
        for sequence in batch:
            places.extend(start + position for position in sequence.wanted)
            start += len(sequence.ids)
        return hidden.index_select(0, torch.tensor(places, dtype=torch.long, device=self.device))

    def logits(self, batch: Seq[Sequence], readings: Readings | None = None) -> Tensor:
        """Next-token logits (P, V), in float32 or wider, at the wanted positions of each sequence in order.
        `readings` as for `wanted`."""
        return self.head(self.wanted(batch, readings))

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (P, V), in float32 or wider, of hidden states (P, width)."""
        return precise(self.plain_head(hidden))

    def plain_head(self, hidden: Tensor) -> Tensor:
        """The same in the prior's number format, where nothing is done to them after the product. Rows are a whole
        vocabulary wide: making them wider is left to who needs it."""
        product = self.bank.head
        if product is None:
            return self._scaled(self._head(hidden))
        return self._scaled(frozen(hidden, product) if torch.is_grad_enabled() else product.there(hidden))

    def _scaled(self, logits: Tensor) -> Tensor:
        if self._scale == 1 and self._softcap is None:
            return logits
        logits = precise(logits)
        if self._scale != 1:
            logits = logits * self._scale
        if self._softcap is not None:
            logits = self._softcap * torch.tanh(logits / self._softcap)
        return logits

    def extend(
        self, ids: Seq[int], positions: Seq[int], rows: Seq[Row], route: Route, pool: Pool, write: Seq[int]
    ) -> Tensor:
        """Hidden states of new tokens whose past lies in the pool; they are added to it."""
        places = torch.tensor(write, dtype=torch.long, device=self.device)
        return self._run(ids, positions, route, Pass(plan=Plan(rows, self.device), pool=pool, write=places))

    def compile(self, cache: Path) -> None:
        """Make passes and steps of decoding fast, if the machine and the prior allow it; built into `cache` once.

        Raises:
            Unavailable: they do not; the engine goes on as far as they do.
        """
        self.run(lambda: self._compile(cache))

    @torch.no_grad()
    def _compile(self, cache: Path) -> None:
        if self.device.type != "cpu" or self.dtype not in DTYPES:
            raise Unavailable(f"steps are compiled for float32 and bfloat16 on CPUs, not {self.dtype} on {self.device}")
        kernels.load(cache)
        samples = [self.tokenizer.encode(text)[:most] for text, most in TEXTS]
        tried = {slot: self._whole(samples, slot) for slot in (None, scrambled(self.bank))}
        try:
            self.bank.pack()
        except (AttributeError, RuntimeError) as error:  # torch's own, and not of its stable interface
            self.bank.unpack()
            _log.info("the layers' products stay as they are: %s", error)
        try:
            self._stepper = self._stepping(samples, tried, cache)
            self._fuse(samples, tried)
        except BaseException:
            self.bank.unpack()
            raise

    def _stepping(self, samples: Seq[Seq[int]], tried: Mapping[Slot | None, Tensor], cache: Path) -> Stepper:
        """What runs steps, if it makes the logits that whole passes made of the samples."""
        pool = Pool(capacity=TRIAL_PLACES, dtype=self.dtype, device=self.device)
        stepper = Stepper(self._decoder, self.bank, self._head, pool=pool, cache=cache)
        with self._tried("steps", stepper.undo):
            for slot, own in tried.items():
                found = precise(self._scaled(stepped_logits(stepper, samples, slot, pool)))
                require_same(found, own, what="compiled steps", dtype=self.dtype)
        return stepper

    def _fuse(self, samples: Seq[Seq[int]], tried: Mapping[Slot | None, Tensor]) -> None:
        """Have our operators run passes, if they make the logits that the model's own code made of the samples."""
        give_back, before = fuse(self._decoder), self.bank.changes
        self._fused, self.bank.changes = True, Ours

        def undo() -> None:
            give_back()
            self._fused, self.bank.changes = False, before

        with self._tried("fused passes", undo):
            for slot, own in tried.items():
                require_same(self._whole(samples, slot), own, what="fused passes", dtype=self.dtype)

    @contextmanager
    def _tried(self, what: str, undo: Callable[[], None]) -> Generator[None]:
        """The border to other code that runs inside: where it breaks, or makes other logits, `what` is undone."""
        try:
            yield
        except Unavailable:
            undo()
            raise
        except Exception as error:
            undo()
            raise Unavailable(f"{what} of {type(self.model).__name__} cannot be run: {error}") from error

    def _stretch(self, samples: Seq[Seq[int]], own: Tensor) -> None:
        """Let passes go through some of the layers, if two stretches make the logits `own` that one pass made."""
        try:
            layers = layers_of(self._decoder)
            stretchable(layers, _stretch_of)
            self._layers = len(layers)
            batch = [Sequence(ids=tuple(ids), wanted=tuple(range(len(ids)))) for ids in samples]
            halves = self.wanted(batch, self._readings(len(layers) // 2))
            require_same(self.head(halves), own, what="passes in two stretches", dtype=self.dtype)
        except Exception as error:  # the border: whatever other code does with its layers
            _log.info("passes always run all layers: %s", error)
            self._layers = 0

    def _whole(self, samples: Seq[Seq[int]], slot: Slot | None) -> Tensor:
        return self.logits([Sequence(ids=tuple(ids), slot=slot, wanted=tuple(range(len(ids)))) for ids in samples])

    def steps(self, pool: Pool) -> bool:
        """Whether `step` can be asked for."""
        return self._stepper is not None and bool(pool.stores)

    def step(self, ids: Seq[int], rows: Seq[tuple[int, int]], slots: Seq[Slot | None], pool: Pool) -> Tensor:
        """Logits (T, V) of one new token for each of T sequences, as `Stepper.logits`, in float32 or wider."""
        assert self._stepper is not None
        return precise(self._scaled(self._stepper.logits(ids, rows, slots, pool)))

    def _run(self, ids: Seq[int], positions: Seq[int], route: Route, carried: Pass) -> Tensor:
        if not len(ids) == len(positions) == route.tokens:  # our operators, given addresses, would not find out
            raise ValueError(f"{len(ids)} tokens at {len(positions)} positions, routed as {route.tokens}")
        breathes = self._breathes_within and self.scheduler.can_breathe
        carried = replace(carried, fused=self._fused, breathe=self.scheduler.breathe if breathes else None)
        with self.bank.routed(route):
            result = self._decoder(
                input_ids=torch.tensor([list(ids)], device=self.device),
                position_ids=torch.tensor([list(positions)], device=self.device),
                use_cache=False,
                liveoak=carried,
            )
        return result.last_hidden_state[0]

    def run(self, work: Callable[[], T], kind: Kind = "study") -> T:
        """Have `work` computed, and wait for it. Raises what it raises, and Unavailable once the engine is closed."""
        return self.scheduler.run(work, kind)

    def infer(self, work: Callable[[], T], kind: Kind = "study") -> T:
        """The same without gradients; a tensor that it returns is none that a backward pass may keep."""
        return self.scheduler.run(lambda: _without_gradients(work), kind)

    def breathe(self) -> None:
        """Called by work of learning between its parts: replies that are due go first."""
        self.scheduler.breathe()

    def close(self) -> None:
        """Compute nothing any more."""
        self.scheduler.close()


def _stretch_of(kwargs: Mapping[str, Any]) -> Stretch | None:
    carried = kwargs.get(OURS)
    return carried.stretch if isinstance(carried, Pass) else None


def _without_gradients(work: Callable[[], T]) -> T:
    with torch.inference_mode():
        return work()


def precise(logits: Tensor) -> Tensor:
    """In float32 or wider."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _logit_scale(config: Any) -> float:
    """What some families multiply their logits by (Cohere), or divide them by (Granite)."""
    return float(getattr(config, "logit_scale", None) or 1) / float(getattr(config, "logits_scaling", None) or 1)
