"""The one thread that computes: what is handed over, in which order, and what becomes of what goes wrong."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest
import torch

from liveoak.engine import Scheduler, Shares, only_team
from liveoak.errors import Unavailable

MAIN = threading.main_thread().ident or 0


class Clock:
    """Time that passes only where the work says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


class Replies:
    """Some steps of serving, of the same length each."""

    def __init__(self, clock: Clock, order: list[str], *, left: int = 0, seconds: float = 0.0) -> None:
        self.clock, self.order, self.left, self.seconds = clock, order, left, seconds

    def step(self) -> bool:
        if self.left:
            self.left -= 1
            self.clock.spend(self.seconds)
            self.order.append("R")
        return self.left > 0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scheduler(clock: Clock) -> Iterator[Scheduler]:
    scheduler = Scheduler(threads=1, shares=Shares(1 / 2, 1 / 16), clock=clock)
    yield scheduler
    scheduler.close()


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)


def held(scheduler: Scheduler) -> threading.Event:
    """The computing thread is at work until the event is set."""
    begun, go = threading.Event(), threading.Event()
    in_thread(lambda: scheduler.run(lambda: (begun.set(), go.wait(30))))
    assert begun.wait(30)
    return go


def queued(scheduler: Scheduler, kind: str) -> int:
    return len(scheduler._inbox._jobs[kind])  # type: ignore[attr-defined,index]


def test_all_work_is_computed_in_one_thread_and_its_results_come_back(scheduler: Scheduler) -> None:
    found: dict[int, tuple[int, int]] = {}

    def ask(number: int) -> None:
        found[number] = scheduler.run(lambda: (number * number, threading.get_ident()))

    for thread in [in_thread(lambda number=number: ask(number)) for number in range(8)]:
        thread.join(30)
    assert {number: square for number, (square, _) in found.items()} == {n: n * n for n in range(8)}
    assert len({ident for _, ident in found.values()}) == 1
    assert threading.get_ident() not in {ident for _, ident in found.values()}


def test_work_handed_over_by_the_computing_thread_runs_at_once(scheduler: Scheduler) -> None:
    order: list[str] = []

    def outer() -> str:
        order.append("before")
        told = scheduler.run(lambda: scheduler.run(lambda: order.append("within")), "serve")
        order.append("after")
        return f"done, {told}"

    assert scheduler.run(outer) == "done, None"
    assert order == ["before", "within", "after"]


def test_work_of_a_kind_is_computed_in_the_order_of_asking(scheduler: Scheduler) -> None:
    go, order, threads = held(scheduler), list[int](), list[threading.Thread]()
    for number in range(6):
        threads.append(in_thread(lambda number=number: scheduler.run(lambda: order.append(number))))
        until(lambda number=number: queued(scheduler, "study") == number + 1)
    go.set()
    for thread in threads:
        thread.join(30)
    assert order == list(range(6))


@pytest.mark.parametrize("error", [RuntimeError("on purpose"), SystemExit(3), KeyboardInterrupt()])
def test_what_breaks_reaches_its_caller_and_the_thread_goes_on(scheduler: Scheduler, error: BaseException) -> None:
    def broken() -> None:
        raise error

    for kind in ("serve", "study"):
        with pytest.raises(type(error)) as caught:
            scheduler.run(broken, kind)
        assert caught.value is error
    assert scheduler.run(lambda: 7) == 7


def test_replies_are_stepped_until_there_is_nothing_to_do(scheduler: Scheduler, clock: Clock) -> None:
    order: list[str] = []
    replies = Replies(clock, order, left=3)
    scheduler.serve(replies)
    scheduler.wake()
    until(lambda: order == ["R"] * 3)
    replies.left = 2
    scheduler.run(lambda: None)
    assert order == ["R"] * 3  # nobody said that there is more
    scheduler.wake()
    until(lambda: order == ["R"] * 5)


@pytest.mark.parametrize("error", [RuntimeError("on purpose"), SystemExit(3)])
def test_a_step_that_fails_is_tried_again_with_the_next_request(scheduler: Scheduler, error: BaseException) -> None:
    steps: list[int] = []

    class Broken:
        def step(self) -> bool:
            steps.append(1)
            raise error

    scheduler.serve(Broken())
    for count in (1, 2):
        scheduler.wake()
        until(lambda count=count: len(steps) == count)
        assert scheduler.run(lambda: 7) == 7
    assert len(steps) == 2


def test_a_lesson_that_breathes_and_replies_take_turns(scheduler: Scheduler, clock: Clock) -> None:
    order: list[str] = []
    scheduler.serve(Replies(clock, order, left=6, seconds=1 / 32))

    def lesson() -> None:
        scheduler.wake()
        for _ in range(16):
            clock.spend(1 / 64)
            order.append("L")
            scheduler.breathe()

    scheduler.run(lesson)
    # The first stretch began while nobody waited, and is charged as one that took from nobody.
    assert "".join(order) == "LLLL" + "RRLLLL" * 3


def test_pieces_of_several_lessons_take_turns_with_replies_too(scheduler: Scheduler, clock: Clock) -> None:
    """Work that never breathes, as on a GPU: replies come between its pieces."""
    go, order = held(scheduler), list[str]()

    def piece() -> None:
        clock.spend(1 / 16)
        order.append("L")

    threads = [in_thread(lambda: scheduler.run(piece)) for _ in range(6)]
    until(lambda: queued(scheduler, "study") == 6)
    replies = Replies(clock, order, left=100, seconds=1 / 32)
    scheduler.serve(replies)
    scheduler.wake()
    go.set()
    for thread in threads:
        thread.join(30)
    until(lambda: replies.left == 0)
    assert "".join(order).rstrip("R") == "LRR" * 5 + "L"


def test_a_lesson_is_not_interrupted_for_nobody(scheduler: Scheduler, clock: Clock) -> None:
    order: list[str] = []
    scheduler.serve(Replies(clock, order))

    def lesson() -> None:
        for _ in range(100):
            clock.spend(1.0)
            scheduler.breathe()

    scheduler.run(lesson)
    assert order == []


def test_replies_do_not_breathe(scheduler: Scheduler, clock: Clock) -> None:
    """Nor does work that somebody waits for: it would let in itself."""
    depth, deepest = 0, 0

    class Nested:
        def step(self) -> bool:
            nonlocal depth, deepest
            depth += 1
            deepest = max(deepest, depth)
            clock.spend(1.0)
            assert not scheduler.can_breathe
            scheduler.breathe()
            depth -= 1
            return True

    def lesson() -> None:
        for _ in range(8):
            clock.spend(1.0)
            assert scheduler.can_breathe
            scheduler.breathe()

    scheduler.serve(Nested())
    scheduler.wake()
    scheduler.run(lesson)
    scheduler.run(lambda: scheduler.breathe(), "serve")
    assert deepest == 1


def test_other_threads_do_not_breathe(scheduler: Scheduler, clock: Clock) -> None:
    order: list[str] = []
    scheduler.serve(Replies(clock, order, left=1))
    go = held(scheduler)
    scheduler.wake()
    assert not scheduler.can_breathe
    scheduler.breathe()
    assert order == []
    go.set()
    until(lambda: order == ["R"])


def test_scores_and_steps_of_replies_alternate(scheduler: Scheduler, clock: Clock) -> None:
    go, order = held(scheduler), list[str]()
    scheduler.serve(Replies(clock, order, left=3))
    threads = [in_thread(lambda: scheduler.run(lambda: order.append("S"), "serve")) for _ in range(5)]
    until(lambda: queued(scheduler, "serve") == 5)
    scheduler.wake()
    go.set()
    for thread in threads:
        thread.join(30)
    assert "".join(order) == "SRSRSRSS"


def test_a_score_comes_before_lessons_that_wait(scheduler: Scheduler, clock: Clock) -> None:
    order: list[str] = []

    def lesson() -> None:
        asker = in_thread(lambda: scheduler.run(lambda: order.append("S"), "serve"))
        until(lambda: queued(scheduler, "serve") == 1)
        clock.spend(1.0)
        scheduler.breathe()
        order.append("L")
        asker.join(30)

    scheduler.run(lesson)
    assert order == ["S", "L"]


def test_closing_ends_what_has_begun_and_refuses_the_rest() -> None:
    scheduler, order, faults = Scheduler(threads=1), list[str](), list[BaseException]()
    begun, go = threading.Event(), threading.Event()

    def first() -> None:
        scheduler.run(lambda: (begun.set(), go.wait(30)))
        order.append("first")

    def second() -> None:
        try:
            scheduler.run(lambda: order.append("second"))
        except Unavailable as error:
            faults.append(error)

    threads = [in_thread(first)]
    assert begun.wait(30)
    threads.append(in_thread(second))
    until(lambda: queued(scheduler, "study") == 1)
    threads.append(in_thread(scheduler.close))
    until(lambda: len(faults) == 1)
    go.set()
    for thread in threads:
        thread.join(30)
    assert order == ["first"]
    with pytest.raises(Unavailable, match="closed"):
        scheduler.run(lambda: 7)
    scheduler.wake()  # says nothing to nobody
    scheduler.close()


def test_closing_from_within_does_not_wait_for_itself() -> None:
    scheduler = Scheduler(threads=1)
    scheduler.run(scheduler.close)
    with pytest.raises(Unavailable):
        scheduler.run(lambda: 7)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals go to the main thread")
def test_an_interrupted_caller_waits_for_what_has_begun(scheduler: Scheduler) -> None:
    ended: list[bool] = []

    def work() -> None:
        signal.pthread_kill(MAIN, signal.SIGINT)
        time.sleep(0.05)
        ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        scheduler.run(work)
    assert ended == [True]
    assert scheduler.run(lambda: 7) == 7


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals go to the main thread")
def test_an_interrupted_caller_drops_what_has_not_begun(scheduler: Scheduler) -> None:
    go, ran = held(scheduler), list[bool]()

    def interrupt() -> None:
        until(lambda: queued(scheduler, "study") == 1)
        signal.pthread_kill(MAIN, signal.SIGINT)

    in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        scheduler.run(lambda: ran.append(True))
    go.set()
    assert scheduler.run(lambda: 7) == 7
    assert ran == []


def test_a_scheduler_that_nobody_holds_ends_its_thread() -> None:
    scheduler = Scheduler(threads=1)
    (thread,) = {scheduler.run(threading.current_thread)}
    assert thread.is_alive()
    del scheduler
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()


def test_only_the_computing_thread_has_a_team_and_python_is_given_back_quickly() -> None:
    before = torch.get_num_threads(), sys.getswitchinterval()
    seen: list[int] = []
    with only_team(3) as scheduler:
        assert scheduler.run(torch.get_num_threads) == 3
        in_thread(lambda: seen.append(torch.get_num_threads())).join(30)
        assert (torch.get_num_threads(), seen) == (1, [1])
        assert sys.getswitchinterval() < before[1]
    assert (torch.get_num_threads(), sys.getswitchinterval()) == before
    with pytest.raises(Unavailable):
        scheduler.run(lambda: 7)


def test_an_error_of_work_does_not_hold_itself() -> None:
    class Held:
        pass

    refs: list[weakref.ref[Held]] = []

    def fail() -> None:
        held = Held()
        refs.append(weakref.ref(held))
        raise ValueError("no")

    gc.disable()
    try:
        with only_team(1) as scheduler:
            for _ in range(3):
                with pytest.raises(ValueError, match="no"):
                    scheduler.run(fail)
        assert [ref() for ref in refs] == [None] * 3
    finally:
        gc.enable()
