"""What a record teaches: pure functions from experience to credit, and the small states that they carry along.

Knows records alone. Knows nothing of models, losses or where the record came from: what has to be measured on weights
(log-probabilities, values, divergences) comes in as numbers.
"""

from liveoak.signals.advice import advice, advisor, heeded
from liveoak.signals.answers import Answer, answers
from liveoak.signals.balance import Balance, BalanceSettings, Products
from liveoak.signals.boilerplate import Boilerplate, BoilerplateSettings
from liveoak.signals.demonstrations import Demonstrated, Source, demonstrations
from liveoak.signals.distillation import Distilled, Try, distillation, informed, reflection, teacher_of, tries
from liveoak.signals.episode import Acted, Episode, episode_of, rewards_of
from liveoak.signals.imitation import imitation
from liveoak.signals.reward import Rewarded, RewardSettings, advantages, residuals, returns, reward
from liveoak.signals.standing import Record, Standing, StandingSettings
from liveoak.signals.transition import (
    Measured,
    TransitionSettings,
    learnability,
    naive_transition,
    transition,
    wanted,
)
from liveoak.signals.trust import origins_of
from liveoak.signals.winners import Move, Usual, as_demonstrated, moves

__all__ = [
    "Acted",
    "Answer",
    "Balance",
    "BalanceSettings",
    "Boilerplate",
    "BoilerplateSettings",
    "Demonstrated",
    "Distilled",
    "Episode",
    "Measured",
    "Move",
    "Products",
    "Record",
    "RewardSettings",
    "Rewarded",
    "Source",
    "Standing",
    "StandingSettings",
    "TransitionSettings",
    "Try",
    "Usual",
    "advantages",
    "advice",
    "advisor",
    "answers",
    "as_demonstrated",
    "demonstrations",
    "distillation",
    "episode_of",
    "heeded",
    "imitation",
    "informed",
    "learnability",
    "moves",
    "naive_transition",
    "origins_of",
    "reflection",
    "residuals",
    "returns",
    "reward",
    "rewards_of",
    "teacher_of",
    "transition",
    "tries",
    "wanted",
]
