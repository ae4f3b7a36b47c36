"""Replies that must follow a JSON schema or a pattern: llguidance, behind one typed seam."""

from __future__ import annotations

import json
from typing import Any

import llguidance.hf
import numpy as np
import torch
from llguidance import LLMatcher
from torch import Tensor

from liveoak.errors import LiveoakError, UserError
from liveoak.records import Sampling

_REMEMBERED = 32
"""Grammars that are kept made."""


class Grammars:
    """Makes matchers for one tokenizer."""

    def __init__(self, hf_tokenizer: Any, vocabulary: int, stop_ids: frozenset[int]) -> None:
        self._tokenizer: Any = None
        self._made: dict[str, Any] = {}
        self._hf, self._vocabulary, self._stop_ids = hf_tokenizer, vocabulary, stop_ids

    def matcher(self, sampling: Sampling) -> Matcher | None:
        """The matcher that a reply is held to; None where it is free.

        Raises:
            UserError: a schema or pattern that cannot be followed.
        """
        if sampling.schema is not None and sampling.pattern is not None:
            raise UserError("a reply can follow a schema or a pattern, not both")
        if sampling.schema is not None:
            try:
                schema = json.dumps(sampling.schema)
            except (TypeError, ValueError) as error:
                raise UserError(f"the reply's schema is no JSON: {error}") from None
            grammar: str = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
        elif sampling.pattern is not None:
            grammar = LLMatcher.grammar_from_regex(sampling.pattern)
        else:
            return None
        if self._tokenizer is None:
            self._tokenizer = llguidance.hf.from_tokenizer(
                self._hf, n_vocab=self._vocabulary, eos_token=sorted(self._stop_ids)
            )
        return Matcher(self._begun(grammar).deep_copy(), self._vocabulary)

    def _begun(self, grammar: str) -> Any:
        """A matcher at its beginning. Making one takes a millisecond, and many requests follow the same grammar."""
        if grammar not in self._made:
            problem: str = LLMatcher.validate_grammar(grammar, self._tokenizer)
            if problem:
                raise UserError(f"the reply's grammar cannot be followed: {problem}")
            if len(self._made) >= _REMEMBERED:
                del self._made[next(iter(self._made))]
            self._made[grammar] = LLMatcher(self._tokenizer, grammar)
        return self._made[grammar]


class Matcher:
    """One reply's progress through its grammar."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher, self._vocabulary = matcher, vocabulary

    def restrict(self, logits: Tensor) -> Tensor:
        """logits (V) with minus infinity at tokens that the grammar does not allow next."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        allowed = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: self._vocabulary].astype(bool))
        mask = torch.zeros(logits.shape[0], dtype=torch.bool)
        mask[: allowed.shape[0]] = allowed
        return logits.masked_fill(~mask.to(logits.device), float("-inf"))

    def advance(self, token: int) -> None:
        """The reply goes on with `token`.

        Raises:
            LiveoakError: the grammar does not allow it, or grew too large to be followed.
        """
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        # A matcher that failed says that it has stopped, as one that is through does.
        if self._matcher.is_error():
            problem = str(self._matcher.get_error()).splitlines()[0]
            raise LiveoakError(f"the reply's grammar cannot be followed any further: {problem}")

    @property
    def finished(self) -> bool:
        """No token but the end may follow."""
        return bool(self._matcher.is_stopped())
