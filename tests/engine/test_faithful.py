"""Priors that the engine would run wrongly are refused when they are loaded, not served."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from tiny_priors import FAMILIES, TOKENIZER, VOCABULARY, tiny_prior

from liveoak.engine import Engine, faithful
from liveoak.engine import engine as engine_module
from liveoak.errors import UserError
from liveoak.priors import Prior

KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("Bloom", "differ", {}),  # attention of its own: would see across the sequences of a batch
    ("Mamba", "differ", {}),  # a state that runs on from one sequence into the next
    ("Lfm2", "differ", {"layer_types": ["full_attention", "conv"]}),  # reaches over the border of two sequences alone
    ("GptOss", "differ", {"head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1}),  # attention sinks
    ("StableLm", "cannot run", {}),  # drops what it is handed for its attention
]


def prior_of(kind: str, options: dict[str, Any]) -> Prior:
    classes: Any = transformers
    shape = {"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 256, "initializer_range": 0.15}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(classes, f"{kind}ForCausalLM")(getattr(classes, f"{kind}Config")(**shape, **heads, **options))
    model = model.eval().requires_grad_(False)
    return Prior(name="mine", model=model, tokenizer=TOKENIZER, fingerprint="", context_length=512)


@pytest.mark.parametrize(("kind", "told", "options"), KINDS, ids=[kind for kind, _, _ in KINDS])
def test_architectures_that_would_answer_wrongly_are_refused(kind: str, told: str, options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"'mine' is a {kind}ForCausalLM.*{told}"):
        Engine(prior_of(kind, options))


def test_a_prior_without_linear_layers_is_refused() -> None:
    config = transformers.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4)
    model: Any = transformers.GPT2LMHeadModel(config)
    prior = Prior(name="mine", model=model.eval(), tokenizer=TOKENIZER, fingerprint="", context_length=512)
    with pytest.raises(UserError, match="no linear layer"):
        Engine(prior)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_families_that_are_run_pass_with_room_to_spare(
    family: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(faithful.MOST_APART, dtype, 1e-5 if dtype is torch.float32 else 0.05)
    Engine(tiny_prior(family, dtype=dtype))


def test_a_forgotten_scale_of_the_logits_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgotten(config: Any) -> float:
        return 1.0

    monkeypatch.setattr(engine_module, "_logit_scale", forgotten)
    with pytest.raises(UserError, match="Granite"):
        Engine(tiny_prior("granite"))
