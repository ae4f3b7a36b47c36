"""How much of everything a bench does."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes of one run of a bench."""

    repeats: int
    """Interleaved repeats of each row."""
    lessons: int
    """Lessons, each with a slot of its own."""
    replies: int
    """Replies decoded at once."""
    adapters: int
    """Adapters that they go through."""
    passes: int = 2
    """How often each lesson is read in one repeat of the training row."""
    ceiling_seconds: float = 0.6
    """Time spent on each ceiling of the machine."""
    rank: int = 16
    most_lines: int = 64
    """Longer lessons are cut after so many lines."""
    most_tokens: int = 512
    """Longer lines are cut after so many tokens."""
    reply_tokens: int = 64
    compiled: bool = True
    """Whether transformers decodes compiled too, for which torch compiles for a minute or more."""
    pad_to: int = 2048
    """What SEAL's inner loop pads every line to."""
    padded_lines: int = 2
    """Lines that SEAL's inner loop is timed on in each repeat; each costs the same."""
    epochs: int = 10
    """Passes of SEAL's inner loop."""
    together_seconds: float = 5.0
    """Time of each of the three parts of a repeat: replies alone, training alone, both."""
    growth_slots: tuple[int, ...] = (1, 8, 64, 512)
    growth_tokens: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    growth_rank: int = 4
    """Rank of the slots in the growth curve, low enough for hundreds of them in memory."""
    growth_line: int = 32
    """Tokens that each slot of the growth curve trains on."""
    growth_seconds: float = 300.0
    """A point of the growth curve that would take longer is left out, and said to be."""
    soak_minutes: float = 5.0
    fresh: bool = True
    """Whether growth and soak begin in a process of their own, so that memory held from before does not count."""


CPU = Sizes(repeats=5, lessons=8, replies=8, adapters=8)
GPU = Sizes(
    repeats=5,
    lessons=64,
    replies=256,
    adapters=64,
    passes=4,
    reply_tokens=128,
    growth_seconds=60.0,
)
_SMALL = Sizes(
    repeats=2,
    lessons=8,
    replies=8,
    adapters=8,
    passes=1,
    ceiling_seconds=0.05,
    rank=4,
    most_lines=2,
    most_tokens=24,
    reply_tokens=6,
    compiled=False,
    pad_to=64,
    padded_lines=1,
    epochs=2,
    together_seconds=0.4,
    growth_slots=(1, 4),
    growth_tokens=(100, 400),
    growth_line=12,
    growth_seconds=20.0,
    soak_minutes=0.03,
    fresh=False,
)


def quick(sizes: Sizes) -> Sizes:
    """The same rows with next to nothing in them: for tests, and to see that all sides work. Figures mean nothing."""
    return replace(
        _SMALL, lessons=min(sizes.lessons, 8), replies=min(sizes.replies, 8), adapters=min(sizes.adapters, 4)
    )
