"""How what is read in lives is studied, where the usual recipe does not fit."""

from __future__ import annotations

from liveoak.learning.recipe import Recipe

TAUGHT = Recipe(rank=16, rate=5e-3, batch=8, pieces=0, anchors=0, other_words=False, turned=False)
"""For entries that are taught in one turn, each as it is given. Steps are plain, as they were when it was
chosen."""
