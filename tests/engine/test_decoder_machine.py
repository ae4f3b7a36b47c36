"""Any order of asking, cancelling, learning and failing: replies are their own, and no place of the pool is lost."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tiny_priors import some_ids, stirred, tiny_engine

from liveoak.adapters import Slot
from liveoak.engine import Completion, Decoder, Drawn, Engine, Request, Ticket
from liveoak.errors import LiveoakError
from liveoak.records import Sampling

ROOM = 48


@cache
def engine() -> Engine:
    """In float64, where no sum in another order turns a draw over."""
    return tiny_engine("mistral", dtype=torch.float64)


@cache
def slots() -> tuple[Slot | None, ...]:
    """The last is damaged: its logits are no numbers."""
    bank = engine().bank
    broken = stirred(bank, rank=2, seed=9)
    broken.master.fill_(float("nan"))
    broken.publish()
    return None, stirred(bank, rank=2, seed=1), stirred(bank, rank=2, seed=2), stirred(bank, rank=3, seed=3), broken


@cache
def alone(request: Request) -> Completion:
    return Decoder(engine()).generate([request])[0]


def held(decoder: Decoder) -> int:
    """Places of replies under way and of finished caches, each once."""
    live = {place for one in decoder._live for place in one.places}  # type: ignore[attr-defined]
    kept = {place for _, _, places in decoder.pool._kept.values() for place in places}  # type: ignore[attr-defined]
    return len(live | kept)


class Asked:
    """A request with all that its listener heard."""

    def __init__(self, decoder: Decoder, request: Request) -> None:
        self.request = request
        self.drawn: list[Drawn] = []
        self.shown = ""
        self.ticket: Ticket = decoder.submit(request, self._hear)

    def _hear(self, drawn: Drawn, piece: str) -> None:
        self.drawn.append(drawn)
        self.shown += piece

    def check(self) -> None:
        """The reply is that of the request alone, or as much of it as was said when it was cancelled."""
        if self.request.slot is slots()[-1]:
            assert self.drawn == []
            if self.ticket.error is None:
                assert self.ticket.result().finish == "cancelled"
                return
            with pytest.raises(LiveoakError, match="damaged"):
                self.ticket.result()
            return
        reply, expected = self.ticket.result(), alone(self.request)
        assert reply.drawn == tuple(self.drawn)
        assert reply.text == self.shown, "the text is what was shown, no more and no less"
        tokens, whole = [one.id for one in reply.drawn], [one.id for one in expected.drawn]
        if reply.finish == "cancelled":
            assert self.ticket.cancelled
            assert tokens == whole[: len(tokens)]
            assert expected.text.startswith(reply.text)
        else:
            assert tokens == whole
            assert (reply.text, reply.finish) == (expected.text, expected.finish)
            assert reply.stopped_by == expected.stopped_by
            near = [one.logprob for one in expected.drawn]
            assert [one.logprob for one in reply.drawn] == pytest.approx(near, abs=1e-9)


prompts = st.lists(st.integers(0, 1), min_size=1, max_size=20).map(tuple)
"""Of two tokens, so that beginnings are alike."""
samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 1.0, 1.7]),
    top_p=st.sampled_from([1.0, 0.8]),
    max_tokens=st.integers(1, 10),
    seed=st.integers(0, 3),
    stop=st.sampled_from([(), ("e",), ("a", "b", "c")]),
    exact=st.booleans(),
)


class DecoderMachine(RuleBasedStateMachine):
    @initialize(running=st.integers(1, 4))
    def open(self, running: int) -> None:
        self.decoder = Decoder(engine(), max_running=running, cache_tokens=ROOM)
        self.asked: list[Asked] = []
        self.running = running

    @rule(ids=prompts, sampling=samplings, slot=st.integers(0, 4))
    def ask(self, ids: tuple[int, ...], sampling: Sampling, slot: int) -> None:
        self.asked.append(Asked(self.decoder, Request(ids=ids, slot=slots()[slot], sampling=sampling)))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.asked)).ticket.cancelled = True

    @rule(count=st.integers(1, 6))
    def step(self, count: int) -> None:
        for _ in range(count):
            self.decoder.step()

    @rule(slot=st.integers(1, 3))
    def publish(self, slot: int) -> None:
        """The same weights under a new stamp: what they cached is found no more, and replies stay what they are."""
        chosen = slots()[slot]
        assert chosen is not None
        chosen.publish()

    @invariant()
    def every_place_is_free_or_held(self) -> None:
        assert self.decoder.pool.free + held(self.decoder) == ROOM
        assert self.decoder.running <= self.running

    @invariant()
    def who_is_done_has_its_own_reply(self) -> None:
        for one in [one for one in self.asked if one.ticket.done.is_set()]:
            one.check()
            self.asked.remove(one)

    def teardown(self) -> None:
        for _ in range(2000):
            if not self.decoder.step():
                break
        assert (self.decoder.waiting, self.decoder.running) == (0, 0)
        for one in self.asked:
            one.check()
        assert len(set(self.decoder.pool.take(ROOM))) == ROOM


TestDecoderMachine = DecoderMachine.TestCase
TestDecoderMachine.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


def test_two_hundred_requests_through_a_small_pool() -> None:
    """Of all lengths up to the whole pool, a tenth cancelled on the way."""
    rng = random.Random(5)
    decoder = Decoder(engine(), max_running=4, cache_tokens=ROOM)
    asked: list[Asked] = []
    for number in range(200):
        length = rng.choice([1, 2, 5, 11, 30, 40])
        ids = some_ids(length, rng.randrange(3))
        options: dict[str, Any] = {"temperature": rng.choice([0.0, 1.0]), "seed": rng.randrange(4)}
        sampling = Sampling(max_tokens=rng.randint(1, min(ROOM - length, 12)), **options)
        asked.append(Asked(decoder, Request(ids=ids, slot=slots()[rng.randrange(4)], sampling=sampling)))
        for _ in range(rng.randrange(4)):
            decoder.step()
        if number % 10 == 9:
            rng.choice(asked[-5:]).ticket.cancelled = True
        assert decoder.pool.free + held(decoder) == ROOM
    while decoder.step():
        pass
    assert decoder.pool.free + held(decoder) == ROOM
    for one in asked:
        one.check()
    assert sum(one.ticket.result().finish == "cancelled" for one in asked) > 5
    assert len(set(decoder.pool.take(ROOM))) == ROOM


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
@pytest.mark.parametrize("cancelled", [(), (0, 3)])
def test_a_seed_means_the_same_in_any_order_of_arrival(order: tuple[int, ...], cancelled: tuple[int, ...]) -> None:
    """Later ones come as earlier ones are being answered, and some of the others go away in the middle."""
    requests = [
        Request(ids=some_ids(4 + 3 * i, i), slot=slots()[i % 4], sampling=Sampling(seed=7, max_tokens=8))
        for i in range(5)
    ]
    decoder = Decoder(engine(), max_running=3, cache_tokens=96)
    asked: dict[int, Asked] = {}
    for number in order:
        asked[number] = Asked(decoder, requests[number])
        decoder.step()
        decoder.step()
    for number in cancelled:
        asked[number].ticket.cancelled = True
    while decoder.step():
        pass
    for one in asked.values():
        one.check()
