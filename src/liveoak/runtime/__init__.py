"""The loop: a request is answered, recorded, learned from, gated, and the next one is served by what came of it.

The only package that knows every stage. It knows nothing of HTTP, terminals or experiments. What needs torch is
imported on first use, so that a home can be locked and looked into without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liveoak.runtime.home import Home
    from liveoak.runtime.replies import Reply
    from liveoak.runtime.runtime import Runtime
    from liveoak.runtime.teaching import Progress

__all__ = ["Home", "Progress", "Reply", "Runtime"]

_HOMES = {"Home": "home", "Progress": "teaching", "Reply": "replies", "Runtime": "runtime"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
