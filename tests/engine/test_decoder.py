"""Requests at the decoder: how they end, wait, are cancelled and fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from tiny_priors import TOKENIZER, some_ids, stirred, tiny_engine

from liveoak.engine import Completion, Decoder, Drawn, Engine, Request, Ticket
from liveoak.errors import LiveoakError, UserError
from liveoak.records import Sampling


class Scripted:
    """In place of the model's head: each reply says its own bytes, by the last token it has read."""

    def __init__(self, engine: Engine, successors: dict[int, int]) -> None:
        self._successors = successors
        self._engine = engine
        self._read: list[int] = []
        self._run = engine.extend

    def extend(self, ids: Sequence[int], *rest: Any) -> torch.Tensor:
        self._run(ids, *rest)
        return torch.tensor(list(ids), dtype=torch.float32).unsqueeze(1)

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(hidden), 264)
        for row, (last,) in zip(logits, hidden.int().tolist(), strict=True):
            row[self._successors[last]] = 50.0
        return logits


@pytest.fixture(scope="module")
def shared_engine() -> Engine:
    return tiny_engine("llama")


@pytest.fixture
def engine(shared_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(shared_engine, "extend", shared_engine.extend)  # undone after each test
    monkeypatch.setattr(shared_engine, "head", shared_engine.head)
    return shared_engine


def script(engine: Engine, text: str, end: int = 258) -> int:
    """Make the model say `text`, whose bytes must differ, then `end`; returns the token that begins it."""
    said = [200, *text.encode(), end]
    assert len(set(said)) == len(said)
    scripted = Scripted(engine, dict(pairwise(said)))
    engine.extend, engine.head = scripted.extend, scripted.head  # type: ignore[method-assign]
    return 200


def ask(ids: tuple[int, ...], **sampling: Any) -> Request:
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 8, **sampling}
    return Request(ids=ids, slot=None, sampling=Sampling(**options))


def heard(decoder: Decoder, request: Request) -> tuple[Completion, list[tuple[int, str]]]:
    events: list[tuple[int, str]] = []
    ticket = decoder.submit(request, lambda drawn, piece: events.append((drawn.id, piece)))
    while not ticket.done.is_set():
        decoder.step()
    return ticket.result(), events


def no_leaks(decoder: Decoder) -> None:
    assert (decoder.waiting, decoder.running) == (0, 0)
    pool = decoder.pool
    pool.release(pool.take(pool.capacity))
    assert pool.free == pool.capacity


def test_a_reply_ends_with_its_turn(engine: Engine) -> None:
    start = script(engine, "hi é!")
    completion, events = heard(Decoder(engine), ask((1, start)))
    assert (completion.text, completion.finish, completion.stopped_by) == ("hi é!", "stop", None)
    assert [drawn.id for drawn in completion.drawn] == [*"hi é!".encode(), 258]
    assert events == [(104, "h"), (105, "i"), (32, " "), (0xC3, ""), (0xA9, "é"), (33, "!"), (258, "")]


def test_a_reply_is_cut_at_its_length(engine: Engine) -> None:
    start = script(engine, "abcdefghij")
    for most in (1, 3, 10):
        completion, events = heard(Decoder(engine), ask((start,), max_tokens=most))
        assert (completion.text, completion.finish) == ("abcdefghij"[:most], "length")
        assert len(events) == len(completion.drawn) == most
    completion, _ = heard(Decoder(engine), ask((start,), max_tokens=11))
    assert (completion.text, completion.finish) == ("abcdefghij", "stop")


def test_stop_strings_over_several_tokens_are_never_shown(engine: Engine) -> None:
    start = script(engine, "one twxyz")
    completion, events = heard(Decoder(engine), ask((start,), max_tokens=20, stop=(" twx", "zzz")))
    assert (completion.text, completion.finish, completion.stopped_by) == ("one", "stop", " twx")
    assert "".join(piece for _, piece in events) == "one"
    assert len(completion.drawn) == 7
    completion, events = heard(Decoder(engine), ask((start,), max_tokens=20, stop=(" two",)))
    assert (completion.text, completion.stopped_by) == ("one twxyz", None)
    assert [piece for _, piece in events] == ["o", "n", "e", "", "", "", " twx", "y", "z", ""]


def test_held_back_text_is_shown_when_the_length_is_reached(engine: Engine) -> None:
    start = script(engine, "one twxyz")
    completion, events = heard(Decoder(engine), ask((start,), max_tokens=6, stop=(" twx",)))
    assert (completion.text, completion.finish) == ("one tw", "length")
    assert "".join(piece for _, piece in events) == "one tw"


@pytest.mark.parametrize(
    ("ids", "sampling", "named"),
    [
        ((), {}, "no tokens"),
        ((1, 264), {}, "264"),
        ((-1, 3), {}, "-1"),
        ((1, 2), {"max_tokens": 0}, "max_tokens 0"),
        ((1, 2), {"temperature": -0.1}, "temperature -0.1"),
        ((1, 2), {"temperature": 2.5}, "temperature 2.5"),
        ((1, 2), {"temperature": float("nan")}, "temperature nan"),
        ((1, 2), {"top_p": 0}, "top_p 0"),
        ((1, 2), {"top_p": 1.01}, "top_p 1.01"),
        ((1, 2), {"top_logprobs": 21}, "top_logprobs 21"),
        ((1, 2), {"stop": ("a", "")}, "empty"),
        ((1, 2), {"max_tokens": 63}, "need 65 tokens, the cache has room for 64"),
    ],
)
def test_what_means_nothing_is_refused_before_it_waits(
    engine: Engine, ids: tuple[int, ...], sampling: dict[str, Any], named: str
) -> None:
    decoder = Decoder(engine, cache_tokens=64)
    with pytest.raises(UserError, match=named):
        decoder.submit(ask(ids, **sampling))
    assert decoder.waiting == 0
    with pytest.raises(UserError, match=named):
        decoder.generate([ask((1,)), ask(ids, **sampling)])
    while decoder.step():
        pass
    no_leaks(decoder)


def test_a_request_as_large_as_the_pool_is_answered(engine: Engine) -> None:
    decoder = Decoder(engine, cache_tokens=64)
    decoder.generate([ask(some_ids(20, 1))])
    completion = decoder.generate([ask(some_ids(40, 2), max_tokens=24)])[0]
    assert completion.finish in ("length", "stop")
    no_leaks(decoder)


def test_more_requests_than_there_is_room_for_wait_and_all_finish(engine: Engine) -> None:
    decoder = Decoder(engine, max_running=3, cache_tokens=60)
    requests = [ask(some_ids(5 + i % 9, i), max_tokens=3 + i % 5) for i in range(20)]
    tickets = [decoder.submit(request) for request in requests]
    assert decoder.waiting == 20
    most = 0
    while decoder.step():
        most = max(most, decoder.running)
        assert decoder.running <= 3
    assert most == 3
    for ticket, request in zip(tickets, requests, strict=True):
        alone = Decoder(engine).generate([request])[0]
        assert [drawn.id for drawn in ticket.result().drawn] == [drawn.id for drawn in alone.drawn]
    no_leaks(decoder)
    assert not decoder.step()


def test_a_waiting_request_is_cancelled_without_being_run(engine: Engine) -> None:
    decoder = Decoder(engine, max_running=1)
    first, second = decoder.submit(ask(some_ids(5))), decoder.submit(ask(some_ids(6)))
    decoder.step()
    second.cancelled = True
    decoder.step()
    assert second.done.is_set()
    assert second.result() == Completion(drawn=(), text="", finish="cancelled")
    while decoder.step():
        pass
    assert len(first.result().drawn) == 8
    no_leaks(decoder)


def test_a_running_reply_is_cancelled_with_what_it_has_shown(engine: Engine) -> None:
    start = script(engine, "abST🙂xyz")
    decoder = Decoder(engine)
    events: list[str] = []
    ticket = decoder.submit(ask((start,), max_tokens=30, stop=("STOP",)), lambda _, piece: events.append(piece))
    for _ in range(4):
        decoder.step()
    ticket.cancelled = True
    assert not decoder.step()
    completion = ticket.result()
    assert (completion.text, completion.finish) == ("ab", "cancelled")
    assert "".join(events) == "ab"
    assert bytes(drawn.id for drawn in completion.drawn) == b"abST"
    no_leaks(decoder)


def test_a_prompt_is_cancelled_between_its_chunks(engine: Engine) -> None:
    decoder = Decoder(engine)
    ticket = decoder.submit(ask(some_ids(1000)))
    decoder.step()
    assert not ticket.done.is_set()
    ticket.cancelled = True
    decoder.step()
    assert ticket.result().drawn == ()
    no_leaks(decoder)
    again = decoder.generate([ask(some_ids(1000))])[0]
    assert len(again.drawn) == 8 or again.finish == "stop"


def test_a_failing_forward_pass_reaches_every_asker_and_is_over(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(engine, max_running=3)
    before = Decoder(engine).generate([ask(some_ids(7))])[0]
    tickets = [decoder.submit(ask(some_ids(5 + i, i))) for i in range(4)]
    decoder.step()
    decoder.step()
    with monkeypatch.context() as patch:

        def broken(*_: Any) -> torch.Tensor:
            raise RuntimeError("out of memory, say")

        patch.setattr(engine, "extend", broken)
        assert decoder.step()
    for ticket in tickets[:3]:
        with pytest.raises(RuntimeError, match="out of memory"):
            ticket.result()
    assert not tickets[3].done.is_set()
    while decoder.step():
        pass
    assert len(tickets[3].result().drawn) == 8
    assert decoder.generate([ask(some_ids(7))])[0].text == before.text
    no_leaks(decoder)


def run_all(decoder: Decoder, tickets: list[Ticket]) -> None:
    for _ in range(200):
        if all(ticket.done.is_set() for ticket in tickets):
            return
        decoder.step()
    raise AssertionError("somebody was never told")


def test_damaged_weights_of_one_adapter_stop_no_other(engine: Engine) -> None:
    broken = stirred(engine.bank)
    broken.master.fill_(float("nan"))
    broken.publish()
    decoder = Decoder(engine)
    hurt = Request(ids=some_ids(9), slot=broken, sampling=Sampling(max_tokens=4))
    tickets = [decoder.submit(ask(some_ids(6))), decoder.submit(hurt), decoder.submit(ask(some_ids(7)))]
    run_all(decoder, tickets)
    with pytest.raises(LiveoakError, match="damaged"):
        tickets[1].result()
    for ticket, length in ((tickets[0], 6), (tickets[2], 7)):
        assert ticket.result().text == Decoder(engine).generate([ask(some_ids(length))])[0].text
    no_leaks(decoder)


def test_a_listener_that_fails_stops_its_own_reply_alone(engine: Engine) -> None:
    def deaf(drawn: Drawn, piece: str) -> None:
        raise BrokenPipeError("nobody listens")

    decoder = Decoder(engine)
    tickets = [decoder.submit(ask(some_ids(6))), decoder.submit(ask(some_ids(7)), deaf)]
    run_all(decoder, tickets)
    with pytest.raises(BrokenPipeError):
        tickets[1].result()
    assert len(tickets[0].result().drawn) == 8
    no_leaks(decoder)


@pytest.mark.parametrize(
    "sampling",
    [
        {"pattern": "a("},
        {"schema": {"type": "nonsense"}},
        {"schema": {"type": "object"}, "pattern": "a"},
        {"schema": {"$ref": "#/nowhere"}},
        {"schema": {"enum": [object()]}},
    ],
)
def test_a_grammar_that_cannot_be_followed_stops_its_own_reply_alone(engine: Engine, sampling: dict[str, Any]) -> None:
    decoder = Decoder(engine)
    tickets = [decoder.submit(ask((1, 2), **sampling)), decoder.submit(ask((1, 2)))]
    run_all(decoder, tickets)
    with pytest.raises(UserError):
        tickets[0].result()
    assert len(tickets[1].result().drawn) == 8
    no_leaks(decoder)


def test_requests_come_from_many_threads_while_one_steps(engine: Engine) -> None:
    decoder, stop = Decoder(engine, max_running=4, cache_tokens=400), threading.Event()
    faults: list[BaseException] = []

    def serve() -> None:
        try:
            while not stop.is_set():
                if not decoder.step():
                    time.sleep(0.0005)
        except BaseException as error:
            faults.append(error)

    results: dict[int, Completion] = {}

    def client(number: int) -> None:
        for turn in range(8):
            ticket = decoder.submit(ask(some_ids(4, number), max_tokens=3))
            ticket.cancelled = turn % 3 == 2
            assert ticket.done.wait(30)
            results[number * 100 + turn] = ticket.result()

    server = threading.Thread(target=serve)
    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in (server, *clients):
        thread.start()
    for thread in clients:
        thread.join(60)
    stop.set()
    server.join(10)
    assert faults == []
    assert len(results) == 64
    for number in range(8):
        alone = Decoder(engine).generate([ask(some_ids(4, number), max_tokens=3)])[0]
        for turn in (0, 1, 3, 4, 6, 7):
            assert results[number * 100 + turn].text == alone.text
    no_leaks(decoder)


def test_two_threads_may_generate_at_once(engine: Engine) -> None:
    decoder = Decoder(engine)
    found: dict[int, str] = {}

    def worker(number: int) -> None:
        found[number] = decoder.generate([ask(some_ids(6, number), max_tokens=20)])[0].text

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {n: Decoder(engine).generate([ask(some_ids(6, n), max_tokens=20)])[0].text for n in range(4)}
    no_leaks(decoder)


def test_the_tokenizers_stops_are_the_ends() -> None:
    assert TOKENIZER.stop_ids == {256, 258}
