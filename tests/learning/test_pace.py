"""A lower rate for smaller weights, and the recipe's own for those that it was measured on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_priors import prior_over, tiny_engine, tiny_model

from liveoak.engine import Engine
from liveoak.learning.pace import USUAL, paced
from liveoak.learning.recipe import Recipe
from liveoak.priors import load_prior

RECIPE = Recipe()


def test_usual_weights_take_the_recipe_as_it_is() -> None:
    for engine in (tiny_engine("llama"), Engine(load_prior("scratch", cache=Path("unused")))):
        assert engine.bank.weight_size >= USUAL
        assert paced(RECIPE, engine) is RECIPE


def test_half_the_weights_is_half_the_rate() -> None:
    def sized(size: float) -> Engine:
        model = tiny_model("gemma3", dtype=torch.float32)
        for name, value in model.named_parameters():
            if name.endswith("proj.weight"):
                value.data.fill_(size)
        return Engine(prior_over(model))

    assert paced(RECIPE, sized(USUAL / 2)).rate == pytest.approx(RECIPE.rate / 2)
    assert paced(RECIPE, sized(USUAL / 8)).rate == pytest.approx(RECIPE.rate / 8)
