"""Continuous batching: every reply under way gets one token a step, whoever asked for it.

A request joins as soon as there is room, finds the cache of an earlier request with the same beginning and the same
weights, and leaves when it is done. Any thread may call `step`; the engine's one thread computes it.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from liveoak.adapters import Route, Slot
from liveoak.engine.batch import Row
from liveoak.engine.engine import SLICE, Engine
from liveoak.engine.grammar import Grammars, Matcher
from liveoak.engine.pool import Pool, common_length
from liveoak.engine.sampling import Drawn, check_sampling, draw, generator_for
from liveoak.engine.scheduler import Kind
from liveoak.engine.step import MOST_ROWS, Places
from liveoak.engine.streaming import TextStream
from liveoak.errors import UserError
from liveoak.records import Finish, Sampling

CACHE_TOKENS = 16_384
"""Places of the pool: prompts and replies under way, and finished ones that may be found again."""
MAX_RUNNING = 32
"""Replies under way at once; further ones wait."""
BURST = 16
"""Steps of `generate` between two hand-overs to the computing thread: one a step took 7 to 16 % of decoding on two
cores, which the team fills."""
WORTH_WAITING = 16
"""Tokens of common beginning for which a new request waits a step instead of running them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Tokens to go on from, under one slot."""

    ids: tuple[int, ...]
    slot: Slot | None
    sampling: Sampling
    asker: str = ""
    """Whose request it is. Where many wait, those with the fewest replies under way come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A reply. `drawn` are its tokens, the one that ended it among them; `text` is what its listener was shown."""

    drawn: tuple[Drawn, ...]
    text: str
    finish: Finish
    stopped_by: str | None = None
    """The stop string that was met."""


Listener = Callable[[Drawn, str], None]
"""Told each token and the text that may now be shown."""


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket:
    """A request on its way. `done` is set when `completion` or `error` is there."""

    request: Request
    listener: Listener | None = None
    cancelled: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    completion: Completion | None = None
    error: Exception | None = None

    def result(self) -> Completion:
        """The reply. Raises what broke it off."""
        self.done.wait()
        if self.error is not None:
            raise self.error
        assert self.completion is not None
        return self.completion


class _Live:
    """A reply under way: what is cached, what is still to be run, what came out."""

    def __init__(self, ticket: Ticket, places: list[int], matcher: Matcher | None, stream: TextStream) -> None:
        self.ticket, self.matcher, self.stream = ticket, matcher, stream
        self.slot, self.sampling = ticket.request.slot, ticket.request.sampling
        self.ids = list(ticket.request.ids)
        self.places = places
        self.generator = generator_for(self.sampling)
        self.drawn: list[Drawn] = []
        self.need = len(self.ids) + self.sampling.max_tokens
        self.now = 0
        self.row = Places(self.need)
        self.made_by = self.weights
        """The weights that filled `places`."""
        self.activated = self.slot is not None and self.slot.activated
        self.reads = self.slot.since(self.ids, len(self.ids) - 1) if self.slot and self.activated else len(self.ids)
        """Tokens whose cache others may use: of an activated slot, those that the prior reads."""

    @property
    def pending(self) -> int:
        return len(self.ids) - len(self.places)

    def common_with(self, other: _Live) -> int:
        """How many tokens both begin with alike that the same weights read."""
        if self.read_by != other.read_by:
            return 0
        return min(common_length(self.ids, other.ids), self.reads, other.reads)

    def stretches(self, first: int) -> list[tuple[int, Slot | None]]:
        """From its token `first` on, how many of those that are run now go through which slot."""
        read = min(max(self.reads - first, 0), self.now) if self.activated else 0
        return [(count, slot) for count, slot in ((read, None), (self.now - read, self.slot)) if count]

    @property
    def read_by(self) -> int:
        """The weights that read these."""
        return 0 if self.activated else self.weights

    @property
    def weights(self) -> int:
        return 0 if self.slot is None else self.slot.stamp


class Decoder:
    """Replies for many requests at once over one engine.

    A decoder is of one kind: people's replies are served, a lesson's own questions are part of its study. Learning has
    a decoder of its own, so that neither waits in the other's queue or in its midst.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        kind: Kind = "serve",
        max_running: int = MAX_RUNNING,
        cache_tokens: int = CACHE_TOKENS,
    ) -> None:
        self.engine = engine
        self._kind: Kind = kind
        self.pool = Pool(capacity=cache_tokens, dtype=engine.dtype, device=engine.device)
        self._max_running = max_running
        self._waiting: deque[Ticket] = deque()
        self._guard = threading.Lock()
        """Of `_waiting`, which any thread may add to while a step looks through it."""
        self._live: list[_Live] = []
        tokenizer = engine.tokenizer
        self._vocabulary = int(engine.model.get_output_embeddings().weight.shape[0])
        self._grammars = Grammars(tokenizer.hf, self._vocabulary, tokenizer.stop_ids)
        self._route: tuple[tuple[int, ...], Route] | None = None

    @property
    def waiting(self) -> int:
        """Requests that have not begun."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Requests under way."""
        return len(self._live)

    def submit(self, request: Request, listener: Listener | None = None) -> Ticket:
        """Queue a request. It advances as somebody calls `step`.

        Raises:
            UserError: an empty prompt, one too long for the cache, unknown tokens, or sampling that means nothing.
        """
        check_sampling(request.sampling)
        if not request.ids:
            raise UserError("the prompt has no tokens")
        unknown = [id for id in (min(request.ids), max(request.ids)) if not 0 <= id < self._vocabulary]
        if unknown:
            raise UserError(f"the prompt holds token {unknown[0]!r}: expected 0 to {self._vocabulary - 1}")
        need = len(request.ids) + request.sampling.max_tokens
        if need > self.pool.capacity:
            raise UserError(f"prompt and reply need {need} tokens, the cache has room for {self.pool.capacity}")
        ticket = Ticket(request=request, listener=listener)
        with self._guard:
            self._waiting.append(ticket)
        return ticket

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """All the replies, run to their end; others' replies under way advance with them."""
        tickets: list[Ticket] = []
        try:
            tickets.extend(self.submit(request) for request in requests)
        except UserError:
            for ticket in tickets:
                ticket.cancelled = True
            raise
        while not all(ticket.done.is_set() for ticket in tickets):
            self.engine.infer(lambda: self._burst(tickets), self._kind)
        return [ticket.result() for ticket in tickets]

    def _burst(self, tickets: Sequence[Ticket]) -> None:
        for _ in range(BURST):
            self._step()
            if all(ticket.done.is_set() for ticket in tickets):
                return
            self.engine.breathe()

    def step(self) -> bool:
        """One token for each reply under way. False when there was nothing to do."""
        return self.engine.infer(self._step, self._kind)

    def _step(self) -> bool:
        self._drop_stale()
        self._drop_cancelled()
        self._admit()
        if not self._live:
            return False
        try:
            self._advance()
        except Exception as error:  # the border: whatever the model does, its askers are told
            self._abandon(error)
        return True

    def _admit(self) -> None:
        reserved = sum(live.need for live in self._live)
        while self._waiting and len(self._live) < self._max_running:
            ticket = self._next()
            need = len(ticket.request.ids) + ticket.request.sampling.max_tokens
            if reserved + need > self.pool.capacity:
                return
            with self._guard:
                self._waiting.remove(ticket)
            try:
                matcher = self._grammars.matcher(ticket.request.sampling)
            except Exception as error:  # the border: what one request asks for must not stop the others
                ticket.error = error
                ticket.done.set()
                continue
            live = _Live(ticket, [], matcher, TextStream(self.engine.tokenizer.decode, ticket.request.sampling.stop))
            if not live.sampling.exact:
                live.places = self.pool.find(live.read_by, live.ids[: live.reads + 1])
            self._live.append(live)
            reserved += need

    def _next(self) -> Ticket:
        """The first request of an asker who has fewest replies under way."""
        running = Counter(live.ticket.request.asker for live in self._live)
        with self._guard:
            return min(self._waiting, key=lambda ticket: running[ticket.request.asker])

    def _advance(self) -> None:
        # A beginning that several new requests share is run by the first and found by the rest a step later.
        budget, batch = SLICE, list[_Live]()
        for live in sorted(self._live, key=lambda live: live.pending):
            live.now = min(live.pending, max(budget, 1))
            if live.pending > 1:
                if budget <= 0 or self._will_be_shared(live, batch):
                    continue
                budget -= live.now
            batch.append(live)
        # Steps compute each row as if it were alone, so a reply's figures do not depend on who is reading a prompt.
        fast = self.engine.steps(self.pool)
        stepping = [live for live in batch if fast and live.pending == 1][:MOST_ROWS]
        reading = batch[len(stepping) :]
        self._settle(stepping, lambda: self._step_all(stepping))
        for live in reading:  # a prompt that a step has read to its end may have left them less to read
            live.now = min(live.now, live.pending)
        self._settle(reading, lambda: self._read(reading))

    def _settle(self, batch: list[_Live], run: Callable[[], Tensor]) -> None:
        """Run a batch; draw a token for each of it that has read all it has."""
        if not batch:
            return
        logits = run()
        for live, row in zip([live for live in batch if live.pending == 0], logits, strict=True):
            try:
                self._sample(live, row)
            except Exception as error:  # the border: damaged weights or a listener of one asker stop no other
                self._fail(live, error)

    def _step_all(self, batch: list[_Live]) -> Tensor:
        """Logits (T, V) of replies that have one token to read."""
        for live in batch:
            live.places.extend(self.pool.take(1))
        ids = [live.ids[len(live.places) - 1] for live in batch]
        rows = [live.row.follow(live.places) for live in batch]
        logits = self.engine.step(ids, rows, [live.slot for live in batch], self.pool)
        self._share_prompts(batch)
        return logits

    def _read(self, batch: list[_Live]) -> Tensor:
        """Logits (P, V) of the replies that have read all they have; the others have read a part."""
        hidden = self._run(batch)
        self._share_prompts(batch)
        ends, offset = list[int](), 0
        for live in batch:
            offset += live.now
            if live.pending == 0:
                ends.append(offset - 1)
        return self.engine.head(hidden[ends]) if ends else hidden.new_empty((0, 0))

    def _will_be_shared(self, live: _Live, batch: list[_Live]) -> bool:
        """Wait one step if somebody in this batch is about to cache much more of this prompt than is cached."""
        if live.drawn or live.sampling.exact:
            return False
        return any(
            not other.drawn and other.now > 1 and live.common_with(other) - len(live.places) >= WORTH_WAITING
            for other in batch
        )

    def _run(self, batch: list[_Live]) -> torch.Tensor:
        ids, positions, rows, write = list[int](), list[int](), list[Row](), list[int]()
        for live in batch:
            cached = len(live.places)
            new = self.pool.take(live.now)
            live.places.extend(new)
            rows.append(
                Row(
                    queries=torch.arange(len(ids), len(ids) + live.now),
                    keys=torch.tensor(live.places, dtype=torch.long),
                    first=cached,
                )
            )
            ids.extend(live.ids[cached : cached + live.now])
            positions.extend(range(cached, cached + live.now))
            write.extend(new)
        return self.engine.extend(ids, positions, rows, self._route_of(batch), self.pool, write)

    def _share_prompts(self, batch: list[_Live]) -> None:
        for live in batch:
            if live.pending == 0 and not live.drawn:
                self._share_prompt(live)

    def _share_prompt(self, live: _Live) -> None:
        """Let requests that wait for the same beginning find it now, in place of the shorter one that they have."""
        for other in self._live:
            if other is live or other.drawn or other.sampling.exact:
                continue
            common = min(live.common_with(other), len(other.ids) - 1)
            if common > len(other.places):
                held = self.pool.hold(live.places[:common])
                self.pool.release(other.places)
                other.places = held
                other.row.forget()

    def _route_of(self, batch: list[_Live]) -> Route:
        """The batch's route, kept while the batch stays the same, since it holds stacked weights."""
        parts = [part for live in batch for part in live.stretches(len(live.places) - live.now)]
        key = tuple(number for count, slot in parts for number in (count, 0 if slot is None else slot.stamp))
        if self._route is None or self._route[0] != key:
            self._route = (key, Route([count for count, _ in parts], [slot for _, slot in parts]))
        return self._route[1]

    def _sample(self, live: _Live, raw: torch.Tensor) -> None:
        allowed = raw if live.matcher is None else live.matcher.restrict(raw)
        drawn = draw(raw, allowed, live.sampling, live.generator)
        live.drawn.append(drawn)
        ended = drawn.id in self.engine.tokenizer.stop_ids
        piece = "" if ended else live.stream.push(drawn.id)
        if live.matcher is not None and not ended:
            live.matcher.advance(drawn.id)
            ended = live.matcher.finished
        ended = ended or live.stream.stopped_by is not None
        over = len(live.drawn) >= live.sampling.max_tokens
        if ended or over:
            piece += live.stream.flush()
        if live.ticket.listener is not None:
            live.ticket.listener(drawn, piece)
        if ended or over:
            self._finish(live, "stop" if ended else "length")
        else:
            live.ids.append(drawn.id)

    def _finish(self, live: _Live, finish: Finish) -> None:
        self._live.remove(live)
        kept = live.places[: live.reads] if live.activated else live.places
        self.pool.release(live.places[len(kept) :])
        if kept:
            self.pool.keep(0 if live.activated else live.made_by, live.ids[: len(kept)], kept)
        text = live.stream.shown if finish == "cancelled" else live.stream.text
        live.ticket.completion = Completion(
            drawn=tuple(live.drawn), text=text, finish=finish, stopped_by=live.stream.stopped_by
        )
        live.ticket.done.set()

    def _fail(self, live: _Live, error: Exception) -> None:
        if live in self._live:
            self._live.remove(live)
            self.pool.release(live.places)
        live.ticket.error = error
        live.ticket.done.set()

    def _drop_stale(self) -> None:
        """A slot that was published anew in the middle of a reply has no use for what its old weights cached."""
        for live in self._live:
            if live.made_by != live.weights:
                self.pool.release(live.places)
                live.places, live.made_by = [], live.weights
                live.row.forget()

    def _drop_cancelled(self) -> None:
        with self._guard:
            dropped = [ticket for ticket in self._waiting if ticket.cancelled]
            for ticket in dropped:
                self._waiting.remove(ticket)
        for ticket in dropped:
            ticket.completion = Completion(drawn=(), text="", finish="cancelled")
            ticket.done.set()
        for live in [live for live in self._live if live.ticket.cancelled]:
            self._finish(live, "cancelled")

    def _abandon(self, error: Exception) -> None:
        for live in list(self._live):
            self._fail(live, error)
