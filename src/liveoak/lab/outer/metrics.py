"""Figures of experiments on the outer loop."""

from __future__ import annotations

from liveoak.lab.metric import Metric

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
    Metric(
        key="recall_after_over_before",
        unit="share",
        better="higher",
        description="recall after the outer loop less that before, paired by passage, on passages that it never saw",
        threshold=0.0,
    ),
    Metric(
        key="logprob_after_over_before",
        unit="nats/token",
        better="higher",
        description="the same difference in the log-probability of true answers",
        threshold=0.0,
    ),
    Metric(
        key="recall_high_after_over_before",
        unit="share",
        better="higher",
        description="the same difference in recall where both study at effort high",
        threshold=0.0,
    ),
    Metric(
        key="logprob_high_after_over_before",
        unit="nats/token",
        better="higher",
        description="the same difference in the log-probability of true answers where both study at effort high",
        threshold=0.0,
    ),
    Metric(
        key="recall_before_over_open",
        unit="share",
        better="higher",
        description="recall with the book closed, before the outer loop, over that of the frozen prior with it open",
    ),
    Metric(
        key="recall_after_over_open",
        unit="share",
        better="higher",
        description="recall with the book closed, after the outer loop, over that of the frozen prior with it open",
        threshold=0.9,
    ),
    Metric(
        key="recall_high_over_open",
        unit="share",
        better="higher",
        description="recall with the book closed, after a lesson at effort high, over the frozen prior's with it open",
        threshold=0.9,
    ),
    Metric(
        key="recall_high_after_over_open",
        unit="share",
        better="higher",
        description="the same after the outer loop, over the frozen prior's with it open",
        threshold=0.9,
    ),
    Metric(
        key="recall_over_truncated",
        unit="share",
        better="higher",
        description="recall after learning, less that with the text's beginning in the context",
        threshold=0.0,
    ),
    Metric(
        key="recall_over_raw_text",
        unit="share",
        better="higher",
        description="recall after learning, less that after next-token training on the raw text",
        threshold=0.0,
    ),
    Metric(
        key="recall_over_retrieval",
        unit="share",
        better="higher",
        description="recall after learning, less that with what a search finds in the context: the gap to retrieval",
    ),
    Metric(
        key="logprob_over_truncated",
        unit="nats/token",
        better="higher",
        description="true answers' log-probability after learning, less that with the text's beginning in the context",
        threshold=0.0,
    ),
    Metric(
        key="logprob_over_raw_text",
        unit="nats/token",
        better="higher",
        description="true answers' log-probability after learning, less that after next-token training on the text",
        threshold=0.0,
    ),
    Metric(
        key="logprob_over_retrieval",
        unit="nats/token",
        better="higher",
        description="true answers' log-probability after learning, less that with what a search finds in the context",
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
    Metric(
        key="gain_on_handbooks",
        unit="share",
        better="higher",
        description="recall of invented handbooks from slow weights that texts have taught, less that from the prior",
        threshold=0.0,
    ),
    Metric(
        key="logprob_gain_on_handbooks",
        unit="nats/token",
        better="higher",
        description="the same difference in the log-probability of true answers",
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
