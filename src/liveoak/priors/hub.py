"""Models of the Hugging Face hub, by the hub's own client."""

from __future__ import annotations

import errno
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from liveoak.errors import NotFound, Unavailable
from liveoak.priors.cache import disk_full

_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]


def fetch_from_hub(repository: str) -> Path:
    """The repository's files, from the local hub cache if they are there, else fetched into it.

    Raises:
        NotFound: no such repository, none that may be read, or none with weights.
        Unavailable: no network, the hub is down, or a file did not come whole.
        StorageError: the disk is full.
    """
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    fetch = cast(Any, huggingface_hub).snapshot_download
    try:
        with _bars_on_terminals_only():
            try:
                folder = Path(fetch(repository, allow_patterns=_FILES, local_files_only=True))
                if _has_weights(folder):
                    return folder
            except LocalEntryNotFoundError:
                pass  # not fetched yet
            folder = Path(fetch(repository, allow_patterns=_FILES))
    except HFValidationError as error:
        raise NotFound(f"{'hf:' + repository!r} is no hub name; expected `hf:ORG/NAME`") from error
    except RepositoryNotFoundError as error:
        raise NotFound(
            f"the hub has no model {repository!r} that you may read; look at the spelling, "
            "or log in with `hf auth login` if it is private or gated"
        ) from error
    except Exception as error:  # the border to the client, whose HTTP library has errors of its own and has changed
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise disk_full(Path(huggingface_hub.constants.HF_HUB_CACHE)) from error
        said = " ".join(str(error).split())[:200]
        raise Unavailable(
            f"cannot fetch {repository!r} from the hub ({type(error).__name__}: {said}). "
            "Connect to the network and try again, or give the path of a directory that holds the model"
        ) from error
    if not _has_weights(folder):
        raise NotFound(
            f"the hub's {repository!r} holds no *.safetensors; expected a causal language model in that format "
            "(for GGUF files, download one and name it as `gguf:FILE`)"
        )
    return folder


def _has_weights(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


@contextmanager
def _bars_on_terminals_only() -> Generator[None]:
    from huggingface_hub import utils

    hub = cast(Any, utils)
    if sys.stderr.isatty() or hub.are_progress_bars_disabled():
        yield
        return
    hub.disable_progress_bars()
    try:
        yield
    finally:
        hub.enable_progress_bars()
