"""What is kept and what is taken back: feedback, erasure, the home and its disk."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_disk import mounted
from small_life import FACT, chat, lesson, user

from liveoak.errors import BadSettings, Conflict, NotFound, StorageError, UserError
from liveoak.experience import Experience
from liveoak.gate import Lineage
from liveoak.learning.study import Study
from liveoak.runtime import Home, Runtime
from liveoak.runtime import device as module
from liveoak.runtime.device import choose_device, choose_dtype


def scored(runtime: Runtime, session: str | None = None) -> tuple[float, ...]:
    return runtime.score([user("Who has the key?")], "Runa Hessel", session=session)


# Feedback


def test_feedback_of_teachers_is_trusted_and_of_others_waits(runtime: Runtime):
    turn = runtime.ask(chat("Hi", session="s", author="bob")).turn
    praise = runtime.feedback(turn=turn, author="local", kind="reward", value=1.0)
    doubt = runtime.feedback(turn=turn, author="bob", kind="correction", text="No, with Runa.")
    assert (praise.trusted, doubt.trusted) == (True, False)
    assert runtime.experience.feedback_on(turn) == [praise, doubt]
    assert runtime.experience.feedback(trusted=False) == [doubt]
    assert runtime.experience.confirm_feedback(doubt.id).trusted


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "reward"},
        {"kind": "reward", "value": 1.5},
        {"kind": "reward", "value": math.nan},
        {"kind": "correction"},
        {"kind": "comment", "text": "  "},
    ],
)
def test_feedback_that_says_nothing_is_refused(runtime: Runtime, given: dict[str, Any]):
    turn = runtime.ask(chat("Hi")).turn
    with pytest.raises(UserError):
        runtime.feedback(turn=turn, author="local", **given)
    assert runtime.experience.feedback() == []


def test_feedback_on_an_unknown_turn_is_not_found(runtime: Runtime):
    with pytest.raises(NotFound):
        runtime.feedback(turn="turn_none", author="local", kind="reward", value=1.0)


# Erasure


def test_erasing_takes_back_what_was_learned_and_what_was_said(runtime: Runtime):
    secret = "The secret word is Zanzibarium."
    clean, first = scored(runtime), runtime.current()
    runtime.ask(chat(secret, session="s"))
    runtime.ask(chat("Something else", session="t"))
    of_session = runtime.learn(lesson("l1", statements=(secret,)), session="s")
    runtime.promote(of_session.version)
    later = runtime.learn(lesson("l2"))
    of_other = runtime.learn(lesson("l3"), session="t")
    assert runtime.erase("s") == (of_session.version, later.version, of_other.version)

    assert runtime.current() == runtime.current("t") == first
    assert scored(runtime) == scored(runtime, "t") == clean
    for gone in (of_session, later, of_other):
        with pytest.raises(NotFound, match="retired: a record that it learned from was erased"):
            runtime.ask(chat("Hi", model=f"agent@{gone.version}"))
    with pytest.raises(NotFound, match="erased"):
        runtime.versions("s")
    home = runtime.settings.home
    assert list((home / "versions").iterdir()) == []
    assert runtime.erase("s") == (of_session.version, later.version, of_other.version), "asked again, the same answer"
    assert len(runtime.experience.turns("t")) == 2
    left = [path for path in home.rglob("*") if path.is_file() and b"Zanzibarium" in path.read_bytes()]
    assert left == []


def test_an_erased_session_is_not_begun_again_and_its_lineage_stays_away(start: Callable[..., Runtime]):
    runtime = start()
    runtime.ask(chat("Hi", session="s"))
    proof = runtime.learn(lesson(), session="s")
    runtime.erase("s")
    with pytest.raises(Conflict, match="was erased"):
        runtime.ask(chat("Hi", session="s"))
    runtime.close()
    again = start()
    with pytest.raises(NotFound, match="retired"):
        again.promote(proof.version)


def test_an_erasure_cut_off_is_finished_by_the_next_start(start: Callable[..., Runtime]):
    """Killed after the record was erased, before the versions were retired."""
    runtime = start()
    clean = scored(runtime)
    runtime.ask(chat("Hi", session="s"))
    proof = runtime.learn(lesson(), session="s")
    runtime.promote(proof.version)
    runtime.experience.erase("s")
    assert scored(runtime) != clean
    runtime.close()
    again = start()
    assert scored(again) == clean
    assert list((again.settings.home / "versions").iterdir()) == []


def test_erasing_during_a_lesson_of_the_session_serves_nothing_of_it(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
):
    runtime = start()
    clean = scored(runtime)
    runtime.ask(chat("Hi", session="s"))
    real = Study.study

    def erased(study: Study, *given: object, **more: object) -> object:
        done = real(study, *given, **more)  # type: ignore[arg-type]
        runtime.erase("s")
        return done

    monkeypatch.setattr(Study, "study", erased)
    with pytest.raises(NotFound, match="erased"):
        runtime.learn(lesson(), session="s")
    assert scored(runtime) == clean
    assert list((runtime.settings.home / "versions").iterdir()) == []


# The home


def test_a_second_runtime_on_a_home_is_told_who_holds_it(runtime: Runtime, start: Callable[..., Runtime]):
    with pytest.raises(Conflict, match=f"in use by process {os.getpid()}"):
        start()
    assert runtime.ask(chat("Hi")).finish == "length"


def test_another_process_is_told_the_pid_too(runtime: Runtime):
    script = (
        "import sys\nfrom pathlib import Path\nfrom liveoak.errors import Conflict\nfrom liveoak.runtime import Home\n"
        "try:\n    Home(Path(sys.argv[1]))\nexcept Conflict as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(runtime.settings.home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"process {os.getpid()}" in done.stdout


def test_a_home_is_free_again_after_use_and_after_a_failed_start(start: Callable[..., Runtime], tmp_path: Path):
    with pytest.raises(NotFound):
        start(prior="no such prior")
    runtime = start()
    runtime.close()
    assert not (runtime.settings.home / "lock.pid").exists()
    home = Home(runtime.settings.home)
    home.close()
    start()


def test_a_home_that_cannot_be_is_a_storage_error(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="cannot be used"):
        Home(tmp_path / "file")


def test_another_prior_does_not_fit_the_home(start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch):
    runtime = start()
    runtime.close()
    real = module.load_prior

    def other(*given: Any, **more: Any) -> Any:
        return replace(real(*given, **more), fingerprint="0" * 64)

    monkeypatch.setattr(module, "load_prior", other)
    with pytest.raises(Conflict, match="another prior"):
        start()
    monkeypatch.undo()
    start()


def test_the_lineage_is_read_without_a_model(runtime: Runtime):
    proof = runtime.learn(lesson())
    home = runtime.settings.home
    with Experience(home / "experience.db") as record:
        lineage = Lineage(record, home / "versions", agent="agent", clock=lambda: 1.0)
        assert lineage.line() == runtime.versions()
        assert lineage.current().id == proof.version


def test_device_and_number_format():
    assert choose_device("cpu").type == "cpu"
    assert choose_dtype("float32", torch.device("cpu")) is torch.float32
    assert choose_dtype("bfloat16", torch.device("cpu")) is torch.bfloat16
    assert choose_dtype("auto", torch.device("cuda")) is torch.bfloat16
    if not torch.cuda.is_available():
        with pytest.raises(BadSettings, match="no CUDA device"):
            choose_device("cuda")


# The disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three MiB."""
    with mounted(tmp_path / "small", 3) as folder:
        yield folder


def fill(folder: Path, leave: int) -> Path:
    """Take all space but `leave` bytes."""
    filler = folder / "filler"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    filler.write_bytes(b"x" * (free - leave))
    return filler


@pytest.mark.parametrize("leave", [200_000, 0])
def test_a_full_disk_is_told_and_what_was_served_is_served(start: Callable[..., Runtime], small_disk: Path, leave: int):
    runtime = start(home=small_disk / "home")
    kept = runtime.learn(lesson("l1"), session="s")
    before, clean = scored(runtime, "s"), scored(runtime)
    filler = fill(small_disk, leave)
    with pytest.raises(StorageError):
        runtime.learn(lesson("l2", statements=(FACT * 3,)))
    if leave == 0:
        with pytest.raises(StorageError):
            runtime.ask(chat("x" * 1500, session="s"))
    assert scored(runtime) == clean
    assert scored(runtime, "s") == before
    assert runtime.current("s").id == kept.version
    filler.unlink()
    assert runtime.ask(chat("Hi", session="s")).version == kept.version
    again = runtime.learn(lesson("l3"))
    assert again.verdict.kept
    runtime.close()
    reopened = start(home=small_disk / "home")
    assert reopened.current().id == again.version
    assert scored(reopened, "s") == before
    assert {record.lesson.id: record.status for record in reopened.experience.lessons()}.get("l2") in (None, "failed")
