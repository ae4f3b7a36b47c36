"""Ways to act that nobody learned: what an agent's own way is held against, and what its start imitates."""

from __future__ import annotations

from collections.abc import Mapping

from liveoak.learning.outer.life import Policy, Sight
from liveoak.learning.outer.tools import SKIP, Act, Verb


def always(verb: Verb) -> Policy:
    """The same on every entry; of several efforts the middle one."""

    def act(sight: Sight) -> Act:
        fitting = [one for one in sight.acts if one.verb == verb]
        return fitting[len(fitting) // 2] if fitting else SKIP

    return act


def at_random(sight: Sight) -> Act:
    """Any act, each as likely."""
    return sight.acts[int(sight.chance * len(sight.acts))]


def mediocre(skill: float) -> Policy:
    """Knows in `skill` of the cases whether the exam asks about an entry, and learns it then; else acts at random."""

    def act(sight: Sight) -> Act:
        if sight.chance < skill:
            return always("learn" if sight.asked else "skip")(sight)
        rest = (sight.chance - skill) / (1 - skill)
        return sight.acts[int(rest * len(sight.acts))]

    return act


START, AFTER = "start", "after"
"""The agent itself as an arm: before the outer loop, and after."""
FIXED: Mapping[str, Policy] = {
    "always learn": always("learn"),
    "never learn": always("skip"),
    "notes only": always("note"),
    "random": at_random,
}
"""The arms that an outer loop must beat, by name."""
