"""A prior that knows nothing: about a million random parameters and a tokenizer of bytes, made in memory.

It is drawn so that an adapter can make something of it. Every layer keeps the size of what passes through it, so that
there are features to combine. The head, which no adapter changes, is not the embeddings again: else the token just read
would be the likeliest next one. Its rows allow logits up to 13, enough to be sure among 259 tokens, and at first they
spread by 1.1, so that nothing is likely yet.
"""

from __future__ import annotations

import hashlib
from typing import Any, cast

import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from liveoak.priors.fingerprint import update
from liveoak.priors.templates import CHATML

CONTEXT = 2048
_CONTROLS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_HEAD_STD = 0.1
"""A hidden state has norm sqrt(width), a row of the head this times sqrt(width): no logit exceeds their product."""


def scratch_model(dtype: torch.dtype, *, seed: int = 0) -> tuple[Any, str]:
    """The model and its fingerprint. The same weights on every machine."""
    config = transformers.LlamaConfig(
        vocab_size=256 + len(_CONTROLS),
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=256,
        eos_token_id=258,
        pad_token_id=256,
    )
    model = cast(Any, transformers.LlamaForCausalLM(config))
    # Uniform draws are exact in IEEE arithmetic; torch's normal draws differ between instruction sets.
    draw = np.random.default_rng(seed)
    digest = hashlib.sha256(b"scratch")
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            if value.dim() > 1:
                noise = (draw.random(tuple(value.shape)) * 2 - 1) * (_std(name, value) * 3**0.5)
                value.copy_(torch.from_numpy(noise))
            update(digest, name, value.detach())
    return model.to(dtype), digest.hexdigest()


def _std(name: str, weights: torch.Tensor) -> float:
    if name == "lm_head.weight":
        return _HEAD_STD
    return 1.0 if name == "model.embed_tokens.weight" else weights.shape[1] ** -0.5


def byte_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """Token `i` is byte `i`; the control tokens follow."""
    backend = Tokenizer(models.BPE(vocab={_letter(byte): byte for byte in range(256)}, merges=[]))
    # No splitting into words: there are no merges to limit, and one piece is the fastest.
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in _CONTROLS])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHATML
    return tokenizer


def _letter(byte: int) -> str:
    """The printable character that byte-level tokenizers write for a byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    if byte in printable:
        return chr(byte)
    rest = [other for other in range(256) if other not in printable]
    return chr(256 + rest.index(byte))
