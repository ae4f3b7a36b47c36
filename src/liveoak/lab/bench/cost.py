"""What the work costs at least: floating-point operations and bytes, counted from the model's shape.

Source: a product of (m, k) and (k, n) takes 2 m k n operations. The backward pass through a frozen weight takes one
more such product (for its input), through an adapter's weight two (for its input and itself).
"""

from __future__ import annotations

from collections.abc import Sequence

from liveoak.lab.bench.jobs import Shape


def trained_flops(shape: Shape, lengths: Sequence[int], rank: int) -> float:
    """Operations to train once on sequences of these lengths, every token credited."""
    tokens = sum(lengths)
    frozen = 4 * (shape.linear + shape.head) * tokens
    adapters = 6 * rank * shape.adapter_per_rank * tokens
    return frozen + adapters + 3 * _attention(shape, lengths)


def decoded_flops(shape: Shape, lengths: Sequence[int], rank: int = 0) -> float:
    """Operations to give each of the replies one token; `lengths` are the tokens that each can look back to."""
    read = sum(lengths)
    products = 2 * (shape.linear + shape.head + rank * shape.adapter_per_rank) * len(lengths)
    return products + 4 * shape.layers * shape.attention_width * read


def _attention(shape: Shape, lengths: Sequence[int]) -> float:
    """Forward: scores and weighted values, each token looking at itself and at those before it."""
    pairs = sum(length * (length + 1) / 2 for length in lengths)
    return 4 * shape.layers * shape.attention_width * pairs
