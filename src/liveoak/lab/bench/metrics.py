"""Figures of the engine's benches. A ratio with a threshold is one row of what a release must show."""

from __future__ import annotations

from liveoak.lab.metric import Better, Metric


def _row(key: str, threshold: float, description: str, *, unit: str = "ratio", better: Better = "higher") -> Metric:
    return Metric(key=key, unit=unit, better=better, threshold=threshold, description=description)


def _measure(key: str, unit: str, description: str, *, better: Better = "higher") -> Metric:
    return Metric(key=key, unit=unit, better=better, description=description)


ROWS = (
    _row("train_8_slots_vs_peft", 2.0, "real tokens/s training 8 lessons in 8 slots, over peft one after the other"),
    _row("lesson_vs_seal", 30.0, "seconds of SEAL's inner loop on one lesson over ours, with the same schedule"),
    _row(
        "lesson_loss_over_seal",
        0.01,
        "our loss on that lesson after training minus SEAL's; up to 0.01 counts as the same",
        unit="nats/token",
        better="lower",
    ),
    _row("decode_1_vs_transformers", 2.0, "tokens/s of one reply over transformers' `generate` in the same dtype"),
    _row(
        "decode_1_of_bandwidth_floor",
        0.5,
        "time to read all weights once at the measured read bandwidth, over our time for a token",
        unit="share",
    ),
    _row("decode_8_adapters_vs_peft", 4.0, "tokens/s of 8 replies under 8 adapters over peft's mixed batch"),
    _row(
        "decode_latency_while_learning",
        2.0,
        "median time for a token while a lesson trains, over the same alone",
        better="lower",
    ),
    _row("train_speed_while_serving", 0.5, "training tokens/s while replies are given, over the same alone"),
    _row("train_64_slots_vs_peft", 20.0, "real tokens/s training 64 lessons in 64 slots, over peft (GPU)"),
    _row(
        "train_64_slots_mfu",
        0.25,
        "model-FLOP utilisation of that training in bf16, of what the maker states (GPU)",
        unit="share",
    ),
    _row("decode_256_with_adapters_vs_without", 0.8, "tokens/s of 256 replies under 64 adapters over none (GPU)"),
    _row("decode_throughput_while_learning", 0.8, "tokens/s of replies while a lesson trains, over alone (GPU)"),
    _row(
        "soak_growth",
        0.05,
        "median memory in the last third of a soak over that in the middle third, minus 1",
        unit="share",
        better="lower",
    ),
    _row(
        "replies_changed",
        0,
        "replies and scores of a version that were not, to the bit, what it had said before it was evicted",
        unit="replies",
        better="lower",
    ),
    _row(
        "versions_growth",
        0.05,
        "median memory in the last third of the requests for versions over that in the middle third, minus 1",
        unit="share",
        better="lower",
    ),
)

AT_ONCE = ("decode_latency_while_learning", "train_speed_while_serving", "decode_throughput_while_learning")
"""Rows on two kinds of work at once, whose figure no profile of one of them accounts for."""

GROUPS = ("linear", "adapters", "attention", "head_loss", "optimizer", "elementwise", "outside")
"""What the time of a pass goes to; `outside` is what no operator accounts for: Python, dispatch, waiting."""

MEANINGS = {
    "linear": "products with the prior's weights (in steps of decoding, with what the adapters add)",
    "adapters": "low-rank products of the adapters",
    "attention": "scores, softmax and weighted values",
    "head_loss": "logits and the loss",
    "optimizer": "the optimizer's step",
    "elementwise": "norms, activations, copies and all other operators",
    "outside": "no operator at all: Python, dispatch, waiting, loops of compiled layers",
}

BENCH = (
    *ROWS,
    *(
        _measure(f"time_{group}", "share", f"time in {MEANINGS[group]}, of one profiled run", better="lower")
        for group in GROUPS
    ),
    _measure("tokens_per_second", "tokens/s", "real tokens a second, padding not counted"),
    _measure("first_token_seconds", "s", "time until every reply of a batch had its first token", better="lower"),
    _measure("token_ms", "ms", "median time from one token of a reply to its next", better="lower"),
    _measure("token_ms_p95", "ms", "the same, exceeded by one in twenty", better="lower"),
    _measure("lesson_seconds", "s", "time to train one lesson, loading left out", better="lower"),
    _measure("step_seconds", "s", "time of one training step", better="lower"),
    _measure("final_loss", "nats/token", "mean loss on the lesson's own lines after training", better="lower"),
    _measure(
        "flop_utilisation", "share", "floating-point operations that the model needs, over the best product measured"
    ),
    _measure("bandwidth_share", "share", "bytes of all weights a pass, over the read bandwidth measured"),
    _measure("matmul_bf16", "GFLOP/s", "best matrix product measured on this machine in bfloat16"),
    _measure("matmul_f32", "GFLOP/s", "the same in float32"),
    _measure("copy_gb", "GB/s", "memory copied, bytes read and written counted"),
    _measure("read_gb", "GB/s", "memory read: the best of a sum and of products of a matrix and a vector"),
    _measure("gemv_bf16_gb", "GB/s", "weights read by a matrix-vector product in bfloat16"),
    _measure("gemv_f32_gb", "GB/s", "the same in float32"),
    _measure("soak_replies", "replies", "replies finished in a soak"),
    _measure("soak_cancelled", "replies", "replies cancelled on purpose in a soak"),
    _measure("soak_lessons", "lessons", "lessons trained in a soak"),
    _measure("soak_errors", "errors", "replies and lessons of a soak that broke off", better="lower"),
    _measure("versions_in_memory", "versions", "adapters in memory when there is room for no more"),
    _measure(
        "slots_alive", "slots", "adapters that Python still holds after all requests, whoever does", better="lower"
    ),
    _measure("hit_rate", "share", "requests for a version that was in memory"),
    _measure("hit_ms", "ms", "median time of a request for a version in memory, recording included", better="lower"),
    _measure("hit_ms_p99", "ms", "the same, exceeded by one in a hundred", better="lower"),
    _measure("reload_ms", "ms", "median time of a request for a version that is read from the disk", better="lower"),
    _measure("reload_ms_p99", "ms", "the same, exceeded by one in a hundred", better="lower"),
    _measure("open_seconds", "s", "time to open a home with so many versions, the prior included", better="lower"),
    _measure("keep_ms", "ms", "median time to write a new version and serve it", better="lower"),
    _measure("ask_ms", "ms", "median time of a reply of one token by the agent itself", better="lower"),
    _measure("list_versions_ms", "ms", "median time to list the versions that led to what is served", better="lower"),
    _measure("promote_ms", "ms", "median time to promote a version", better="lower"),
)
