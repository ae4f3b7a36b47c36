"""docs/cluster.md counts what the code counts."""

from __future__ import annotations

from pathlib import Path

from liveoak.adapters.slots import Layout, Target
from liveoak.cluster import Terms

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
LAYERS, HIDDEN, KEYS, INNER = 30, 576, 192, 1536
"""SmolLM2 135M."""


def test_the_bytes_of_slow_weights_are_those_of_a_slot():
    shapes = [
        (HIDDEN, HIDDEN),
        (HIDDEN, KEYS),
        (HIDDEN, KEYS),
        (HIDDEN, HIDDEN),
        (HIDDEN, INNER),
        (HIDDEN, INNER),
        (INNER, HIDDEN),
    ]
    layer = tuple(Target(name="", inputs=inputs, outputs=outputs) for inputs, outputs in shapes)
    count = Layout(layer * LAYERS).size(16)
    assert f"N = {count:,}" in PAGE and f"{4 * count / 1e6:.1f} MB" in PAGE
    assert f"{100 * 4 * count / 1e9:.2f} GB" in PAGE, "a round of a hundred nodes"


def test_the_terms_are_told():
    terms = Terms()
    assert f"{terms.retries} more times" in PAGE
    assert f"{terms.arrival:g} s" in PAGE and f"{terms.patience:g} s" in PAGE
