"""Kill -9 in the middle of lessons and replies: what was acknowledged is there, once, and nothing else is served."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from living import bits

from liveoak.runtime import Runtime

LIVING = Path(__file__).parent / "living.py"


def live_until(
    home: Path, cache: Path, first: int, stop: Callable[[list[list[str]]], bool], delay: float
) -> list[list[str]]:
    """Lines that a process got out before it was killed, `delay` seconds after `stop` liked what it had said."""
    command = [sys.executable, str(LIVING), str(home), str(cache), str(first)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[list[str]] = []
    while not stop(lines):
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        lines.append(line.split())
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    rest, complaints = process.communicate()
    assert process.returncode == -signal.SIGKILL, complaints
    return lines + [line.split() for line in rest.splitlines(keepends=True) if line.endswith("\n")]


def lessons_done(count: int, then: str) -> Callable[[list[list[str]]], bool]:
    """So many lessons are through, and the next one has come to a stage."""

    def reached(lines: list[list[str]]) -> bool:
        after = [place for place, line in enumerate(lines) if line[0] == "version"]
        begun = lines[after[count - 1] + 1 :] if count and len(after) >= count else lines if not count else []
        return ["stage", then] in begun

    return reached


def test_killed_while_learning_and_talking(tmp_path: Path, cache: Path, start: Callable[..., Runtime]):
    generator = random.Random(0)
    home = tmp_path / "home"
    acknowledged: list[list[str]] = []
    first = 1
    for count, stage in ((1, "study"), (0, "gate"), (2, "gate")):
        lines = live_until(home, cache, first, lessons_done(count, stage), generator.uniform(0, 0.15))
        acknowledged += lines
        done = [line for line in acknowledged if line[0] == "version"]
        runtime = start(home=home)
        record = runtime.experience
        turns = [turn.id for session in record.sessions(limit=None) for turn in record.turns(session.id)]
        said = [line[1] for line in acknowledged if line[0] == "turn"]
        assert len(set(turns)) == len(turns)
        assert set(said) <= set(turns), "an acknowledged turn is lost"
        for session in record.sessions(limit=None):
            lived = record.turns(session.id)
            assert [turn.index for turn in lived] == list(range(len(lived)))

        by_status = {found.lesson.id: found.status for found in record.lessons()}
        assert set(by_status.values()) <= {"kept", "failed"}
        kept = [id for id, status in by_status.items() if status == "kept"]
        told = [line[2] for line in done]
        # The signal may come after the proof was recorded and before it was told, once a round.
        assert [id for id in kept if id in told] == told
        assert list(by_status.values()).count("failed") >= 1
        assert runtime.current().lessons == tuple(kept), "what is served was made of the lessons kept, and no other"
        if done and kept[-1] == done[-1][2]:
            assert runtime.current().id == done[-1][1]
            assert bits(runtime) == done[-1][3], "the same bits as before the kill"
        named = {version.id for version in record.versions("agent")}
        assert {folder.name for folder in (home / "versions").iterdir()} <= named
        assert record.check() == []
        first += 10
        runtime.close()


def test_a_home_whose_holder_was_killed_is_free(tmp_path: Path, cache: Path, start: Callable[..., Runtime]):
    home = tmp_path / "home"
    live_until(home, cache, 1, lambda lines: ["ready"] in lines, 0.0)
    assert (home / "lock.pid").exists()
    runtime = start(home=home)
    assert runtime.current().parent is None
