"""Full disks, locks and damage: a clear error, and nothing lost or half written."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from record_samples import a_session, a_turn
from small_disk import mounted

from liveoak.errors import Conflict, StorageError, UserError
from liveoak.experience import Experience
from liveoak.records import Turn


def noisy_turn(index: int, size: int = 20_000) -> Turn:
    return a_turn(index, text=random.Random(index).randbytes(size // 2).hex())


def fill(experience: Experience) -> list[Turn]:
    """Append until the store refuses; the turns that it acknowledged."""
    acknowledged: list[Turn] = []
    for index in range(10_000):
        try:
            experience.append(noisy_turn(index))
        except StorageError:
            return acknowledged
        acknowledged.append(noisy_turn(index))
    raise AssertionError("the disk never filled up")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    with mounted(tmp_path / "small", 1) as folder:
        yield folder


def test_disk_full(small_disk: Path) -> None:
    store = small_disk / "experience.db"
    with Experience(store) as experience:
        experience.add_session(a_session())
        acknowledged = fill(experience)
        assert len(acknowledged) > 5
        # Reading goes on, and the store stays whole.
        assert experience.turns("s") == acknowledged
        assert experience.check() == []
        with pytest.raises(StorageError, match="disk full"):
            experience.append(noisy_turn(len(acknowledged), 400_000))
        assert experience.turns("s") == acknowledged
        subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
        experience.append(noisy_turn(len(acknowledged)))
    with Experience(store) as experience:
        assert experience.turns("s") == [*acknowledged, noisy_turn(len(acknowledged))]
        assert experience.check() == []


def test_a_full_disk_delays_the_scrub_and_not_the_erasure(small_disk: Path) -> None:
    store = small_disk / "experience.db"
    with Experience(store) as experience:
        experience.add_session(a_session())
        experience.add_session(a_session("t"))
        experience.append(a_turn(0, "t", text="ACORN" * 100))
        fill(experience)
        try:
            erased = experience.erase("t")
        except StorageError:
            # No room even for the transaction: then nothing is erased.
            assert experience.turns("t") == [a_turn(0, "t", text="ACORN" * 100)]
        else:
            assert erased.turns == 1
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
        assert experience.erase("t").scrubbed
        assert b"ACORN" not in b"".join(file.read_bytes() for file in small_disk.iterdir())


def test_opening_on_a_full_disk(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * (1 << 20))
    with pytest.raises(StorageError, match=r"experience\.db"):
        Experience(small_disk / "experience.db")


def test_a_file_size_limit(tmp_path: Path) -> None:
    """Another way to run out of space, which needs no root."""
    store = tmp_path / "experience.db"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Experience(store) as experience:
        experience.add_session(a_session())
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        try:
            acknowledged = fill(experience)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert len(acknowledged) > 5
        assert experience.turns("s") == acknowledged
        experience.append(noisy_turn(len(acknowledged)))
    with Experience(store) as experience:
        assert len(experience.turns("s")) == len(acknowledged) + 1
        assert experience.check() == []


class TestLocks:
    def test_a_writer_elsewhere(self, tmp_path: Path) -> None:
        store = tmp_path / "experience.db"
        with Experience(store, patience=0.2) as experience:
            experience.add_session(a_session())
            other = sqlite3.connect(store, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Conflict, match="another process"):
                experience.append(a_turn(0))
            assert experience.turns("s") == []
            other.execute("ROLLBACK")
            experience.append(a_turn(0))
            assert experience.turns("s") == [a_turn(0)]
            other.close()

    def test_another_process_that_opens_for_ever(self, tmp_path: Path) -> None:
        store = tmp_path / "experience.db"
        hold = "lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(flush=True); sys.stdin.read()"
        holder = subprocess.Popen(
            [sys.executable, "-c", f"import sys, filelock; {hold}", f"{store}.lock"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            with pytest.raises(Conflict, match=r"opening it for 0\.2 s"):
                Experience(store, patience=0.2)
        finally:
            holder.kill()
            holder.communicate()
        Experience(store, patience=5.0).close()


class TestDamage:
    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        store = tmp_path / "experience.db"
        content = b"My diary. " * 1000
        store.write_bytes(content)
        with pytest.raises(StorageError, match=r"experience\.db' is damaged or not an experience store"):
            Experience(store)
        assert store.read_bytes() == content

    def test_damaged_pages(self, tmp_path: Path) -> None:
        store = tmp_path / "experience.db"
        with Experience(store) as experience:
            experience.add_session(a_session())
            experience.append(*(noisy_turn(index, 2_000) for index in range(200)))
        data = bytearray(store.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 65_536] = random.Random(0).randbytes(65_536)
        store.write_bytes(data)
        with Experience(store) as experience:
            assert experience.check() != []
            with pytest.raises(StorageError, match="damaged"):
                experience.turns("s")

    def test_a_cut_file(self, tmp_path: Path) -> None:
        store = tmp_path / "experience.db"
        with Experience(store) as experience:
            experience.add_session(a_session())
            experience.append(*(noisy_turn(index, 2_000) for index in range(200)))
        os.truncate(store, 20_000)
        with pytest.raises(StorageError, match="damaged"), Experience(store) as experience:
            experience.turns("s")

    def test_a_row_written_by_somebody_else(self, tmp_path: Path) -> None:
        store = tmp_path / "experience.db"
        with Experience(store) as experience:
            experience.add_session(a_session())
            experience.append(a_turn(0))
            other = sqlite3.connect(store)
            other.execute('UPDATE turns SET message = \'{"role":"user"}\'')
            other.commit()
            other.close()
            with pytest.raises(StorageError, match="stored Message is damaged: content"):
                experience.turns("s")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="cannot be used"):
            Experience(tmp_path)


class TestLocations:
    def test_a_new_folder_and_a_private_file(self, tmp_path: Path) -> None:
        store = tmp_path / "new" / "100 %" / "experience.db"
        with Experience(str(store)) as experience:
            assert experience.path == store
            experience.add_session(a_session())
            for file in (store, Path(f"{store}-wal")):
                assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_url_of_a_file(self, tmp_path: Path) -> None:
        with Experience(f"sqlite:///{tmp_path}/experience.db") as experience:
            assert experience.path == tmp_path / "experience.db"

    @pytest.mark.parametrize("location", ["sqlite://", "sqlite:///:memory:", "nosuch://x/y", "postgresql+nosuch://x/y"])
    def test_what_keeps_nothing(self, location: str) -> None:
        with pytest.raises(UserError, match=r"expected"):
            Experience(location)

    def test_durability_is_switched_on(self, tmp_path: Path) -> None:
        """Read on the store's own connections: these settings live in a connection, not in the file."""
        with Experience(tmp_path / "experience.db") as experience, experience._database.write() as connection:
            ask = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
            }
        assert ask == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
