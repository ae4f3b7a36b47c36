"""What finished contests hold that is to be imitated: the moves of those who won, kept as far as there is room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from liveoak.learning.lived import Lived
from liveoak.learning.reservoir import Reservoir
from liveoak.signals import Episode, Usual, as_demonstrated


@dataclass(frozen=True, slots=True, kw_only=True)
class Wins:
    """Pure: `after` gives the next one."""

    own: Reservoir
    """Episodes of the agent that went better than usual."""
    rivals: Reservoir
    """Single moves of others, from episodes that went worse."""
    usual: Mapping[str, Usual] = field(default_factory=dict[str, Usual])
    """By world."""

    def after(self, lived: Sequence[Lived]) -> Wins:
        """With some episodes more. Who did as usual tells of neither side."""
        usual = dict(self.usual)
        contests = [(one, one.worth) for one in lived if one.contested and one.worth is not None]
        for one, worth in contests:
            usual[one.world] = usual.get(one.world, Usual()).after(worth)
        own = [_shown(one) for one, worth in contests if worth > usual[one.world].mean]
        theirs = [move for one, worth in contests if worth < usual[one.world].mean for move in one.beside]
        return Wins(own=self.own.after(own), rivals=self.rivals.after(theirs), usual=usual)

    def some(self, count: int, *, rivals: bool = True) -> list[Lived]:
        """Up to `count` of each side, others at each number of them seen."""
        return [*self.own.some(count), *(self.rivals.some(count) if rivals else ())]


def _shown(one: Lived) -> Lived:
    episode = Episode(id=f"{one.episode.id}/won", rendered=as_demonstrated(one.episode.rendered), acted=())
    return replace(one, episode=episode, told="", beside=())
