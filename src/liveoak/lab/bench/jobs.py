"""What is asked of one side of a comparison, and what it answers. All of it crosses a process border as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Line = tuple[int, ...]
"""Tokens of one line of a lesson, the end of text among them."""


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setup(Wire):
    """What a side is made with."""

    prior: str
    cache: str
    dtype: Literal["float32", "bfloat16"]
    device: str
    threads: int
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether our side compiles its steps, as the setting of this name."""
    accept_licence: tuple[str, ...] = ()


class Texts(Wire):
    """Texts to be made tokens, so that every side gets the same ones."""

    lines: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()
    """Each is a user's message; its tokens end where the reply begins."""


class Tokens(Wire):
    lines: tuple[Line, ...]
    chats: tuple[Line, ...]


class Nothing(Wire):
    pass


class MeasureJob(Wire):
    """Find the machine's ceilings, for so many seconds each."""

    seconds: float


class Shape(Wire):
    """What the model's work is counted from."""

    linear: int
    """Parameters of the linear layers that adapters change."""
    head: int
    """Parameters of the layer that makes logits."""
    vocabulary: int
    layers: int
    attention_width: int
    """Query heads times their size."""
    adapter_per_rank: int
    """Numbers in an adapter of rank 1."""
    weight_bytes: int
    """Bytes that a pass for one token must read: every weight but those of an embedding that makes no logits, in as few
    bytes as hold it."""
    linears: tuple[tuple[int, int], ...]
    """Inputs and outputs of each kind of linear layer."""

    def seconds_to_read(self, gb: float) -> float:
        """All weights once, at so many GB/s."""
        return self.weight_bytes / (gb * 1e9)


class TrainJob(Wire):
    """Train each lesson in an adapter of its own, with next-token loss on its lines."""

    lessons: tuple[tuple[Line, ...], ...]
    passes: int
    """How often each line is trained on."""
    by: Literal["lesson", "line"] = "lesson"
    """An optimizer step for each pass over the lesson, or for each line."""
    rate: float = 1e-3
    decay: bool = False
    """Whether the rate falls linearly to zero."""
    rank: int = 16
    way: str = ""
    """How a side lays out a batch, where it knows several ways."""
    pad_to: int = 0
    """Tokens that a side which pads fills every line up to; 0 is the longest line of a batch."""
    evaluate: bool = False
    """Measure the final loss too; not part of the time."""

    @property
    def tokens(self) -> int:
        """Tokens that are predicted, all passes together."""
        return self.passes * sum(len(line) - 1 for lesson in self.lessons for line in lesson)


class Trained(Wire):
    seconds: float
    loss: float | None = None
    """Mean over the lessons of the nats per token of their own lines."""


class Ways(Wire):
    """Layouts of a batch that a side knows."""

    ways: tuple[str, ...]


class DecodeJob(Wire):
    """Greedy replies of exactly `tokens` tokens."""

    prompts: tuple[Line, ...]
    tokens: int
    adapters: int = 0
    """How many adapters the prompts go through in turn; 0 is the prior itself."""
    rank: int = 16


class Decoded(Wire):
    """When each token of each reply came, in seconds from the start."""

    times: tuple[tuple[float, ...], ...]


class TogetherJob(Wire):
    """Replies and training, each alone and then both at once, for `seconds` each."""

    prompts: tuple[Line, ...]
    lesson: tuple[Line, ...]
    seconds: float
    rank: int = 16


class Together(Wire):
    """Gaps between tokens of a reply in seconds, and training tokens a second."""

    gaps_alone: tuple[float, ...]
    gaps_learning: tuple[float, ...]
    replies_alone: float
    """Tokens of replies a second."""
    replies_learning: float
    train_alone: float
    train_serving: float


class ProfileJob(Wire):
    """One of both, run under the profiler."""

    train: TrainJob | None = None
    decode: DecodeJob | None = None


class Profile(Wire):
    """Share of the time by group of operators."""

    seconds: float
    shares: dict[str, float]
    slowest: tuple[tuple[str, float], ...]
    """The operators that took longest, with their share."""


class SoakJob(Wire):
    minutes: float
    prompts: tuple[Line, ...]
    lessons: tuple[tuple[Line, ...], ...]
    seed: int = 0


class Soaked(Wire):
    """Memory of the process over time, and what was done meanwhile."""

    samples: tuple[tuple[float, float], ...]
    """Seconds from the start, MiB."""
    replies: int
    cancelled: int
    lessons: int
    errors: int
    first_error: str = ""


class Ceilings(Wire):
    """What the machine can do: GFLOP/s of matrix products, GB/s of memory."""

    matmul_bf16: float
    matmul_f32: float
    copy_gb: float
    read_gb: float
    gemv_bf16_gb: float
    gemv_f32_gb: float


class Bandwidth(Wire):
    """GB/s at which memory is read."""

    read_gb: float


class Measured(Wire):
    """The machine: its ceilings as found, and what its maker says."""

    ceilings: Ceilings
    device: str
    """The accelerator's name, or `cpu`."""
    rated_bf16: float | None = None
    """GFLOP/s of dense bfloat16 products in the maker's data sheet, where it is known here."""


CALLS: dict[str, tuple[type[Wire], type[Wire]]] = {
    "describe": (Nothing, Shape),
    "tokenise": (Texts, Tokens),
    "ways": (Nothing, Ways),
    "train": (TrainJob, Trained),
    "decode": (DecodeJob, Decoded),
    "together": (TogetherJob, Together),
    "profile": (ProfileJob, Profile),
    "soak": (SoakJob, Soaked),
    "measure": (MeasureJob, Measured),
    "read": (MeasureJob, Bandwidth),
}
"""Methods that a side may have, by name, with what they take and give."""
