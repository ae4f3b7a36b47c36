"""How large a step a prior's weights bear, found from the weights themselves.

An adaptive step is as large as its rate, whatever it is added to: where weights are small, the same step changes more
of what a layer says. See docs/decisions/024-pace.md.
"""

from __future__ import annotations

from dataclasses import replace

from liveoak.engine import Engine
from liveoak.learning.recipe import Recipe

USUAL = 0.08
"""Weights of this size and larger take the recipe's own rate: the default prior's are 0.19, those of `scratch` 0.09."""


def paced(recipe: Recipe, engine: Engine) -> Recipe:
    """The recipe, at a rate that is as much lower as the prior's weights are smaller than usual."""
    size = engine.bank.weight_size
    return recipe if size >= USUAL else replace(recipe, rate=recipe.rate * size / USUAL)
