"""The one device: one at a time, in the order of asking."""

from __future__ import annotations

import threading
import time

import pytest

from liveoak.engine.turns import Turns


def wait_until_waiting(turns: Turns, count: int) -> None:
    deadline = time.monotonic() + 10
    while len(turns._waiting) < count:  # type: ignore[attr-defined]
        assert time.monotonic() < deadline, "nobody came to wait"
        time.sleep(0.001)


def test_two_threads_that_ask_again_and_again_alternate() -> None:
    turns, order, through = Turns(), list[str](), threading.Event()

    def worker(name: str) -> None:
        for _ in range(40):
            with turns.turn():
                order.append(name)
                # Both always want it: nobody gives it back before the other asks, until the other is through.
                while not turns._waiting and not through.is_set():  # type: ignore[attr-defined]
                    time.sleep(0.0002)
        through.set()

    threads = [threading.Thread(target=worker, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert "".join(order) in ("ab" * 40, "ba" * 40)


def test_turns_are_given_in_the_order_of_asking() -> None:
    turns, order = Turns(), list[int]()

    def worker(number: int) -> None:
        with turns.turn():
            order.append(number)

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(6)]
    with turns.turn():
        for number, thread in enumerate(threads):
            thread.start()
            wait_until_waiting(turns, number + 1)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == list(range(6))


def test_never_two_at_once() -> None:
    turns = Turns()
    inside, most = 0, 0

    def worker() -> None:
        nonlocal inside, most
        for _ in range(100):
            with turns.turn():
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)


def test_a_turn_that_fails_is_given_on() -> None:
    turns = Turns()
    with pytest.raises(RuntimeError, match="on purpose"), turns.turn():
        raise RuntimeError("on purpose")
    entered = threading.Event()

    def worker() -> None:
        with turns.turn():
            entered.set()

    threading.Thread(target=worker).start()
    assert entered.wait(10)
