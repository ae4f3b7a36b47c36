"""What each act of a life was worth.

An act is paid with its price and the points of what is asked about its entry. That alone leaves out what one lesson
does to another: fast weights hold so much, and each further lesson blurs those that are there. No act could be blamed
for it from one life, but lives differ in how much they learn, and from that its cost can be told. Each act of learning
pays for what it took from the others, as whoever crowds a road should (Pigou 1920).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from liveoak.learning.lived import Lived
from liveoak.learning.outer.life import Outcome, is_about, turn_of
from liveoak.learning.outer.pricing import Prices

_KEPT = 0.9
"""What a round leaves of what earlier ones showed: weights change, and what crowds them with them."""
_DOUBT = 0.05
"""Lives whose shares of what they learned lie no further apart than this hardly tell what crowding does."""


@dataclass(frozen=True, slots=True)
class Held:
    """A life that learned some of what it was asked."""

    share: float
    """Of its stream's tokens, what it learned."""
    points: float
    """Mean over the questions about entries that it learned."""


class Crowding:
    """What rounds of lives showed of it, as running sums."""

    def __init__(self, sums: Sequence[float] = (0.0,) * 5) -> None:
        """`sums` are those of an earlier one."""
        self._sums = tuple(sums)

    @property
    def sums(self) -> tuple[float, ...]:
        """All that there is to it: of 1, x, y, xx and xy."""
        return self._sums

    def add(self, seen: Sequence[Held]) -> None:
        """One round later."""
        told = [(1.0, one.share, one.points, one.share**2, one.share * one.points) for one in seen]
        self._sums = tuple(_KEPT * old + math.fsum(one[place] for one in told) for place, old in enumerate(self._sums))

    @property
    def slope(self) -> float:
        """Points that a question about a learned entry gains, usually less than 0, where all is learned and not next to
        nothing. By least squares, shrunk towards 0."""
        count, x, y, xx, xy = self._sums
        if not count:
            return 0.0
        return (xy - x * y / count) / (max(0.0, xx - x * x / count) + count * _DOUBT**2)


def rewarded(outcome: Outcome, prices: Prices, crowding: float = 0.0) -> Lived:
    """The life with what each act was worth: its price, the points of the questions about what it was done with, and
    what it did to those about other entries that were learned, at `crowding` points for all tokens of its stream.

    Points of questions about no entry, and what the whole life cost, come with the last act. Without crowding all of it
    together is `Account.reward`, less what belongs to acts that nobody chose, since no other was possible.
    """
    account, episode, material = outcome.account, outcome.lived.episode, outcome.cast.material
    names = [turn_of(number, place) for number, page in enumerate(material.parts) for place in range(len(page))]
    price = crowding / max(1, outcome.tokens)
    about, count = _about(outcome), len(material.questions)
    held = _learned(outcome, about)
    worth: list[float] = []
    for place, spend in enumerate(account.spends):
        others = sum(place not in learned for learned in held if learned) if spend.verb == "learn" else 0
        worth.append(price * spend.tokens * others / count - prices.of(spend))
    worth[-1] -= prices.damage * max(0.0, account.damage)
    for places, points in zip(about, _points(outcome, prices), strict=True):
        for place in places or [-1]:
            worth[place] += points / count / max(1, len(places))
    paid = dict(zip(names, worth, strict=True))
    acted = tuple(replace(turn, reward=paid[turn.turn]) for turn in episode.acted)
    return replace(outcome.lived, episode=replace(episode, acted=acted))


def held_of(outcome: Outcome, prices: Prices) -> Held | None:
    """What a life shows of crowding; None where it learned nothing that was asked."""
    held = _learned(outcome, _about(outcome))
    points = [found for found, learned in zip(_points(outcome, prices), held, strict=True) if learned]
    if not points:
        return None
    share = outcome.account.tokens("learn") / max(1, outcome.tokens)
    return Held(share=share, points=math.fsum(points) / len(points))


def _about(outcome: Outcome) -> list[list[int]]:
    """By question, the places of the entries that it is about."""
    material = outcome.cast.material
    entries = [entry for page in material.parts for entry in page]
    return [
        [place for place, entry in enumerate(entries) if is_about(question, entry)] for question in material.questions
    ]


def _learned(outcome: Outcome, about: Sequence[Sequence[int]]) -> list[list[int]]:
    """The same, of entries that were learned."""
    spends = outcome.account.spends
    return [[place for place in places if spends[place].verb == "learn"] for places in about]


def _points(outcome: Outcome, prices: Prices) -> list[float]:
    """Of each question."""
    return [prices.points(mark.right, math.exp(mark.gold)) for mark in outcome.marks]
