"""Figures of experiments on lives."""

from __future__ import annotations

from liveoak.lab.metric import Better, Metric


def _measure(
    key: str, unit: str, description: str, *, better: Better = "higher", threshold: float | None = None
) -> Metric:
    return Metric(key=key, unit=unit, better=better, description=description, threshold=threshold)


LIVES = (
    _measure(
        "episodes_ratio_both_vs_reward",
        "ratio",
        "episodes to the threshold with reward and all that the world answers over reward alone, on the worst world "
        "whose observations say more than outcomes do; a life that never got there counts with its whole length",
        better="lower",
        threshold=0.5,
    ),
    _measure(
        "episodes_ratio_where_named",
        "ratio",
        "the same on the worst world whose observations name what would have been right",
        better="lower",
        threshold=0.5,
    ),
    _measure(
        "episodes_ratio",
        "ratio",
        "episodes to the threshold over those of reward alone, paired by seed, of one arm in one world",
        better="lower",
    ),
    _measure("episodes_to_threshold", "episodes", "lived until the threshold, or the whole life", better="lower"),
    _measure("reached", "share", "lives that reached the threshold"),
    _measure("score_threshold", "reward", "what is to be reached: a share of the way from guessing to the expert"),
    _measure("final_score", "reward", "mean score of the last three rounds lived, an episode"),
    _measure("exam_score", "reward", "mean score on held-out episodes at the end"),
    _measure("anytime_score", "reward", "mean score over all episodes lived: learning is not free while it lasts"),
    _measure("score_over_reward", "reward", "final_score minus that of reward alone, paired by seed"),
    _measure("score_over_plain", "reward", "anytime_score minus that of the plain arm, paired by seed"),
    _measure(
        "forgetting_over_plain", "reward", "forgetting minus that of the plain arm, paired by seed", better="lower"
    ),
    _measure(
        "last_phase_over_plain",
        "episodes",
        "to the threshold on the last phase, minus those of the plain arm, paired by seed",
        better="lower",
    ),
    _measure("bits_answers", "bits/episode", "by which a lived episode shortened the answers of a held-out one"),
    _measure("bits_choices", "bits/episode", "by which it shortened an expert's choices among possible actions"),
    _measure("bits_endings", "bits/episode", "by which it shortened the last answer of a held-out episode"),
    _measure("outcome_bits", "bits/episode", "entropy of an episode's score: the most that an outcome can tell"),
    _measure("episodes_to_cross", "episodes", "lived until who began with nothing was level for good", better="lower"),
    _measure("crossed", "share", "lives in which that happened"),
    _measure("solver_share", "share", "exam_score over that of the exact expert"),
    _measure(
        "recovery_episodes", "episodes", "from a change of rules to the threshold, or the whole phase", better="lower"
    ),
    _measure("average_score", "reward", "mean score on all phases' tasks after the last phase"),
    _measure("backward_transfer", "reward", "mean change of a phase's score from its end to the stream's"),
    _measure("forward_transfer", "reward", "mean score on a phase just before it begins, less the untaught score"),
    _measure("forgetting", "reward", "mean fall of a phase's score from its best to the end", better="lower"),
    _measure(
        "intransigence", "reward", "shortfall on the last phase against a learner that began there", better="lower"
    ),
    _measure(
        "plasticity_loss",
        "episodes",
        "to the threshold on the last phase, from the stream's weights less from the prior",
        better="lower",
    ),
    _measure(
        "solved", "share", "lives that did what a learner must, or, of a frozen control, could not", threshold=1.0
    ),
    _measure("lives_per_hour", "lives/hour", "lives of one crew, its hiring and loading left out"),
    _measure(
        "scaling_efficiency", "share", "lives an hour of the largest crew, or of this one, a worker, over those of one"
    ),
    _measure("hiring_seconds", "s", "until every worker of a crew has come and loaded a prior", better="lower"),
    _measure("cell_seconds", "s", "time of one life on one core, measuring included", better="lower"),
)
