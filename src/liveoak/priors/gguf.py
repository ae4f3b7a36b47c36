"""A GGUF file as plain bf16 safetensors with a tokenizer: weights that train, and run fast."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from tokenizers import pre_tokenizers

from liveoak.errors import StorageError, UserError
from liveoak.priors.fingerprint import fingerprint_files
from liveoak.priors.quiet import quiet


def dequantise(gguf: Path, *, into: Path, split_digits: bool = False) -> dict[str, object]:
    """Writes the model and tokenizer of `gguf` to the folder `into`; returns facts for its manifest.

    Raises:
        UserError: transformers cannot read the file.
        StorageError: the weights did not come out as plain bf16.
    """
    auto = cast(Any, transformers)
    where: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    # Newer releases keep the weights packed unless told otherwise; older ones always unpack.
    config = getattr(transformers, "GgufConfig", None)
    unpack = {} if config is None else {"quantization_config": config(dequantize=True)}
    try:
        # The unpacker draws a bar of its own, straight to standard error.
        with quiet(), redirect_stderr(io.StringIO()):
            tokenizer = auto.AutoTokenizer.from_pretrained(gguf.parent, **where)
            model = auto.AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.bfloat16, **where, **unpack)
    except Exception as error:  # the border to three readers, whose errors have no common root
        raise UserError(
            f"cannot read {str(gguf)!r} as a GGUF language model: {type(error).__name__}: {str(error)[:300]}. "
            "Expected a whole file of an architecture that transformers reads; "
            "another quantisation, or the model's safetensors folder, may work"
        ) from error
    if split_digits:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    with quiet():
        model.save_pretrained(into)
        tokenizer.save_pretrained(into)
    _check_plain(model, into)
    return {"fingerprint": fingerprint_files(into)}


def _check_plain(model: Any, folder: Path) -> None:
    packed = [name for name, value in model.named_parameters() if value.dtype != torch.bfloat16]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if packed or "quantization_config" in config:
        raise StorageError(
            f"the weights of {str(folder)!r} are not plain bf16 after dequantising (for instance {packed[:1]!r}); "
            f"this release of transformers ({transformers.__version__}) keeps them packed: use one that liveoak names"
        )
