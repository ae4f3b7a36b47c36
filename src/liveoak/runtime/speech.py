"""One stretch of the agent's speech: which of its tokens it chose, and which were put there.

A tool call is begun by the agent or forced by the request, written under the tools' grammar, and closed by the
runtime. All of these tokens are what the agent has said; only those that it chose may be credited to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from liveoak.engine import Drawn
from liveoak.priors import ChatTokenizer
from liveoak.records import Finish, Message, Origin, Span, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message with its tokens, forced ones among them, in the order in which the agent had them before it."""

    message: Message
    tokens: tuple[Drawn, ...]
    finish: Finish
    version: Version
    prompt_tokens: int
    completion_tokens: int
    """Tokens that were computed, whether the message holds them or not."""

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(token.id for token in self.tokens)

    @property
    def logprobs(self) -> tuple[float, ...]:
        return tuple(0.0 if token.forced else token.logprob for token in self.tokens)

    @property
    def spans(self) -> tuple[Span, ...]:
        """Empty where the agent chose every token."""
        spans: list[Span] = []
        for forced, run in groupby(self.tokens, key=lambda token: token.forced):
            start = spans[-1].end if spans else 0
            origin = Origin.SCAFFOLD if forced else Origin.ACTED
            spans.append(Span(origin=origin, start=start, end=start + len(list(run))))
        return tuple(spans) if any(token.forced for token in self.tokens) else ()


def forced(ids: Iterable[int]) -> tuple[Drawn, ...]:
    """Tokens that nobody drew."""
    return tuple(Drawn(id=id, logprob=0.0, top=(), forced=True) for id in ids)


def opening(tokenizer: ChatTokenizer, drawn: Sequence[Drawn], wanted: str) -> tuple[Drawn, ...]:
    """Tokens of `wanted`: the drawn ones for as long as they write it, then forced ones for the rest.

    A drawn token that runs over the end of `wanted` is not what the agent goes on from, and is left out.
    """
    for count in range(len(drawn), -1, -1):
        written = tokenizer.decode([token.id for token in drawn[:count]])
        if wanted.startswith(written):
            return (*drawn[:count], *forced(tokenizer.encode(wanted[len(written) :])))
    raise AssertionError("no tokens write no text, with which every text begins")


def closing(tokenizer: ChatTokenizer, drawn: Sequence[Drawn], close: str) -> tuple[Drawn, ...]:
    """The drawn tokens of a call and what closes it: the family's mark and the end of the turn."""
    call = drawn[:-1] if drawn and drawn[-1].id in tokenizer.stop_ids else drawn
    return (*call, *forced((*tokenizer.encode(close), *end_of_turn(tokenizer))))


def end_of_turn(tokenizer: ChatTokenizer) -> tuple[int, ...]:
    """The token that ends the agent's turn; none in a family that has none."""
    turns = [Message(role="user", content="?"), Message(role="assistant", content="!")]
    rendered = tokenizer.render(turns)
    last = [span for span in rendered.spans if span.origin is Origin.ACTED][-1]
    end = rendered.ids[last.end - 1]
    return (end,) if end in tokenizer.stop_ids else ()
