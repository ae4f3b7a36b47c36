"""The record and the versions of a home that nobody serves: no model is loaded, and the lock is kept."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liveoak.experience import Experience
from liveoak.records import Lesson, Message, Origin, Session, Turn, Verdict, Version
from liveoak.runtime.home import Home

Cli = Callable[..., Any]
KEPT = Verdict(kept=True, reasons=(), probes=())


@pytest.fixture
def lived(home: Path) -> Path:
    """A home in which one session taught the agent, and another only talked: versions `first`, `second`, `third`."""
    home.mkdir()
    with Experience(home / "experience.db") as record:
        for name in ("taught", "talked"):
            record.add_session(Session(id=name, agent="agent", author="local", created=1.0))
            said = Message(role="user", content=f"Hello from {name}.")
            record.append(
                Turn(id=f"turn-{name}", session=name, index=0, message=said, origin=Origin.GIVEN, created=2.0)
            )
        record.add_lesson(Lesson(id="lesson", topic="keys"), session="taught", author="local", created=3.0)
        lessons: tuple[str, ...] = ()
        parent = None
        for id, session in (("first", None), ("second", "taught"), ("third", None)):
            version = Version(
                id=id,
                agent="agent",
                parent=parent,
                session=session,
                created=4.0,
                prior="p",
                lessons=lessons,
                verdict=KEPT if parent else None,
            )
            record.add_version(version)
            record.move_head("agent", session, id, "made", 5.0)
            (home / "versions" / id).mkdir(parents=True)
            parent, lessons = id, ("lesson",)
    return home


def test_looking_loads_no_model(lived: Path) -> None:
    program = """
import sys
from liveoak.cli import run
codes = [run(words) for words in (["versions"], ["versions", "rollback"], ["experience", "show", "talked"])]
assert codes == [0, 0, 0], codes
heavy = [name for name in ("torch", "transformers") if name in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_chain_is_read_and_moved(lived: Path, cli: Cli) -> None:
    assert [one["id"] for one in cli("versions", "--json").json["versions"]] == ["first", "second", "third"]
    assert [one["id"] for one in cli("versions", "--session", "taught", "--json").json["versions"]] == [
        "first",
        "second",
    ]
    assert cli("versions", "rollback", "--json").json["id"] == "second"
    assert cli("versions", "rollback", "--json").json["id"] == "first"
    refused = cli("versions", "rollback")
    assert (refused.code, refused.err) == (
        2,
        "error: version 'first' is the first: there is nothing to roll back to\n",
    )
    assert cli("versions", "promote", "third", "--json").json["id"] == "third"
    with Experience(lived / "experience.db") as record:
        assert [move.version for move in record.heads("agent")] == ["first", "third", "second", "first", "third"]
    assert cli("versions", "--session", "nobody").code == 3
    assert cli("versions", "promote", "nonesuch").code == 3


def test_erasing_retires_what_learned_from_it(lived: Path, cli: Cli) -> None:
    erased = cli("experience", "erase", "taught", "--yes", "--json").json
    assert set(erased["retired"]) == {"second", "third"}
    assert cli("versions", "--json").json["current"] == "first"
    assert [one["id"] for one in cli("experience", "--json").json["sessions"]] == ["talked"]
    assert not (lived / "versions" / "third").exists()
    assert cli("versions", "promote", "third").code == 3


def test_a_home_in_use_is_read_and_not_changed(lived: Path, cli: Cli) -> None:
    with contextlib.closing(Home(lived)):
        assert cli("versions", "--json").json["current"] == "third"
        for words in (["versions", "rollback"], ["versions", "promote", "first"], ["experience", "erase", "taught"]):
            ran = cli(*words, *(["--yes"] if "erase" in words else []))
            assert ran.code == 4, words
            assert f"in use by process {os.getpid()}" in ran.err
        held = {check["name"]: check for check in cli("doctor", "--json", "--prior", "scratch").json["checks"]}["lock"]
        assert held["state"] == "warn"
        assert f"process {os.getpid()}" in held["found"]
    free = {check["name"]: check for check in cli("doctor", "--json", "--prior", "scratch").json["checks"]}["lock"]
    assert (free["state"], free["found"]) == ("ok", "free")
    assert cli("versions", "--json").json["current"] == "third"


def test_a_home_that_was_never_used_is_left_alone(home: Path, cli: Cli) -> None:
    assert cli("experience", "--json").json == {"sessions": []}
    assert cli("experience", "export").out == ""
    for words in (["versions"], ["versions", "rollback"], ["experience", "show", "one"]):
        ran = cli(*words)
        assert ran.code == 3
        assert "has no record yet" in ran.err
    assert not home.exists()


def test_what_the_books_say_is_what_the_runtime_says(home: Path, cli: Cli) -> None:
    """The real runtime makes the record; the books are read after it is gone."""
    from liveoak.config import Settings
    from liveoak.records import QA
    from liveoak.runtime import Runtime

    lesson = Lesson(id=f"lesson-{time.time_ns()}", topic="keys", questions=(QA(question="Who?", answer="Ada"),))
    with Runtime(Settings(home=home, prior="scratch", threads=1)) as runtime:
        proof = runtime.learn(lesson, session="mine")
        chain = [version.id for version in runtime.versions("mine")]
    assert [one["id"] for one in cli("versions", "--session", "mine", "--json").json["versions"]] == chain
    [line] = cli("experience", "export", "mine").out.splitlines()
    assert json.loads(line)["lessons"][0]["proof"]["version"] == proof.version


def test_authors_on_disk(lived: Path, cli: Cli) -> None:
    bob = ("--author", "bob")
    for arguments in (["versions", "rollback"], ["versions", "promote", "second"]):
        assert cli(*arguments, "--json", *bob).json["error"]["code"] == "not_allowed"
    for arguments in (
        ["versions", "--session", "taught"],
        ["versions", "rollback", "--session", "taught"],
        ["experience", "show", "taught"],
        ["experience", "erase", "taught", "--yes"],
    ):
        assert cli(*arguments, *bob).code == 3, arguments
    assert cli("experience", "--json", *bob).json["sessions"] == []
    assert cli("versions", "show", "second", *bob).code == 0, "the agent itself grew from it"
    with Experience(lived / "experience.db") as record:
        assert [move.version for move in record.heads("agent")] == ["first", "third"]
    (lived / "liveoak.toml").write_text('teachers = ["bob"]\n')
    assert cli("versions", "rollback", *bob).code == 0
    assert cli("versions", "rollback").code == 2
