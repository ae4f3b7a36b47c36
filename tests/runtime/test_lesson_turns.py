"""Whose lesson is studied next where many wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from small_life import lesson

from liveoak.runtime import Runtime, lessons
from liveoak.runtime.teaching import Order

Asked = tuple[str, str | None, str]
"""Author, session and lesson."""


@pytest.fixture
def order_of(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """In what order lessons are studied that were queued in this one while the first of them was under way."""
    school = runtime._school  # pyright: ignore[reportPrivateUsage]

    def studied(*asked: Asked) -> list[str]:
        done: list[str] = []
        go_on = threading.Event()

        def teach(order: Order, *_: object) -> SimpleNamespace:
            go_on.wait(60)
            done.append(order.lesson.id)
            return SimpleNamespace(version="v")

        monkeypatch.setattr(school._teacher, "teach", teach)  # pyright: ignore[reportPrivateUsage]
        threads: list[threading.Thread] = []
        for place, (author, session, id) in enumerate(asked):
            told = {"session": session, "author": author}
            threads.append(threading.Thread(target=runtime.learn, args=(lesson(id),), kwargs=told))
            threads[-1].start()
            while len(school._waiting) < place or (not place and not school.studying):  # pyright: ignore[reportPrivateUsage]
                time.sleep(0.001)
        go_on.set()
        for thread in threads:
            thread.join(60)
        return done

    return studied


def test_one_who_teaches_much_does_not_keep_others_waiting(order_of: Callable[..., list[str]]):
    much = [("ann", "of-ann", f"a{number}") for number in range(5)]
    order = order_of(*much, ("ben", "of-ben", "b0"), ("cid", "of-cid", "c0"), ("ben", "of-ben", "b1"))
    assert order == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


def test_sessions_of_one_author_take_turns(order_of: Callable[..., list[str]]):
    much = [("ann", "s", f"s{number}") for number in range(3)]
    order = order_of(*much, ("ann", "t", "t0"), ("ben", "u", "u0"), ("ann", "t", "t1"))
    assert order == ["s0", "u0", "t0", "s1", "t1", "s2"]


def test_among_equals_who_came_first_goes_first(order_of: Callable[..., list[str]]):
    assert order_of(*((name, name, name) for name in "dcba")) == list("dcba")


def test_turns_are_remembered_after_nobody_waits_and_not_for_ever(
    order_of: Callable[..., list[str]], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    order_of(("ben", "u", "b0"), ("ann", "s", "a0"))
    assert order_of(("cid", "v", "c0"), ("ann", "s", "a1"), ("ben", "u", "b1")) == ["c0", "b1", "a1"]
    monkeypatch.setattr(lessons, "_REMEMBERED", 4)
    order_of(("dan", "w", "d0"))
    assert len(runtime._school._turns) == 4  # pyright: ignore[reportPrivateUsage]


def test_memory_is_given_back_after_each_lesson(order_of: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch):
    given = threading.Semaphore(0)
    monkeypatch.setattr(lessons.garbage, "give_back", given.release)
    order_of(("ann", "s", "s0"), ("ben", "t", "t0"))
    assert given.acquire(timeout=60) and given.acquire(timeout=60)
