"""Rows about replies: one at a time, many under many adapters, and while a lesson trains."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from liveoak.errors import Unavailable
from liveoak.lab.bench.cost import decoded_flops
from liveoak.lab.bench.jobs import Decoded, DecodeJob, Line, Together, TogetherJob
from liveoak.lab.bench.remote import Side
from liveoak.lab.bench.rig import Rig
from liveoak.lab.bench.stand import OURS

ONE, MANY = "decoding one reply", "decoding many replies"
_WARM = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one side's replies came to in one repeat."""

    rate: float
    """Tokens a second of all replies, once each had its first token."""
    first: float
    """Seconds until then."""
    gaps: tuple[float, ...]
    """Seconds between a reply's tokens."""
    lengths: tuple[int, ...]
    """Tokens that each reply looked back to, half-way through."""
    peak_mib: float


def heard(decoded: Decoded, prompts: Sequence[Line], peak_mib: float = 0.0) -> Heard:
    """Figures of one batch of replies.

    Raises:
        Unavailable: a reply has fewer than two tokens, so that nothing can be said of their gaps.
    """
    if min(map(len, decoded.times)) < 2:
        raise Unavailable("a reply of fewer than two tokens: a side ended it early")
    # Reading the prompts is not decoding: what counts begins when the last reply has begun.
    first, last = max(times[0] for times in decoded.times), max(times[-1] for times in decoded.times)
    tokens = sum(at > first for times in decoded.times for at in times)
    if not tokens:
        raise Unavailable("no token came after all replies had begun: the replies are too short to be timed")
    return Heard(
        rate=tokens / (last - first),
        first=first,
        gaps=tuple(after - before for times in decoded.times for before, after in pairwise(times)),
        lengths=tuple(len(p) + len(times) // 2 for p, times in zip(prompts, decoded.times, strict=True)),
        peak_mib=peak_mib,
    )


def decode_one(rig: Rig, row: str, floor_row: str) -> None:
    """One reply: against transformers as it comes or compiled, whichever is faster, llama.cpp, and reading the weights.

    Raises:
        LiveoakError: our side or transformers failed.
    """
    rig.stand.tell("one reply at a time")
    compiled = "transformers, compiled"
    sides = (OURS, "transformers", *((compiled,) if rig.sizes.compiled else ()), "llama.cpp")
    floors: list[float] = []
    found = _replies(rig, 1, dict.fromkeys(sides, 0), ONE, after_ours=lambda: floors.append(rig.floor_seconds_now()))
    rig.stand.leave("llama.cpp", compiled, "machine")
    rig.profile_later(ONE, decode=DecodeJob(prompts=rig.prompts(1, 900), tokens=rig.sizes.reply_tokens))
    rates = [one.rate for one in found[OURS]]
    rig.ledger.row(floor_row, [rate * floor for rate, floor in zip(rates, floors, strict=True)])
    rig.ledger.notes["decode_1_floor_ms"] = [1e3 * floor for floor in floors]
    peers = {name: [one.rate for one in found[name]] for name in ("transformers", compiled) if name in found}
    _tell_lost(rig, found)
    if not peers:
        raise Unavailable(rig.stand.failed["transformers"])
    best = max(peers, key=lambda name: statistics.fmean(peers[name]))
    rig.ledger.notes["decode_1_against"] = best
    rig.ledger.ratio(row, rates, peers[best])


def decode_many(rig: Rig, row: str) -> None:
    """Many replies under many adapters: against peft's mixed batch.

    Raises:
        LiveoakError: our side or peft failed.
    """
    sizes = rig.sizes
    rig.stand.tell(f"{sizes.replies} replies under {sizes.adapters} adapters")
    found = _replies(rig, sizes.replies, {OURS: sizes.adapters, "peft": sizes.adapters}, MANY)
    _profile_many(rig)
    rig.ledger.ratio(row, [one.rate for one in found[OURS]], [one.rate for one in _of(rig, found, "peft")])


def decode_plain(rig: Rig) -> None:
    """As many replies without adapters, beside transformers' `generate` and its continuous batching.

    Raises:
        LiveoakError: our side failed.
    """
    rig.stand.tell(f"{rig.sizes.replies} replies without adapters")
    kind = f"{MANY}, no adapters"
    continuous = "transformers, continuous batching"
    found = _replies(rig, rig.sizes.replies, {OURS: 0, "transformers": 0, continuous: 0}, kind)
    rig.stand.leave(continuous)
    _tell_lost(rig, found)


def decode_with_and_without(rig: Rig, row: str) -> None:
    """Many replies under many adapters, and the same without any.

    Raises:
        LiveoakError: our side failed.
    """
    sizes = rig.sizes
    rig.stand.tell(f"{sizes.replies} replies under {sizes.adapters} adapters, and without")
    without = f"{OURS}, no adapters"
    found = _replies(rig, sizes.replies, {OURS: sizes.adapters, without: 0}, MANY)
    _profile_many(rig)
    rig.ledger.ratio(row, [one.rate for one in found[OURS]], [one.rate for one in found[without]])


def while_learning(rig: Rig, rows: dict[str, Callable[[Together], tuple[float, float]]], replies: int) -> None:
    """Replies and training, each alone and both at once. `rows` say what is set against what.

    Raises:
        LiveoakError: our side failed.
    """
    rig.stand.tell("replies while a lesson trains")
    found = [_together(rig, replies, repeat) for repeat in range(rig.sizes.repeats)]
    for row, pick in rows.items():
        pairs = [pick(one) for one in found]
        rig.ledger.ratio(row, [above for above, _ in pairs], [below for _, below in pairs])
    for name, gaps, rate, train in (
        ("alone", [one.gaps_alone for one in found], "replies_alone", "train_alone"),
        ("while learning", [one.gaps_learning for one in found], "replies_learning", "train_serving"),
    ):
        rig.ledger.arm(
            f"{OURS}: replies {name}",
            {
                "token_ms": [1e3 * statistics.median(some) for some in gaps],
                "token_ms_p95": [1e3 * _percentile(some, 0.95) for some in gaps],
                "tokens_per_second": [getattr(one, rate) for one in found],
            },
        )
        rig.ledger.arm(
            f"{OURS}: training {'alone' if name == 'alone' else 'while serving'}",
            {"tokens_per_second": [getattr(one, train) for one in found]},
        )


def latency(one: Together) -> tuple[float, float]:
    """Median gap between tokens while a lesson trains, and alone."""
    return statistics.median(one.gaps_learning), statistics.median(one.gaps_alone)


def training_speed(one: Together) -> tuple[float, float]:
    """Training tokens a second while replies are given, and alone."""
    return one.train_serving, one.train_alone


def throughput(one: Together) -> tuple[float, float]:
    """Tokens of replies a second while a lesson trains, and alone."""
    return one.replies_learning, one.replies_alone


def _together(rig: Rig, replies: int, repeat: int) -> Together:
    job = TogetherJob(
        prompts=rig.prompts(replies, 500 + repeat),
        lesson=rig.lessons[repeat % len(rig.lessons)],
        seconds=rig.sizes.together_seconds,
        rank=rig.sizes.rank,
    )
    return rig.stand.side(OURS).call("together", job, Together)


def _replies(
    rig: Rig, count: int, adapters: dict[str, int], kind: str, after_ours: Callable[[], None] = lambda: None
) -> dict[str, list[Heard]]:
    """Interleaved repeats of a batch of replies on each side, and an arm for each. `after_ours` is called after each of
    our own."""
    sizes = rig.sizes
    prompts = [rig.prompts(count, seed) for seed in range(sizes.repeats)]

    def work(name: str, own: int) -> Callable[[Side, int], Heard]:
        def reply(side: Side, repeat: int) -> Heard:
            if not repeat:
                # Before the first repeat, so that what is made once is not timed.
                warm = DecodeJob(prompts=rig.prompts(count, 999), tokens=_WARM, adapters=own, rank=sizes.rank)
                side.call("decode", warm, Decoded)
            job = DecodeJob(prompts=prompts[repeat], tokens=sizes.reply_tokens, adapters=own, rank=sizes.rank)
            replied = heard(side.call("decode", job, Decoded), prompts[repeat], side.peak_mib)
            if name == OURS:
                after_ours()
            return replied

        return reply

    found = rig.stand.taking_turns(sizes.repeats, {name: work(name, own) for name, own in adapters.items()})
    for name, replies in found.items():
        _arm(rig, f"{name}: {kind}", replies, sizes.rank if adapters[name] else 0)
    return found


def _arm(rig: Rig, name: str, replies: Sequence[Heard], rank: int) -> None:
    flops = [decoded_flops(rig.shape, one.lengths, rank) / len(one.lengths) * one.rate for one in replies]
    passes = [one.rate / len(one.lengths) for one in replies]
    rig.ledger.arm(
        name,
        {
            "tokens_per_second": [one.rate for one in replies],
            "first_token_seconds": [one.first for one in replies],
            "token_ms": [1e3 * statistics.median(one.gaps) for one in replies],
            "token_ms_p95": [1e3 * _percentile(one.gaps, 0.95) for one in replies],
            "flop_utilisation": [one / rig.peak_flops for one in flops],
            # llama.cpp reads a quantised copy; what it reads is not known here.
            "bandwidth_share": [] if name.startswith("llama.cpp") else [one * rig.floor_seconds for one in passes],
            "peak_memory_mib": [max(one.peak_mib for one in replies)],
        },
    )


def _profile_many(rig: Rig) -> None:
    sizes = rig.sizes
    prompts = rig.prompts(sizes.replies, 901)
    job = DecodeJob(prompts=prompts, tokens=sizes.reply_tokens, adapters=sizes.adapters, rank=sizes.rank)
    rig.profile_later(MANY, decode=job)


def _of(rig: Rig, found: dict[str, list[Heard]], name: str) -> list[Heard]:
    _tell_lost(rig, {**found, name: []})
    if name not in found:
        raise Unavailable(rig.stand.failed[name])
    return found[name]


def _tell_lost(rig: Rig, found: dict[str, list[Heard]]) -> None:
    """Peers that no row waits for are told of too, once."""
    told = {one["part"] for one in rig.ledger.failed}
    for name, why in rig.stand.failed.items():
        if name not in found and name not in told:
            rig.ledger.fail(name, why)


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
