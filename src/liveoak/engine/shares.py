"""Who computes next when replies and lessons both want to.

They take turns: replies for some steps in a row, then a lesson for a while, so that most tokens come as fast as ever,
none comes much later than a turn, and both get their share of the time. Knows seconds alone.
"""

from __future__ import annotations

import math

SHARE = 0.45
"""Serving's part of the time while serving and learning both have work: a little under half, so that a lesson keeps
half of its speed with what changing costs it."""
TURN = 0.06
"""Seconds that learning computes before replies under way go on."""


class Shares:
    """The account of one computing thread.

    `lead` is how many seconds serving is ahead of its share. A turn of learning ends where serving is `share * turn`
    behind, a turn of serving where it is even again. What runs while the other side wants nothing takes from nobody:
    it moves the lead no further than to these bounds, so that nobody saves up or owes for it later.

    Raises:
        ValueError: a share that leaves one side nothing, or a turn without length.
    """

    def __init__(self, share: float = SHARE, turn: float = TURN) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share {share!r}: expected a part between 0 and 1, both excluded")
        if not turn > 0:
            raise ValueError(f"turn {turn!r}: expected seconds above 0")
        self.share, self.lead = share, 0.0
        self._behind = -share * turn
        self.serving_is_due = False
        """Replies that wait come before a lesson that waits."""

    def served(self, seconds: float, *, contested: bool) -> None:
        """Replies were computed for so long; `contested`: while a lesson waited."""
        most = math.inf if contested else max(self.lead, 0.0)
        self._move(min(self.lead + (1 - self.share) * seconds, most))

    def studied(self, seconds: float, *, contested: bool) -> None:
        """A lesson was computed for so long; `contested`: while replies waited."""
        least = -math.inf if contested else min(self.lead, self._behind)
        self._move(max(self.lead - self.share * seconds, least))

    def _move(self, lead: float) -> None:
        self.lead = lead
        if lead <= self._behind:
            self.serving_is_due = True
        elif lead >= 0:
            self.serving_is_due = False
