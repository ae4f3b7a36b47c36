"""Sides in processes of their own: what they answer, say, break and hold."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from liveoak.errors import Unavailable
from liveoak.lab.bench import stand as stands
from liveoak.lab.bench.jobs import Decoded, DecodeJob, Setup, Trained, TrainJob
from liveoak.lab.bench.remote import Side
from liveoak.lab.bench.stand import OURS, Stand

SETUP = Setup(prior="scratch", cache="/nowhere", dtype="float32", device="cpu", threads=3)


def job(rank: int) -> TrainJob:
    return TrainJob(lessons=(((1, 2, 3),),), passes=1, rank=rank)


@pytest.fixture(autouse=True)
def _sides_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.fixture
def loud() -> Iterator[Side]:
    with Side("bench_sides:Loud", SETUP, limit=20) as side:
        yield side


def test_answers_come_through_whatever_a_library_prints(loud: Side):
    answer = loud.call("decode", DecodeJob(prompts=((1,), (2,)), tokens=2), Decoded)
    assert answer.times == ((0.5, 1.0), (0.5, 1.0))


def test_a_side_gets_its_threads_and_tells_the_most_that_it_held(loud: Side):
    assert loud.call("train", job(8), Trained).seconds == 3.0
    small = loud.peak_mib
    loud.call("train", job(4), Trained)
    assert 60 < loud.peak_mib - small < 80
    loud.call("train", job(8), Trained)
    assert loud.peak_mib < small + 20, "the peak of one call is not that of the next"


def test_an_error_is_told_and_the_side_goes_on(loud: Side):
    with pytest.raises(Unavailable, match="bench_sides:Loud: rank 1 is not for me"):
        loud.call("train", job(1), Trained)
    with pytest.raises(Unavailable, match="AttributeError"):
        loud.call("soak", job(1), Trained)
    assert loud.call("train", job(8), Trained).seconds == 3.0


def test_a_side_that_dies_leaves_its_last_words(loud: Side):
    with pytest.raises(Unavailable, match="broke off; it said: out of cheese"):
        loud.call("train", job(2), Trained)
    with pytest.raises(Unavailable, match=r"gone|broke off"):
        loud.call("train", job(8), Trained)


def test_a_side_that_says_nothing_is_given_up():
    side = Side("bench_sides:Loud", SETUP, limit=20)
    side._limit = 0.2
    with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
        side.call("train", job(3), Trained)
    side.close()
    assert side._process.poll() is not None


def test_sides_do_not_outlive_a_parent_that_was_killed():
    code = (
        "import os, sys; from test_bench_sides import SETUP, Side;"
        "side = Side('bench_sides:Loud', SETUP, limit=20); print(side._process.pid, flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    pid = int(done.stdout)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


def test_a_side_that_cannot_be_made_says_why():
    with pytest.raises(Unavailable, match="no side with prior 'scratch'"):
        Side("bench_sides:Absent", SETUP, limit=20)
    with pytest.raises(Unavailable, match="no_such_module"):
        Side("no_such_module:Class", SETUP, limit=20)


def test_sides_take_turns_and_a_peer_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch):
    sides = {OURS: "bench_sides:Loud", "good": "bench_sides:Loud", "bad": "bench_sides:Absent"}
    monkeypatch.setattr(stands, "SIDES", sides)
    order: list[tuple[str, int]] = []
    told: list[str] = []

    def noting(name: str, rank: int = 8):
        def work(side: Side, repeat: int) -> float:
            order.append((name, repeat))
            return side.call("train", job(rank), Trained).seconds

        return work

    work = {OURS: noting(OURS), f"{OURS}, again": noting("again"), "bad": noting("bad"), "good": noting("good")}
    with Stand(SETUP, told.append) as stand:
        found = stand.taking_turns(2, work)
        assert found == {OURS: [3.0, 3.0], f"{OURS}, again": [3.0, 3.0], "good": [3.0, 3.0]}
        assert order == [(n, 0) for n in (OURS, "again", "good")] + [(n, 1) for n in ("again", "good", OURS)]
        assert list(stand.failed) == ["bad"]
        assert "no side with prior" in told[0]
        assert set(stand.open) == {OURS, "good"}
        with pytest.raises(Unavailable, match="rank 1 is not for me"):
            stand.taking_turns(1, {OURS: noting(OURS, rank=1)})
    assert stand.open == ()
