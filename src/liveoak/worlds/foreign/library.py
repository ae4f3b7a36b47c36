"""The one seam to libraries that may be missing and that state no types."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from liveoak.errors import Unavailable


def library(name: str, *, world: str, extra: str = "worlds") -> Any:
    """A module of an optional library.

    Raises:
        Unavailable: it is not installed, or cannot be imported.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise Unavailable(
            f"world {world!r} needs {name.partition('.')[0]}, which cannot be imported ({error});"
            f" install it with: pip install 'liveoak[{extra}]'"
        ) from error
