"""The engine's thread and those of the web server use one record at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from record_samples import a_session, a_turn, feedback_on

from liveoak.errors import Conflict
from liveoak.experience import Experience


def test_writers_and_readers_on_many_threads(experience: Experience) -> None:
    writers, count = 6, 25
    done = threading.Event()
    seen: list[str] = []

    def write(number: int) -> None:
        session = f"s{number}"
        experience.add_session(a_session(session))
        for index in range(count):
            experience.append(a_turn(index, session))
            experience.add_feedback(feedback_on(f"{session}-{index}", f"f{session}{index}"))
            assert experience.last_index(session) == index

    def follow() -> None:
        """A learner that reads as a stream must miss nothing that is committed while it reads."""
        cursor = 0
        while True:
            finished = done.is_set()
            stretch = experience.since(cursor, 7)
            seen.extend(turn.id for turn in stretch.turns)
            cursor = stretch.cursor
            if finished and not stretch.turns:
                return

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(write, range(writers)))
    finally:
        done.set()
        follower.join(60)
    assert sorted(seen) == sorted(f"s{number}-{index}" for number in range(writers) for index in range(count))
    assert len(set(seen)) == len(seen)
    for number in range(writers):
        own = [id for id in seen if id.startswith(f"s{number}-")]
        assert own == [f"s{number}-{index}" for index in range(count)]


def test_of_two_appends_to_one_place_one_wins(experience: Experience) -> None:
    experience.add_session(a_session())
    for index in range(10):
        barrier = threading.Barrier(4)

        def race(number: int, index: int = index, barrier: threading.Barrier = barrier) -> bool:
            barrier.wait()
            try:
                experience.append(a_turn(index, id=f"{index}/{number}"))
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(race, range(4))) == 1
    assert [turn.index for turn in experience.turns("s")] == list(range(10))


def test_the_same_turn_from_two_threads_is_one(experience: Experience) -> None:
    experience.add_session(a_session())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: experience.append(a_turn(0)), range(8)))
    assert experience.turns("s") == [a_turn(0)]


def test_more_threads_than_a_pool_has_connections(experience: Experience) -> None:
    experience.add_session(a_session())
    count = 40
    inside = threading.Barrier(count, timeout=30)

    def read(_: int) -> None:
        with experience._database.read() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sessions")
            inside.wait()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(read, range(count)))


def test_closing_waits_for_a_write_under_way(location: Path | str) -> None:
    experience = Experience(location)
    experience.add_session(a_session())
    inside, closed = threading.Event(), threading.Event()

    def write() -> None:
        with experience._database.write() as connection:
            inside.set()
            assert not closed.wait(0.3)
            connection.exec_driver_sql("UPDATE sessions SET author = 'bob'")

    thread = threading.Thread(target=write)
    thread.start()
    inside.wait(10)
    experience.close()
    closed.set()
    thread.join(10)
    with Experience(location) as again:
        assert again.session("s").author == "bob"


def test_erasing_while_others_write(experience: Experience) -> None:
    for name in "abcd":
        experience.add_session(a_session(name))
        experience.append(a_turn(0, name))

    def write(name: str) -> None:
        for index in range(1, 30):
            experience.append(a_turn(index, name))

    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(write, name) for name in "ab"]
        erasing = [pool.submit(experience.erase, name) for name in "cd"]
        for future in [*writing, *erasing]:
            future.result(timeout=60)
    assert {session.id for session in experience.sessions()} == {"a", "b"}
    assert experience.counts()["turns"] == 60


def test_an_interrupted_block_leaves_nothing(experience: Experience) -> None:
    def interrupted() -> None:
        with experience._database.write() as connection:
            connection.exec_driver_sql("INSERT INTO sessions (id, agent, author, created) VALUES ('x', 'a', 'b', 1.0)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert experience.sessions() == []
    experience.add_session(a_session())
