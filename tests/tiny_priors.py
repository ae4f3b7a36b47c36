"""Priors of several families, a few thousand random parameters each, with the tokenizer of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from liveoak.adapters import Bank, Slot, bank
from liveoak.adapters.grouped import Grouping
from liveoak.adapters.products import Order, Panels, Reordered
from liveoak.config import load_settings
from liveoak.engine import Engine, Scheduler, Sequence, stepper
from liveoak.errors import Unavailable
from liveoak.priors import ChatTokenizer, Prior
from liveoak.priors.scratch import byte_tokenizer

VOCABULARY = 264
"""A few rows more than the tokenizer has, as real models do."""
WINDOW = 9
"""Of the families whose attention slides."""

_SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.15,
    "bos_token_id": 256,
    "eos_token_id": 258,
    "pad_token_id": 256,
    "tie_word_embeddings": False,
}
_MIXED = {"num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": WINDOW}
_OWN: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "llama-tied": ("Llama", {"tie_word_embeddings": True, "num_key_value_heads": 4}),
    "llama-biased": (
        "Llama",
        {
            "attention_bias": True,
            "mlp_bias": True,
            "num_key_value_heads": 1,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            },
        },
    ),
    "mistral": ("Mistral", {"sliding_window": WINDOW, "num_key_value_heads": 1}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", {"head_dim": 16}),
    "gemma2": (
        "Gemma2",
        {
            **_MIXED,
            "head_dim": 12,
            "query_pre_attn_scalar": 20,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
    ),
    "gemma3": ("Gemma3", {**_MIXED, "head_dim": 12, "query_pre_attn_scalar": 20, "tie_word_embeddings": True}),
    "granite": ("Granite", {"logits_scaling": 0.4, "residual_multiplier": 0.7, "attention_multiplier": 0.2}),
    "cohere2": ("Cohere2", {**_MIXED, "logit_scale": 1.75, "tie_word_embeddings": True}),
}
FAMILIES = tuple(_OWN)
TOKENIZER = ChatTokenizer(byte_tokenizer())


@dataclass(frozen=True, slots=True)
class Way:
    """How an engine computes: in which number format, by torch's operations or by our operators."""

    name: str
    dtype: torch.dtype
    ours: bool = False
    order: type[Order] | None = None
    """In which our operators find frozen weights."""
    rounded: bool = False
    """The prior's weights are numbers of bfloat16, which panels keep in half of float32's bytes."""
    grouped: bool = False
    """What slots change is computed as on a GPU."""

    def __str__(self) -> str:
        return self.name


FLOAT64 = Way("float64", torch.float64)
FLOAT32 = Way("float32", torch.float32)
BFLOAT16 = Way("bfloat16", torch.bfloat16, rounded=True)
PANELS = Way("float32 in panels", torch.float32, True, Panels)
HALVES = Way("float32 in halved panels", torch.float32, True, Panels, rounded=True)
PANELS16 = Way("bfloat16 in panels", torch.bfloat16, True, Panels, rounded=True)
GROUPED = Way("float32, grouped", torch.float32, grouped=True)
GROUPED16 = Way("bfloat16, grouped", torch.bfloat16, rounded=True, grouped=True)
_REST = (
    GROUPED,
    GROUPED16,
    Way("bfloat16 as it lies", torch.bfloat16, True, None, rounded=True),
    *(
        [Way("bfloat16 in oneDNN's order", torch.bfloat16, True, Reordered, rounded=True)]
        if Reordered.is_known()
        else []
    ),
)
WAYS = (FLOAT64, FLOAT32, BFLOAT16, PANELS, HALVES, PANELS16, *_REST)
"""Whatever this processor is: `order_for` takes panels for float32, and for bfloat16 one of the three by what the
processor has."""
MAIN = (FLOAT32, PANELS, PANELS16)
"""Few of them: both kinds of operators, and both formats that ours have code for."""
every_way = pytest.mark.parametrize("way", WAYS, ids=str)


def ways_of(*families: str) -> pytest.MarkDecorator:
    """`family` and `way`: the first in every way, the others in the main ones."""
    pairs = [(family, way) for place, family in enumerate(families) for way in (MAIN if place else WAYS)]
    return pytest.mark.parametrize(("family", "way"), pairs, ids=[f"{family}, {way}" for family, way in pairs])


def tiny_model(
    family: str, *, dtype: torch.dtype = torch.float32, attention: str = "eager", rounded: bool = False
) -> Any:
    """A model of transformers' own; the same weights each time."""
    name, own = _OWN[family]
    return shaped_model(name, own, dtype=dtype, attention=attention, rounded=rounded)


def model_by(way: Way, family: str) -> Any:
    return tiny_model(family, dtype=way.dtype, rounded=way.rounded)


def shaped_model(
    name: str,
    own: dict[str, Any],
    *,
    dtype: torch.dtype = torch.float32,
    attention: str = "eager",
    rounded: bool = False,
) -> Any:
    """The same of any of transformers' families, with settings of its own."""
    configs: Any = transformers
    stem = f"{name}Text" if name == "Gemma3" else name
    config = getattr(configs, f"{stem}Config")(**{**_SHAPE, **own}, attn_implementation=attention)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = getattr(configs, f"{name}ForCausalLM")(config)
        for parameter in model.parameters():
            if parameter.dim() == 1:  # norms and biases begin at ones and zeros, which would hide a mistake
                parameter.data.add_(torch.randn(parameter.shape) * 0.1)
            if rounded:
                parameter.data.copy_(parameter.data.bfloat16())
    if dtype is torch.float64:
        _exact(model)
    return model.to(dtype).eval().requires_grad_(False)


class _ExactNorm(nn.Module):
    """The same norm without transformers' detour by float32, which would drown what float64 can tell."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight = norm.weight
        kind = type(norm).__name__
        self.epsilon: float = getattr(norm, "variance_epsilon", None) or norm.eps
        self.offset, self.centred = (1.0 if "Gemma" in kind else 0.0), "LayerNorm" in kind

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True) if self.centred else x
        return (self.offset + self.weight) * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon)


def _exact(model: Any) -> None:
    for name, module in list(model.named_modules()):
        if type(module).__name__.endswith(("RMSNorm", "LayerNorm")):
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, _ExactNorm(module))


def prior_over(model: Any, name: str = "tiny") -> Prior:
    return Prior(name=name, model=model, tokenizer=TOKENIZER, fingerprint=name, context_length=512)


def tiny_prior(family: str, *, dtype: torch.dtype = torch.float32) -> Prior:
    return prior_over(tiny_model(family, dtype=dtype), f"tiny-{family}")


def tiny_engine(family: str = "llama", *, dtype: torch.dtype = torch.float32) -> Engine:
    return Engine(tiny_prior(family, dtype=dtype))


def refuse(*_: Any, **__: Any) -> None:
    raise Unavailable("not now")


@cache
def swift_engine(family: str, *, graphs: bool = False, dtype: torch.dtype = torch.float32) -> Engine:
    """On our own operators; with `graphs` its layers are compiled for steps too. The same one each time."""
    engine = tiny_engine(family, dtype=dtype)
    with pytest.MonkeyPatch.context() as patch:
        if not graphs:
            patch.setattr(stepper, "compile_layers", refuse)
        engine.compile(load_settings().cache)
    return engine


def new_engine(way: Way, family: str, scheduler: Scheduler | None = None) -> Engine:
    """Computes that way; its steps run on the kernels alone."""
    engine = Engine(prior_over(model_by(way, family), f"tiny-{family}"), scheduler)
    if way.ours:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stepper, "compile_layers", refuse)
            patch.setattr(bank, "order_for", lambda _: way.order)
            engine.compile(load_settings().cache)
    if way.grouped:
        engine.bank.changes = Grouping()
    return engine


@cache
def engine_by(way: Way, family: str) -> Engine:
    """The same one each time."""
    return new_engine(way, family)


def stirred(
    bank: Bank, *, rank: int = 4, seed: int = 1, alpha: float | None = None, size: float = 0.1, first: int = 0
) -> Slot:
    """A slot that has learned something: its weights are random."""
    slot = bank.new_slot(rank=rank, alpha=alpha, seed=seed, first=first)
    generator = torch.Generator().manual_seed(1000 + seed)
    slot.master.copy_(torch.randn(slot.master.shape, generator=generator) * size)
    slot.publish()
    return slot


def merged(model: Any, slot: Slot | None) -> Any:
    """The model with the slot's change added into its own weights: what the slot must amount to."""
    if slot is not None:
        for name, (a, b) in slot.named_master().items():
            model.get_submodule(name).weight.data.add_((slot.scale * b.double() @ a.double()).to(model.dtype))
    return model


def some_ids(length: int, seed: int = 0) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, 256, (length,), generator=generator).tolist())


def everywhere(ids: tuple[int, ...], slot: Slot | None = None, prefix: int | None = None) -> Sequence:
    """A sequence of which every place is wanted."""
    return Sequence(ids=ids, slot=slot, prefix=prefix, wanted=tuple(range(len(ids))))


def scored(engine: Engine, batch: list[Sequence]) -> Tensor:
    """Logits (P, V) without gradients."""
    with torch.inference_mode():
        return engine.logits(batch)


def own_logits(model: Any, ids: tuple[int, ...]) -> Tensor:
    """Logits (T, V) by transformers' own forward pass."""
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0].float()
