"""Folders that are made once: by one process, whole or not at all.

Knows locks, partial folders and a manifest of sizes. Knows nothing of models.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from liveoak.errors import StorageError

MANIFEST = "liveoak.json"


def is_whole(folder: Path) -> bool:
    """True if `folder` was finished and every file still has the size that it was written with."""
    manifest = read_manifest(folder)
    sizes = manifest.get("sizes")
    if not isinstance(sizes, dict):
        return False
    return all((folder / name).is_file() and (folder / name).stat().st_size == size for name, size in sizes.items())


def read_manifest(folder: Path) -> dict[str, object]:
    """The manifest of a finished folder, empty if there is none that can be read."""
    try:
        return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def make_once(folder: Path, fill: Callable[[Path], dict[str, object]]) -> Path:
    """`folder`, filled by `fill(partial)` unless it is there and whole; `fill` returns facts for the manifest.

    Another process that wants the same folder waits for the first. A process that dies leaves a partial folder,
    which the next one removes.

    Raises:
        StorageError: the disk is full or may not be written.
    """
    if is_whole(folder):
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    with storage(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if is_whole(folder):
                return folder
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                facts = fill(partial)
                sizes = {path.name: path.stat().st_size for path in sorted(partial.iterdir()) if path.is_file()}
                (partial / MANIFEST).write_text(json.dumps({**facts, "sizes": sizes}, indent=1), encoding="utf-8")
                shutil.rmtree(folder, ignore_errors=True)
                partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return folder


@contextmanager
def storage(path: Path) -> Generator[None]:
    """Tells a full or forbidden disk as a StorageError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise StorageError(
                f"cannot write to the cache at {str(path.parent)!r}: {error.strerror}; "
                "name a folder that you may write to with LIVEOAK_CACHE or --cache"
            ) from error
        raise


def disk_full(path: Path) -> StorageError:
    return StorageError(
        f"the disk is full while writing {str(path)!r}; nothing was kept. "
        "Free about 1 GiB, or name another folder with LIVEOAK_CACHE or --cache, and try again"
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
