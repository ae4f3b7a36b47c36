"""Text to tokens, with control tokens only where the caller says so."""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, processors

from liveoak.priors.layout import Stretch
from liveoak.records import Origin, Rendered, Span


class PlainEncoder:
    """A copy of a tokenizer that reads control tokens in a text as ordinary text.

    Control tokens are the special tokens, and those added tokens that the chat template writes. A control token that
    the template did write is put in as a stand-in that behaves like it, so that the text around it is cut exactly as
    the tokenizer would cut it.
    """

    def __init__(self, hf: Any, template: str) -> None:
        added: dict[int, Any] = hf.added_tokens_decoder
        controls = {
            token.content: (number, token)
            for number, token in added.items()
            if token.special or (token.content.strip() and token.content in template)
        }
        self.ids = {text: number for text, (number, _) in controls.items()}
        longest_first = sorted(self.ids, key=len, reverse=True)
        self.pattern = re.compile("|".join(re.escape(text) for text in longest_first) or r"(?!)")

        self._backend = copy.deepcopy(hf.backend_tokenizer)
        # Told that they are special and that special tokens are text, the copy reads all of them as text.
        self._backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in self.ids])
        self._backend.encode_special_tokens = True
        self._backend.no_truncation()
        self._backend.no_padding()
        # The byte-level post-processor would cut the space off a token's offsets.
        self._backend.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
        # Unguessable, so that no content can hold one.
        word = secrets.token_hex(8)
        self._stand_ins: dict[str, str] = {}
        made: dict[str, AddedToken] = {}
        for text, (_, token) in controls.items():
            shape = f"{int(token.lstrip)}{int(token.rstrip)}"
            self._stand_ins[text] = f"<{word}-{shape}>"
            made[shape] = AddedToken(
                self._stand_ins[text], lstrip=token.lstrip, rstrip=token.rstrip, normalized=False, special=False
            )
        self._backend.add_tokens(list(made.values()))
        self._stand_in_ids = {self._backend.token_to_id(token.content) for token in made.values()}

    def encode(self, text: str) -> tuple[int, ...]:
        """Tokens of `text`, none of them a control token."""
        return tuple(self._backend.encode(text, add_special_tokens=False).ids)

    def encode_stretches(self, stretches: Sequence[Stretch]) -> Rendered:
        """Tokens of the joined text with their origins; a token over a border of two origins is scaffold."""
        text = "".join(self._stand_ins[piece.text] if piece.control else piece.text for piece in stretches)
        encoding = self._backend.encode(text, add_special_tokens=False)
        controls = iter([self.ids[piece.text] for piece in stretches if piece.control])
        ids = tuple(next(controls) if number in self._stand_in_ids else number for number in encoding.ids)
        return Rendered(ids=ids, spans=_spans(encoding.offsets, self._borders(stretches)))

    def _borders(self, stretches: Sequence[Stretch]) -> list[tuple[int, Origin]]:
        """Where each run of one origin ends in the text with stand-ins."""
        borders: list[tuple[int, Origin]] = []
        at = 0
        for piece in stretches:
            at += len(self._stand_ins[piece.text]) if piece.control else len(piece.text)
            if borders and borders[-1][1] == piece.origin:
                borders.pop()
            borders.append((at, piece.origin))
        return borders


def _spans(offsets: Sequence[tuple[int, int]], borders: Sequence[tuple[int, Origin]]) -> tuple[Span, ...]:
    spans: list[Span] = []
    run = 0
    for index, (start, end) in enumerate(offsets):
        while run < len(borders) - 1 and borders[run][0] <= start:
            run += 1
        origin = borders[run][1] if end <= borders[run][0] else Origin.SCAFFOLD
        if spans and spans[-1].origin == origin:
            spans[-1] = Span(origin=origin, start=spans[-1].start, end=index + 1)
        else:
            spans.append(Span(origin=origin, start=index, end=index + 1))
    return tuple(spans)
