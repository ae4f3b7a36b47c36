"""transformers without its progress bars and advice, for the length of a block."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import transformers.utils.logging as _logging

# The library ships no types for these.
_log = cast(Any, _logging)


@contextmanager
def quiet() -> Generator[None]:
    """Silences transformers inside the block and restores what was set before."""
    level, bars = _log.get_verbosity(), _log.is_progress_bar_enabled()
    _log.set_verbosity_error()
    _log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _log.set_verbosity(level)
        if bars:
            _log.enable_progress_bar()
