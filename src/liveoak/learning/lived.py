"""A finished episode, ready to be learned from, and how it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from liveoak.engine import Sequence as Tokens
from liveoak.learning.objective import Example
from liveoak.signals import Episode, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """One episode, whoever acted in it."""

    episode: Episode
    """Its tokens are those of all windows, one after the other."""
    world: str
    """Where it was lived; for served traffic, the agent's name."""
    group: str
    """Episodes of one group began alike, so that their rewards can be compared."""
    windows: tuple[int, ...] = (0,)
    """Where each window begins: no token was seen from another one."""
    told: str = ""
    """What a teacher may read before it: a hint, or a reflection on how it ended."""
    source: Source | None = None
    """Who demonstrated what was; None: nobody, or nobody who is told apart."""
    contested: bool = False
    """Whether somebody played against the agent."""
    beside: tuple[Lived, ...] = ()
    """What that one did in its sight, each move as a demonstration of its own."""

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Start and end of each window."""
        return tuple(pairwise((*self.windows, len(self.episode.rendered.ids))))

    @property
    def worth(self) -> float | None:
        """The sum of its rewards; None where nobody gave any."""
        if not self.episode.rewarded:
            return None
        return sum(turn.reward or 0.0 for turn in self.episode.acted)


def by_window(lived: Lived, example: Example) -> list[Example]:
    """An example of the whole episode as one of each window that it credits.

    All have their window's whole tokens, so that several signals of one window are run in one pass.
    """
    ids, found = lived.episode.rendered.ids, list[Example]()
    for start, end in lived.bounds:
        mine = [place for place, wanted in enumerate(example.wanted) if start <= wanted < end - 1]
        if mine:
            first, last = mine[0], mine[-1] + 1
            found.append(
                replace(
                    example,
                    ids=ids[start : end - 1],
                    wanted=tuple(wanted - start for wanted in example.wanted[first:last]),
                    credit=example.credit[first:last],
                    targets=example.targets[first:last],
                    sampled=example.sampled[first:last],
                    proximal=example.proximal[first:last],
                )
            )
    return found


def sequences(lived: Lived, places: Sequence[int]) -> list[tuple[tuple[int, ...], Tokens]]:
    """For each window, which of `places` lie in it, and the tokens whose logits predict those."""
    ids, found = lived.episode.rendered.ids, list[tuple[tuple[int, ...], Tokens]]()
    for start, end in lived.bounds:
        mine = tuple(place for place in places if start < place < end)
        if mine:
            wanted = tuple(place - start - 1 for place in mine)
            found.append((mine, Tokens(ids=ids[start : mine[-1]], wanted=wanted)))
    return found
