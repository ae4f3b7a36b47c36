"""How a lesson is studied. The default was chosen by measurement; see docs/log.md for what lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from liveoak.records import Effort

if TYPE_CHECKING:
    from liveoak.adapters import Bank, Slot
    from liveoak.priors import ChatTokenizer

Method = Literal["ask", "read"]


def _views() -> dict[Effort, int]:
    return {"low": 4, "medium": 8, "high": 34}


def _wordings() -> dict[Effort, int]:
    return {"low": 4, "medium": 4, "high": 12}


def _page_steps() -> dict[Effort, int | None]:
    return {"low": 20, "medium": 40, "high": None}


def _reading() -> dict[Effort, float]:
    return {"low": 0.0, "medium": 0.5, "high": 0.25}


def _past() -> dict[Effort, float]:
    return {"low": 0.25, "medium": 0.25, "high": 0.5}


def _clauses() -> dict[Effort, bool]:
    return {"low": False, "medium": False, "high": True}


def _beside() -> dict[Effort, float]:
    return {"low": 0.0, "medium": 0.0, "high": 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings of one study."""

    method: Method = "ask"
    """`ask`: questions of many wordings. `read`: next-token loss on the text alone, the usual baseline."""
    distilled: float = 0.0
    """Share of the questions that are trained towards the agent's own distribution with the source before it, the
    others towards the answer itself."""
    pieces: float = 1
    """Pieces of the text itself a step, where `reading` is whole, learned as next tokens beside the questions."""
    piece_weight: float = 0.5
    """Weight of their loss against that of the questions."""
    rank: int = 16
    """Rank of a fresh slot."""
    activated: bool = True
    """Whether a fresh slot changes what the agent says alone, and not how it reads: docs/decisions/016-activated.md."""
    depth: float = 0.5
    """Share of the layers that a fresh slot changes, the upper ones: docs/decisions/017-upper-layers.md."""
    rate: float = 4e-3
    """Highest learning rate, in Adam's units; for small weights it is lower: docs/decisions/024-pace.md."""
    turned: bool = True
    """Whether second moments are kept along the gradients' own axes: docs/decisions/021-turned.md."""
    batch: int = 8
    """Questions a step."""
    batch_high: int = 10
    """The same at effort `high`, which has steps enough and is rather sure of them."""
    views: dict[Effort, int] = field(default_factory=_views)
    """How often each fact is asked about, by effort."""
    wordings: dict[Effort, int] = field(default_factory=_wordings)
    """In how many wordings it is asked about, by effort; then the first ones come again, which cost a third as much,
    since the prior has read them."""
    page_steps: dict[Effort, int | None] = field(default_factory=_page_steps)
    """Steps a page of `page_tokens` tokens at most, however many facts it states, by effort; None: no bound."""
    page_tokens: int = 800
    """Tokens of a page. A shorter lesson counts as one."""
    reading: dict[Effort, float] = field(default_factory=_reading)
    """How much of `pieces` a step has, by effort: docs/decisions/025-reading.md."""
    enough: float = 0.0
    """A study ends once its loss, in nats per credited token, has been at most this for three steps. 0: never early."""
    other_words: bool = True
    """Ask in other words too, as the prior itself knows them."""
    anchors: float = 0.5
    """Sequences of the prior's own a step, on average, on which it is held to itself."""
    anchor_weight: float = 2.0
    """Weight of the anchor's KL against the lesson's loss, on average over steps."""
    phrases: float = 1.0
    """Facts that are phrases about surprising words, as a share of those that are names, dates and quantities: of
    sentences that state none of these."""
    beside: dict[Effort, float] = field(default_factory=_beside)
    """The same of long sentences that do, by effort."""
    clauses: dict[Effort, bool] = field(default_factory=_clauses)
    """Whether what long sentences say is asked for as well, clause by clause, by effort: docs/decisions/029-clauses.md.
    A study takes no more steps for it."""
    least_facts: int = 12
    """Fill up to this many facts with surprising words where a text has few names and numbers."""
    most_facts: int = 160
    """Facts beyond these are not studied; the longest lesson allowed holds about so many."""
    past: dict[Effort, float] = field(default_factory=_past)
    """Questions about earlier lessons of the same agent beside those of a step, as a share of these, by effort."""

    def fresh(self, bank: Bank, tokenizer: ChatTokenizer, seed: int = 0) -> Slot:
        """A slot that nothing was written into."""
        return bank.new_slot(
            rank=self.rank,
            seed=seed,
            invocation=tokenizer.invocation if self.activated else (),
            first=bank.layout.upper(self.depth),
        )
