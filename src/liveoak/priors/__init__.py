"""Frozen base weights with their tokenizer and chat template.

Knows where a model comes from, how it is checked and kept, and how a chat becomes tokens with origins.
Knows nothing of adapters, sampling, sessions or rewards. What needs torch is imported on first use, so that the
catalogue and the cache can be asked about without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liveoak.priors.catalogue import KNOWN, known_names
    from liveoak.priors.chat import ChatTokenizer
    from liveoak.priors.fetch import is_fetched
    from liveoak.priors.load import Prior, load_prior
    from liveoak.priors.tool_calls import ToolFormat

__all__ = ["KNOWN", "ChatTokenizer", "Prior", "ToolFormat", "is_fetched", "known_names", "load_prior"]

_HOMES = {
    "KNOWN": "catalogue",
    "known_names": "catalogue",
    "ChatTokenizer": "chat",
    "is_fetched": "fetch",
    "Prior": "load",
    "load_prior": "load",
    "ToolFormat": "tool_calls",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
