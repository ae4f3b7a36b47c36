"""Ways to learn from a stream: which signals, how much each counts, how fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from liveoak.errors import BadSettings
from liveoak.learning.value import ValueSettings
from liveoak.records import Origin
from liveoak.signals import BalanceSettings, RewardSettings, StandingSettings, TransitionSettings

Transition = Literal["off", "answers", "selected", "naive"]
"""What is learned of the world's answers. `answers`: those to an action, evenly. `selected`: of those, what is left to
learn, by a reference. `naive`: all that is observed, in one mean with the agent's own tokens."""
WINNERS = 6.0
"""Of either side that are drawn for each fresh contest, where winners are (docs/decisions/030-winners.md)."""
EVERYBODYS = frozenset({Origin.ACTED, Origin.DEMONSTRATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSettings:
    """What is learned from, and how fast."""

    reward: bool = True
    """Learn from rewards."""
    transition: Transition = "answers"
    imitation: bool = True
    """Learn from what was demonstrated, where something was."""
    advice: bool = True
    """Learn to do what the world's answers named, as far as those who heeded it fared better."""
    distillation: bool = False
    """Learn to act as the agent would that had read what became of the episode."""
    renewed: int | None = None
    """Calls after which that teacher becomes what the agent is then; None: it stays what the agent was at first."""
    standing: StandingSettings | None = field(default_factory=StandingSettings)
    """Weighs what was demonstrated by what imitating its source gains, as rewards tell; None: all counts alike."""
    weight: float = 0.3
    """What the transition signal weighs against a reward signal of 1, where it has no balance."""
    balance: BalanceSettings | None = None
    """Finds that weight in each world, by what foretelling gains of doing; None: it stays."""
    compare: Literal["group", "world"] = "group"
    """Which episodes' rewards are compared: those that began alike, or all of one world in a call."""
    rewarded: RewardSettings = field(default_factory=RewardSettings)
    value: ValueSettings = field(default_factory=ValueSettings)
    """How the value is learned that rewards are compared with where their baseline is `value`."""
    select: TransitionSettings = field(default_factory=lambda: TransitionSettings(after=EVERYBODYS, boilerplate=0.5))
    """Which answers count with `selected`."""
    rank: int = 16
    rate: float = 1e-3
    """Learning rate, in Adam's units."""
    parts: int = 2
    """Optimizer steps that a call's episodes are dealt out to."""
    passes: int = 1
    """How often each episode is learned from when it is fresh."""
    winners: float = 0.0
    """In contests, drawn to be imitated for each fresh episode: so many of the agent's own that it won, and as many
    moves of rivals who won. 0: none."""
    winning: float = 3.0
    """What imitating them weighs against a reward signal of 1."""
    sure: float = 0.9
    """A token of theirs with at least this probability is left as it is: who is sure tries nothing else."""
    rivals: bool = True
    """Whether rivals' moves are among them; else the agent's own episodes alone."""
    replay: float = 0.0
    """Past episodes that are repeated, for each fresh one. They teach what they show and what followed, not rewards,
    which were for other weights."""
    remembered: int = 256
    """Past episodes that are kept to be repeated, and of what won, as many of each side."""
    anchor: float = 0.0
    """Weight of KL(prior || current)."""

    def __post_init__(self) -> None:
        if not (self.rank >= 1 and self.rate > 0 and self.parts >= 1 and self.passes >= 1 and self.remembered >= 0):
            raise BadSettings(f"{self!r}: expected rank, parts and passes >= 1, rate > 0 and remembered >= 0")
        if min(self.weight, self.winners, self.winning, self.replay, self.anchor) < 0:
            raise BadSettings(f"{self!r}: expected weight, winners, winning, replay and anchor >= 0")
        if not 0 < self.sure <= 1:
            raise BadSettings(f"what is sure has a probability above 0 and at most 1: {self.sure!r}")
        if self.renewed is not None and self.renewed < 2:
            raise BadSettings(f"a teacher renewed every {self.renewed!r} calls follows its student: expected 2 or more")
        if not (self.reward or self.transition != "off" or self.imitation or self.advice or self.distillation):
            raise BadSettings("a learner without any signal learns nothing: name one")


ARMS: Mapping[str, LearnerSettings] = {
    "reward": LearnerSettings(transition="off", advice=False),
    "transition": LearnerSettings(reward=False, advice=False),
    "foretold": LearnerSettings(advice=False),
    "both": LearnerSettings(winners=WINNERS),
    "selected": LearnerSettings(transition="selected", winners=WINNERS),
    "naive": LearnerSettings(transition="naive", advice=False),
    "imitation": LearnerSettings(reward=False, transition="off", advice=False),
    "advice": LearnerSettings(transition="off"),
    "winners": LearnerSettings(transition="off", advice=False, winners=WINNERS),
    "own wins": LearnerSettings(transition="off", advice=False, winners=WINNERS, rivals=False),
    "distillation": LearnerSettings(reward=False, transition="off", imitation=False, advice=False, distillation=True),
}
"""Ways to learn, by name. `both` is reward and all that the world answers; `foretold` is reward and foretelling the
answers, `advice` reward and doing what they name, `winners` reward and doing, in contests, what won, and `own wins` the
same of the agent's own play alone; `selected` is both with selection."""
