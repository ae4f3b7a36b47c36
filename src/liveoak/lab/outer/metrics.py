"""Figures of experiments on the outer loop."""

from __future__ import annotations

from liveoak.lab.metric import Metric

_MARKS = (
    ("recall", "share", "recall"),
    ("f1", "share", "the replies' mean word F1"),
    ("logprob", "nats/token", "the true answers' log-probability"),
)
"""Of each mark: its key, unit and name."""

OUTER = (
    Metric(
        key="kept_share_after_last",
        unit="share",
        better="higher",
        description="recall of all passages after the last one was learned, over that right after each was",
        threshold=0.6,
    ),
    Metric(
        key="gain_over_frozen_after_last",
        unit="share",
        better="higher",
        description="recall of all passages after the last one less that of the frozen prior",
        threshold=0.0,
    ),
    Metric(
        key="kept_logprob_after_last",
        unit="share",
        better="higher",
        description="of the true answers' log-probability that learning had added, what is left after the last passage",
    ),
    *(
        Metric(
            key=f"{key}_{effort}after_over_before",
            unit=unit,
            better="higher",
            description=f"{what} after the outer loop less that before, paired by passage, on passages that it never "
            f"saw{where}",
            threshold=0.0,
        )
        for effort, where in (("", ""), ("high_", ", where both study at effort high"))
        for key, unit, what in _MARKS
    ),
    *(
        Metric(
            key=f"{key}_{told}_over_open",
            unit="share",
            better="higher",
            description=f"{what} with the book closed, {when}, over that of the frozen prior with it open",
            threshold=threshold,
        )
        for told, when, threshold in (
            ("before", "before the outer loop", None),
            ("after", "after the outer loop", 0.9),
            ("high", "after a lesson at effort high", 0.9),
            ("high_after", "after the outer loop and a lesson at effort high", 0.9),
        )
        for key, _, what in _MARKS[:2]
    ),
    *(
        Metric(
            key=f"{key}_over_{told}",
            unit=unit,
            better="higher",
            description=f"{what} after learning, less that {against}",
            threshold=threshold,
        )
        for told, against, threshold in (
            ("truncated", "with the text's beginning in the context", 0.0),
            ("raw_text", "after next-token training on the raw text", 0.0),
            ("retrieval", "with what a search finds in the context: the gap to retrieval", None),
        )
        for key, unit, what in _MARKS
    ),
    Metric(
        key="gain_at_home",
        unit="points",
        better="higher",
        description="what the outer loop adds to the reward of a life where it was trained, on held-out streams",
    ),
    Metric(
        key="gain_on_longer", unit="points", better="higher", description="the same on streams twice as long as trained"
    ),
    Metric(
        key="gain_on_other_kind",
        unit="points",
        better="higher",
        description="the same on exams about a kind that training never asked about",
    ),
    *(
        Metric(
            key=f"{gain}_on_{told}",
            unit=unit,
            better="higher",
            description=f"{what} on {where} from slow weights that texts have taught, less that from the prior",
            threshold=0.0,
        )
        for told, where in (("titles", "texts of other titles"), ("handbooks", "invented handbooks"))
        for gain, (_, unit, what) in zip(("gain", "f1_gain", "logprob_gain"), _MARKS, strict=True)
    ),
    Metric(
        key="recall_open", unit="share", better="higher", description="of the frozen prior with the passage in sight"
    ),
    Metric(
        key="gold_logprob_open",
        unit="nats/token",
        better="higher",
        description="of true answers, by the frozen prior with the passage in sight",
    ),
    Metric(key="recall_fresh", unit="share", better="higher", description="right after the passage was learned"),
    Metric(key="recall_last", unit="share", better="higher", description="after the last passage"),
    Metric(
        key="gold_logprob_frozen",
        unit="nats/token",
        better="higher",
        description="of true answers, before anything was learned",
    ),
    Metric(
        key="gold_logprob_fresh", unit="nats/token", better="higher", description="right after the passage was learned"
    ),
    Metric(key="gold_logprob_last", unit="nats/token", better="higher", description="after the last passage"),
    Metric(
        key="reward_ratio_after_vs_start",
        unit="ratio",
        better="higher",
        description="mean reward of a life after the outer loop over that of the imitation start, on held-out streams",
        threshold=2.0,
    ),
    Metric(
        key="margin_over_best_fixed_policy",
        unit="points",
        better="higher",
        description="reward of a life after the outer loop less that of the best way to act that nobody learned",
        threshold=0.0,
    ),
    Metric(
        key="after_over_this",
        unit="points",
        better="higher",
        description="reward of a life after the outer loop less that of the arm, paired by seed",
    ),
    Metric(
        key="seconds_to_reward",
        unit="s",
        better="lower",
        description="of the outer loop on a ledger, until the lives of a round earn 0.5 on average, else all of it",
    ),
    Metric(
        key="inner_updates_per_second",
        unit="1/s",
        better="higher",
        description="lessons studied a second of the outer loop, with all else that a life and its learning take",
    ),
    Metric(
        key="gain_when_shuffled",
        unit="points",
        better="lower",
        description="what the outer loop gains where exams ask for answers that were not read: other than 0 is a leak, "
        "or what it saves by learning less",
    ),
    Metric(
        key="gain_when_free",
        unit="points",
        better="higher",
        description="what it gains where learning has no price",
    ),
    Metric(
        key="gain_when_crowding_is_unpaid",
        unit="points",
        better="higher",
        description="the same where an act of learning does not pay for what it takes from other lessons either",
    ),
    Metric(
        key="gain_when_writing_only",
        unit="points",
        better="higher",
        description="what it gains where slow weights decide what is learned and are not there in the exam",
    ),
    Metric(
        key="reliability",
        unit="correlation",
        better="higher",
        description="of the exam: its two halves' agreement over lives, stepped up to the whole",
    ),
    Metric(key="reward", unit="points", better="higher", description="of a life: its exam less what was spent"),
    Metric(key="right", unit="share", better="higher", description="exam questions answered right"),
    Metric(key="learned", unit="entries", better="lower", description="learned in a life"),
    Metric(key="noted", unit="entries", better="lower", description="noted in a life"),
    Metric(key="useful", unit="entries", better="higher", description="learned or noted, and asked about in the exam"),
)
