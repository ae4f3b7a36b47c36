"""What is erased is gone: from the answers, from the lineage's future, and from the bytes on disk."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from record_samples import a_proof, a_session, a_turn, a_version, feedback_on

from liveoak.errors import Conflict, NotFound, StorageError
from liveoak.experience import Erased, Experience
from liveoak.experience.database import Database
from liveoak.records import QA, Lesson, Note


def live(experience: Experience, session: str, secret: str) -> None:
    """A session with the secret wherever text goes."""
    experience.add_session(a_session(session, author=f"author {secret}"))
    for index in range(3):
        experience.append(a_turn(index, session, text=secret * 200))
    note = Note(id=f"n-{session}", session=session, turn=f"{session}-0", text=secret * 50, tokens=9, created=3.0)
    experience.add_note(note)
    said = feedback_on(f"{session}-0", f"f-{session}", kind="correction", text=secret, author=secret)
    experience.add_feedback(said)
    lesson = Lesson(id=f"l-{session}", topic=secret, questions=(QA(question=secret, answer=secret),), source=secret)
    experience.add_lesson(lesson, session=session, author=secret, created=5.0)
    experience.finish_lesson(f"l-{session}", a_proof(f"l-{session}", topic=secret))
    experience.add_lesson(Lesson(id=f"m-{session}", topic="t"), session=session, author="ann", created=6.0)
    experience.fail_lesson(f"m-{session}", f"cannot parse {secret}")


def bytes_of(store: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(store.parent.iterdir()))


def test_an_erased_session_is_gone_and_the_others_stay(experience: Experience) -> None:
    live(experience, "a", "ACORN")
    live(experience, "b", "BEECH")
    kept = (experience.turns("b"), experience.feedback(session="b"), experience.lessons(session="b"))
    erased = experience.erase("a")
    on_file = experience.path is not None
    assert erased == Erased(session="a", created=1000.0, turns=3, feedback=1, lessons=2, versions=(), scrubbed=on_file)
    for ask in (
        lambda: experience.session("a"),
        lambda: experience.turns("a"),
        lambda: experience.turn("a-0"),
        lambda: experience.lesson("l-a"),
        lambda: experience.feedback_on("a-0"),
    ):
        with pytest.raises(NotFound):
            ask()
    assert experience.feedback(session="a") == []
    assert experience.lessons(session="a") == []
    assert [turn.session for turn in experience.since(0).turns] == ["b"] * 3
    assert (experience.turns("b"), experience.feedback(session="b"), experience.lessons(session="b")) == kept
    assert experience.counts()["erasures"] == 1


def test_it_names_the_versions_that_learned_from_the_session(experience: Experience) -> None:
    live(experience, "a", "ACORN")
    live(experience, "b", "BEECH")
    for version in (
        a_version("v0"),
        a_version("v1", parent="v0", lessons=("l-b",)),
        a_version("v2", parent="v1", lessons=("l-b", "l-a")),
        a_version("v3", parent="v2", lessons=("l-b", "l-a", "m-b")),
        a_version("fast-a", parent="v0", session="a"),
        a_version("fast-b", parent="v0", session="b"),
    ):
        experience.add_version(version)
    experience.move_head("oak", "a", "fast-a", "ACORN", 7.0)
    experience.move_head("oak", None, "v3", "lesson", 7.0)
    assert experience.erase("a").versions == ("v2", "v3", "fast-a")
    assert experience.version("v3").lessons == ("l-b", "l-a", "m-b")
    assert experience.head("oak", "a") is None
    assert experience.head("oak") == "v3", "the caller moves the head, to a version that it has probed"


def test_erasing_again_gives_the_same_answer(experience: Experience) -> None:
    """So that a caller who was killed before it retired the versions can ask for them again."""
    live(experience, "a", "ACORN")
    experience.add_version(a_version("v1", lessons=("l-a",)))
    erased = experience.erase("a")
    assert experience.erase("a") == erased
    assert experience.erasures() == [erased]
    assert experience.counts()["erasures"] == 1


def test_an_erased_session_does_not_come_back(experience: Experience) -> None:
    live(experience, "a", "ACORN")
    experience.erase("a")
    with pytest.raises(Conflict, match="'a' was erased"):
        experience.add_session(a_session("a"))
    with pytest.raises(NotFound, match="'a' was erased"):
        experience.append(a_turn(3, "a"))
    with pytest.raises(NotFound):
        experience.finish_lesson("l-a", a_proof("l-a"))
    with pytest.raises(NotFound):
        experience.add_feedback(feedback_on("a-0", "again"))


@pytest.mark.parametrize("seed", range(8))
def test_no_byte_remains(tmp_path: Path, seed: int) -> None:
    """Rows of many sizes, two sessions mixed, lessons that grow when they end: where SQLite splits a page to make
    room, it leaves stale copies that deleting alone does not reach."""
    store = tmp_path / "experience.db"
    generator = random.Random(seed)
    secrets = {"a": "ACORN", "b": "BEECH"}
    with Experience(store) as experience:
        for session, secret in secrets.items():
            live(experience, session, secret)
        waiting: list[str] = []
        for number in range(60):
            session = generator.choice("ab")
            secret = secrets[session]
            index = (experience.last_index(session) or 0) + 1
            experience.append(a_turn(index, session, text=secret * generator.choice([1, 3, 20, 100, 900])))
            said = feedback_on(f"{session}-{index}", f"f{number}", kind="comment", text=secret * index)
            experience.add_feedback(said)
            lesson = Lesson(id=f"{session}/{number}", topic="t", source=secret * generator.choice([1, 20, 80, 300]))
            experience.add_lesson(lesson, session=session, author=secret, created=5.0)
            waiting.append(lesson.id)
        for id in generator.sample(waiting, len(waiting)):
            experience.finish_lesson(id, a_proof(id, topic=secrets[id[0]] * generator.choice([1, 20, 80])))
        turns, lessons = experience.turns("b"), experience.lessons(session="b")
        assert b"ACORN" in bytes_of(store)
        assert experience.erase("a").scrubbed
        assert b"ACORN" not in bytes_of(store)
        assert b"BEECH" in bytes_of(store)
        assert experience.turns("b") == turns
        assert experience.lessons(session="b") == lessons
        assert experience.check() == []
    assert b"ACORN" not in bytes_of(store)


def test_a_reader_elsewhere_delays_the_scrub(tmp_path: Path) -> None:
    store = tmp_path / "experience.db"
    with Experience(store, patience=0.2) as experience:
        live(experience, "a", "ACORN")
        reader = sqlite3.connect(store, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM turns").fetchone() == (3,)
        erased = experience.erase("a")
        assert erased.turns == 3
        assert not erased.scrubbed
        assert b"ACORN" in bytes_of(store)
        with pytest.raises(NotFound):
            experience.turns("a")
        reader.execute("ROLLBACK")
        reader.close()
        assert experience.erase("a").scrubbed
        assert b"ACORN" not in bytes_of(store)
        assert experience.erasures()[0].scrubbed


def test_an_interrupted_scrub_is_finished_by_the_next_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "experience.db"

    def cut_off(_: Database) -> bool:
        raise StorageError("disk full")

    with Experience(store) as experience:
        live(experience, "a", "ACORN" * 100)
        with monkeypatch.context() as patch:
            patch.setattr(Database, "scrub", cut_off)
            assert not experience.erase("a").scrubbed
        assert not experience.erasures()[0].scrubbed
    with Experience(store) as experience:
        assert experience.erasures()[0].scrubbed
        assert b"ACORN" not in bytes_of(store)


def test_an_erasure_that_fails_changes_nothing(experience: Experience, monkeypatch: pytest.MonkeyPatch) -> None:
    live(experience, "a", "ACORN")

    def fail(*_: object) -> Callable[..., None]:
        raise StorageError("disk full")

    monkeypatch.setattr("liveoak.experience.erasure.from_erased", fail)
    with pytest.raises(StorageError):
        experience.erase("a")
    assert len(experience.turns("a")) == 3
    assert len(experience.lessons(session="a")) == 2
    assert experience.counts()["erasures"] == 0
