"""What a life is worth: the exam, less what was spent on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from liveoak.errors import BadSettings
from liveoak.learning.outer.tools import Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What one act took."""

    verb: Verb
    tokens: int
    """Of the entry that was learned or noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """In exam points, of which a life can have 1."""

    trained: float = 0.0
    """Of a hundred tokens of lessons, as they were given; what a study makes of them is its own matter."""
    noted: float = 0.0
    """Of a hundred tokens of notes."""
    damage: float = 0.0
    """Of a nat per token that general text became harder to predict; becoming easier earns nothing."""
    dense: float = 0.0
    """Share of the exam's points that are given for the probability of the true answer instead of for answering."""

    def __post_init__(self) -> None:
        if min(self.trained, self.noted, self.damage) < 0 or not 0 <= self.dense <= 1:
            raise BadSettings(f"{self!r}: expected prices >= 0 and a dense share from 0 to 1")

    def points(self, right: float, likely: float) -> float:
        """Of a question, or of a whole exam: whether, or how often, it was right, and how likely the truth was."""
        return (1 - self.dense) * right + self.dense * likely

    def of(self, spend: Spend) -> float:
        """What one act costs."""
        return {"learn": self.trained, "note": self.noted, "skip": 0.0}[spend.verb] * spend.tokens / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of one life."""

    right: float
    """Share of the exam's questions that were answered right."""
    gold_logprob: float
    """Mean over questions of the mean log-probability of the true answer's tokens, in nats."""
    likely: float
    """Mean over questions of exp of that."""
    spends: tuple[Spend, ...] = ()
    """Of each act, in order."""
    useful: int = 0
    """Entries learned or noted that an exam question asks about, where that is known."""
    damage: float = 0.0
    """Rise of the loss on general text, in nats per token."""
    studies: int = 0
    """Inner updates: lessons that were studied, each in some optimizer steps."""

    def spent(self, prices: Prices) -> float:
        """What it cost, in exam points."""
        return sum(map(prices.of, self.spends)) + prices.damage * max(0.0, self.damage)

    def count(self, verb: Verb) -> int:
        """Acts of this kind."""
        return sum(spend.verb == verb for spend in self.spends)

    def tokens(self, verb: Verb) -> int:
        """Tokens that acts of this kind were about."""
        return sum(spend.tokens for spend in self.spends if spend.verb == verb)

    def score(self, prices: Prices) -> float:
        """The exam's points."""
        return prices.points(self.right, self.likely)

    def reward(self, prices: Prices) -> float:
        return self.score(prices) - self.spent(prices)


def mean(accounts: Sequence[Account], value: Callable[[Account], float]) -> float:
    """Over lives."""
    return sum(map(value, accounts)) / len(accounts)
