"""Every figure that the lab reports: its name, unit, better direction and meaning, in one place."""

from __future__ import annotations

from liveoak.errors import LiveoakError
from liveoak.lab.bench.metrics import BENCH
from liveoak.lab.lives.metrics import LIVES
from liveoak.lab.metric import Better, Metric
from liveoak.lab.outer.metrics import OUTER

__all__ = ["METRICS", "Better", "Metric", "metric"]

_ALL = (
    Metric(
        key="recall_frozen",
        unit="share",
        better="lower",
        description="exam questions that the prior answers with an empty context: what can be guessed",
        threshold=0.10,
    ),
    Metric(
        key="recall_in_context",
        unit="share",
        better="higher",
        description="exam questions that the prior answers with the whole text in its context",
    ),
    Metric(
        key="recall_truncated_context",
        unit="share",
        better="higher",
        description="exam questions that the prior answers with as much of the text as the context budget holds",
    ),
    Metric(
        key="recall_learned",
        unit="share",
        better="higher",
        description="exam questions answered with an empty context after the agent studied the text by itself",
        threshold=0.60,
    ),
    Metric(
        key="recall_taught",
        unit="share",
        better="higher",
        description="the same after a person gave one question and answer for each fact beside the text",
        threshold=0.80,
    ),
    Metric(
        key="recall_after_restart",
        unit="share",
        better="higher",
        description="exam questions answered after the server was killed and started again; equals recall_learned",
    ),
    Metric(
        key="recall_after_rollback",
        unit="share",
        better="lower",
        description="exam questions answered after the lesson was rolled back; equals recall_frozen",
    ),
    Metric(key="recall", unit="share", better="higher", description="exam questions answered, of one arm"),
    Metric(key="f1", unit="share", better="higher", description="mean word F1 of the exam replies, of one arm"),
    Metric(
        key="gold_logprob",
        unit="nats/token",
        better="higher",
        description="mean log-probability of the true answers' tokens, without the turn's end, after the questions",
    ),
    Metric(
        key="gain",
        unit="share",
        better="higher",
        description="recall_learned minus recall_frozen, paired by seed: what learning alone added",
    ),
    Metric(
        key="internalisation",
        unit="share",
        better="higher",
        description="(learned - frozen) / (in context - frozen) in gold_logprob: 1 is as good as the text at hand",
    ),
    Metric(
        key="internalisation_recall",
        unit="share",
        better="higher",
        description="the same in recall",
    ),
    Metric(key="internalisation_f1", unit="share", better="higher", description="the same in word F1"),
    Metric(
        key="recall_of_others",
        unit="share",
        better="lower",
        description="of the answers to other questions about the text, the share that a reply holds, by mistake",
    ),
    Metric(key="reply_words", unit="words", better="lower", description="words of a reply, on average"),
    Metric(
        key="control_recall",
        unit="share",
        better="lower",
        description="questions on another passage than the one studied that are answered all the same, of one arm",
    ),
    Metric(
        key="control_logprob",
        unit="nats/token",
        better="lower",
        description="gold_logprob of the questions on another passage: what the form of the answers alone brings",
    ),
    Metric(
        key="recall_over_read",
        unit="share",
        better="higher",
        description="recall minus that of plain next-token training, paired by passage",
    ),
    Metric(
        key="f1_over_read",
        unit="share",
        better="higher",
        description="word F1 minus that of plain next-token training, paired by passage",
    ),
    Metric(
        key="logprob_over_read",
        unit="nats/token",
        better="higher",
        description="gold_logprob minus that of plain next-token training, paired by passage",
    ),
    Metric(
        key="retention_over_read",
        unit="nats/token",
        better="lower",
        description="retention_nats minus that of plain next-token training, paired by passage",
    ),
    Metric(
        key="retention_nats",
        unit="nats/token",
        better="lower",
        description="change of the loss on frozen general text through the lesson; positive is damage",
        threshold=0.10,
    ),
    Metric(
        key="kl_prior",
        unit="nats/token",
        better="lower",
        description="KL from the prior to the candidate on other prompts",
    ),
    Metric(key="kept", unit="share", better="higher", description="lessons that the gate kept"),
    Metric(key="learn_seconds", unit="s", better="lower", description="wall-clock time of the lesson, gate included"),
    Metric(key="exam_seconds", unit="s", better="lower", description="wall-clock time of one exam"),
    Metric(key="steps", unit="steps", better="lower", description="optimizer steps of the lesson"),
    Metric(
        key="tokens_trained",
        unit="tokens",
        better="lower",
        description="tokens with credit, summed over the lesson's steps",
    ),
    Metric(
        key="tokens_processed",
        unit="tokens",
        better="lower",
        description="tokens of the lesson's steps, those that were read before and not run again among them",
    ),
    Metric(
        key="peak_memory_mib",
        unit="MiB",
        better="lower",
        description="most memory that the process at work held: the server, or one side of a comparison",
    ),
    Metric(
        key="bit_equal",
        unit="share",
        better="higher",
        description="replies whose log-probabilities are the same floats before and after a restart",
        threshold=1.0,
    ),
    Metric(
        key="prompt_tokens",
        unit="tokens",
        better="lower",
        description="mean length of one exam prompt, of one arm",
    ),
)
METRICS: dict[str, Metric] = {metric.key: metric for metric in (*_ALL, *BENCH, *LIVES, *OUTER)}


def metric(key: str) -> Metric:
    """
    Raises:
        LiveoakError: a figure that nobody declared, which is a fault of ours.
    """
    if key not in METRICS:
        raise LiveoakError(f"metric {key!r} is not declared; declare it in lab/metrics.py, beside {sorted(METRICS)!r}")
    return METRICS[key]
