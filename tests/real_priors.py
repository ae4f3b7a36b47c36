"""The priors that are fetched by name, from the cache of whoever runs the tests. What holds of one holds of all."""

from __future__ import annotations

import os
from typing import Any

import pytest

from liveoak.config import Settings, load_settings
from liveoak.priors import KNOWN, Prior, load_prior

FETCHED = tuple(KNOWN)
on_each = pytest.mark.parametrize("prior_name", FETCHED)


def settings_for(name: str, **chosen: Any) -> Settings:
    """Settings with this prior. Without its licence accepted the test is skipped, and fails in CI."""
    current = load_settings()
    if KNOWN[name].licence is not None and name not in current.accept_licence:
        message = f"accept the licence of {name} with LIVEOAK_ACCEPT_LICENCE={name}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return Settings(prior=name, cache=current.cache, accept_licence=current.accept_licence, **chosen)


def real_prior(name: str, **options: Any) -> Prior:
    """The prior itself."""
    chosen = settings_for(name)
    return load_prior(name, cache=chosen.cache, accept_licence=chosen.accept_licence, **options)
