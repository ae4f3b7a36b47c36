"""From a name to frozen weights with their tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from safetensors import SafetensorError

from liveoak.errors import NotFound, StorageError, UserError
from liveoak.priors.cache import make_once, read_manifest
from liveoak.priors.catalogue import KNOWN, KnownPrior, known_names
from liveoak.priors.chat import ChatTokenizer
from liveoak.priors.fetch import Progress, fetch_gguf, home_of, require_licence
from liveoak.priors.fingerprint import fingerprint_files
from liveoak.priors.gguf import dequantise
from liveoak.priors.hub import fetch_from_hub
from liveoak.priors.quiet import quiet
from liveoak.priors.scratch import CONTEXT, byte_tokenizer, scratch_model
from liveoak.priors.templates import template_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Frozen base weights with their tokenizer and chat template."""

    name: str
    model: transformers.PreTrainedModel
    """In evaluation mode; no parameter takes a gradient."""
    tokenizer: ChatTokenizer
    fingerprint: str
    """SHA-256 of architecture and weights as stored, whatever `dtype` and `device` they were loaded to."""
    context_length: int
    """Most tokens that the model was made for."""


def load_prior(
    name: str,
    *,
    cache: Path,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    accept_licence: Collection[str] = (),
    progress: Progress | None = None,
) -> Prior:
    """The prior called `name`, fetched into `cache` first if it is not there.

    Raises:
        NotFound: no such prior, file or directory.
        LicenceNotAccepted: its licence is not in `accept_licence`.
        Unavailable: it has to be fetched and cannot be.
        StorageError: a corrupt download, or the disk is full.
        UserError: the files are there and are no chat model that can be read.
    """
    cache = cache.expanduser()
    if name == "scratch":
        model, fingerprint = scratch_model(dtype)
        return _prior(name, model, byte_tokenizer(), fingerprint, device=device, context=CONTEXT)
    folder, fingerprint = _locate(name, cache=cache, accept_licence=accept_licence, progress=progress)
    model, tokenizer = _read(name, folder, dtype=dtype)
    return _prior(name, model, tokenizer, fingerprint, device=device, context=_context(model.config.get_text_config()))


def _locate(name: str, *, cache: Path, accept_licence: Collection[str], progress: Progress | None) -> tuple[Path, str]:
    """The folder with the model's files, made ready, and its fingerprint."""
    if name in KNOWN:
        folder = _known(KNOWN[name], cache=cache, accept_licence=accept_licence, progress=progress)
        return folder, str(read_manifest(folder)["fingerprint"])
    if name.startswith("gguf:"):
        folder = _gguf(Path(name.removeprefix("gguf:")).expanduser(), cache=cache)
        return folder, str(read_manifest(folder)["fingerprint"])
    if name.startswith("hf:"):
        folder = fetch_from_hub(name.removeprefix("hf:"))
        return folder, _fingerprint_once(folder, cache=cache)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise NotFound(f"no prior is called {name!r}, and no directory either; expected {', '.join(known_names())}")
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise NotFound(
            f"directory {name!r} holds no model; expected config.json, *.safetensors and a tokenizer, "
            "as `save_pretrained` writes them"
        )
    return folder, _fingerprint_once(folder, cache=cache)


def _known(known: KnownPrior, *, cache: Path, accept_licence: Collection[str], progress: Progress | None) -> Path:
    require_licence(known, cache=cache, accept_licence=accept_licence)

    def fill(partial: Path) -> dict[str, object]:
        gguf = fetch_gguf(known, into=partial, cache=cache, progress=progress)
        size = gguf.stat().st_size
        if progress is not None:
            progress(f"unpacking {known.name}", 0, size)
        facts = dequantise(gguf, into=partial, split_digits=known.split_digits)
        if progress is not None:
            progress(f"unpacking {known.name}", size, size)
        gguf.unlink()
        return {"prior": known.name, "source": known.sha256, **facts}

    return make_once(home_of(known, cache), _told(fill, cache))


def _gguf(path: Path, *, cache: Path) -> Path:
    if not path.is_file():
        raise NotFound(f"no GGUF file at {str(path)!r}; expected `gguf:` and the path of a file")
    state = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:12]

    def fill(partial: Path) -> dict[str, object]:
        return {"source": str(path.resolve()), **dequantise(path, into=partial)}

    return make_once(cache / "priors" / f"gguf-{path.stem}-{key}", _told(fill, cache))


def _told(fill: Callable[[Path], dict[str, object]], cache: Path) -> Callable[[Path], dict[str, object]]:
    """`fill`, with the writer's own errors told as ours: safetensors raises one that is no OSError on a full disk."""

    def told(partial: Path) -> dict[str, object]:
        try:
            return fill(partial)
        except SafetensorError as error:
            raise StorageError(
                f"cannot write the weights to {str(cache)!r}: {error}; nothing was kept. "
                "Free about 1 GiB, or name another folder with LIVEOAK_CACHE or --cache, and try again"
            ) from error

    return told


def _fingerprint_once(folder: Path, *, cache: Path) -> str:
    """Fingerprint of a directory that is not ours: kept in the cache until its files change.

    Raises:
        UserError: the weights cannot be read.
    """
    files = sorted([*folder.glob("*.safetensors"), folder / "config.json"])
    state = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:24]

    def fill(partial: Path) -> dict[str, object]:
        try:
            return {"source": str(folder), "fingerprint": fingerprint_files(folder)}
        except (SafetensorError, ValueError) as error:
            raise UserError(
                f"cannot read the weights in {str(folder)!r}: {error}. Expected config.json and whole *.safetensors "
                "files, as `save_pretrained` writes them; copy or download them again"
            ) from error

    return str(read_manifest(make_once(cache / "fingerprints" / key, fill))["fingerprint"])


def _read(name: str, folder: Path, *, dtype: torch.dtype) -> tuple[Any, Any]:
    auto = cast(Any, transformers)
    try:
        with quiet():
            tokenizer = _read_tokenizer(folder)
            model = auto.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
    except (ValueError, KeyError, OSError, ImportError) as error:
        raise UserError(
            f"cannot load prior {name!r} from {str(folder)!r}: {type(error).__name__}: {str(error)[:300]}. "
            "Expected a causal language model with a fast tokenizer, as `save_pretrained` writes them"
        ) from error
    if tokenizer.chat_template is None:
        tokenizer.chat_template = template_for(set(tokenizer.get_added_vocab()))
    if tokenizer.chat_template is None:
        raise UserError(
            f"prior {name!r} has no chat template, and its control tokens are of no family that liveoak knows; "
            f"write one to {str(folder / 'chat_template.jinja')!r}"
        )
    return model, tokenizer


def _read_tokenizer(folder: Path) -> Any:
    if (folder / "tokenizer.json").is_file():
        # Reads the file as it is; the automatic class costs a second of imports and may rebuild the tokenizer.
        return transformers.PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    return cast(Any, transformers).AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _context(config: Any) -> int:
    """Most tokens at which the model's positions are the same whatever the length of the sequence."""
    most = int(getattr(config, "max_position_embeddings", 2048))
    rope: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "longrope":  # beyond, all positions are turned another way
        return min(most, int(rope["original_max_position_embeddings"]))
    return most


def _prior(
    name: str, model: Any, tokenizer: Any, fingerprint: str, *, device: torch.device | str, context: int
) -> Prior:
    model = model.to(device).eval().requires_grad_(False)
    ends = getattr(model.generation_config, "eos_token_id", None)
    stops = [ends] if isinstance(ends, int) else list(ends or ())
    return Prior(
        name=name,
        model=model,
        tokenizer=ChatTokenizer(tokenizer, stop_ids=stops),
        fingerprint=fingerprint,
        context_length=context,
    )
