"""Rows about training: many lessons at once against one after the other, and one lesson against SEAL's inner loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liveoak.errors import LiveoakError, Unavailable
from liveoak.lab.bench.cost import trained_flops
from liveoak.lab.bench.jobs import Nothing, Trained, TrainJob, Ways
from liveoak.lab.bench.peers import seal
from liveoak.lab.bench.remote import Side
from liveoak.lab.bench.rig import Rig
from liveoak.lab.bench.stand import OURS

TRAINING, LESSON = "training", "one lesson, line by line"
"""Kinds of work that are profiled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One answer, and the most memory that its side held meanwhile."""

    trained: Trained
    peak_mib: float


def train_many(rig: Rig, row: str, mfu_row: str | None = None) -> None:
    """All lessons, each in a slot of its own, against peft with one lesson after the other.

    Raises:
        LiveoakError: our side or peft failed.
    """
    sizes = rig.sizes
    job = TrainJob(lessons=rig.lessons, passes=sizes.passes, rank=sizes.rank)
    peft_job = job.model_copy(update={"way": _best_way(rig, "peft", job)})
    alone_job = job.model_copy(update={"lessons": rig.lessons[:1]})
    for side in (OURS, "peft"):
        _train(rig.stand.side(side), (alone_job if side == OURS else peft_job).model_copy(update=_one_lesson(job)))
    rig.stand.tell(f"training {len(rig.lessons)} lessons, {sizes.repeats} repeats")
    found = rig.stand.taking_turns(
        sizes.repeats,
        {
            OURS: lambda side, repeat: _train(side, job.model_copy(update={"evaluate": repeat == 0})),
            f"{OURS}, one lesson": lambda side, _: _train(side, alone_job),
            "peft": lambda side, repeat: _train(side, peft_job.model_copy(update={"evaluate": repeat == 0})),
        },
    )
    _train_arms(rig, job, found, TRAINING)
    rig.profile_later(TRAINING, train=job.model_copy(update={"passes": 1}))
    if "peft" not in found:
        raise Unavailable(rig.stand.failed["peft"])
    ours, theirs = ([_rate(job, one) for one in found[name]] for name in (OURS, "peft"))
    rig.ledger.ratio(row, ours, theirs)
    if mfu_row is not None:
        rated = rig.peak_flops / rig.rated_flops
        rig.ledger.row(mfu_row, [rated * _utilisation(rig, job, one) for one in found[OURS]])


def one_lesson_with_trl(rig: Rig) -> None:
    """One lesson by TRL's trainer, beside ours and in the same steps.

    Raises:
        LiveoakError: one of the two failed.
    """
    job = TrainJob(lessons=rig.lessons[:1], passes=2 * rig.sizes.passes, rank=rig.sizes.rank)
    rig.stand.tell("one lesson with TRL's trainer")
    theirs = job.model_copy(update={"way": _best_way(rig, "TRL", job)})
    found = rig.stand.taking_turns(
        rig.sizes.repeats, {OURS: lambda side, _: _train(side, job), "TRL": lambda side, _: _train(side, theirs)}
    )
    rig.stand.leave("TRL")
    _train_arms(rig, job, found, "one lesson")
    if "TRL" not in found:
        raise Unavailable(rig.stand.failed["TRL"])


def lesson_vs_seal(rig: Rig, row: str, loss_row: str) -> None:
    """One lesson on one schedule: SEAL's with every line padded, ours with none.

    The padded loop is timed on a few lines in each repeat, since every line costs the same; its loss comes from the
    whole schedule without padding, which in a causal model changes no credited token.

    Raises:
        LiveoakError: one of the two failed.
    """
    sizes, lesson = rig.sizes, rig.lessons[0]
    whole = TrainJob(
        lessons=(lesson,), passes=sizes.epochs, by="line", rate=seal.RATE, decay=True, rank=seal.RANK, way=seal.WAY
    )
    few = whole.model_copy(
        update={"lessons": (lesson[: sizes.padded_lines],), "passes": 1, "pad_to": sizes.pad_to, "decay": False}
    )
    scale = sizes.epochs * len(lesson) / len(few.lessons[0])
    rig.stand.tell(f"one lesson of {len(lesson)} lines, {sizes.epochs} epochs, against SEAL's inner loop")
    for name in (OURS, "SEAL"):
        _train(rig.stand.side(name), few.model_copy(update={"pad_to": 0}))
    reference = _train(rig.stand.side("SEAL"), whole.model_copy(update={"evaluate": True}))
    found = rig.stand.taking_turns(
        sizes.repeats,
        {
            OURS: lambda side, repeat: _train(side, whole.model_copy(update={"evaluate": repeat == 0})),
            "SEAL": lambda side, _: _train(side, few),
        },
    )
    rig.stand.leave("SEAL")
    if "SEAL" not in found:
        raise Unavailable(rig.stand.failed["SEAL"])
    ours = [one.trained.seconds for one in found[OURS]]
    theirs = [one.trained.seconds * scale for one in found["SEAL"]]
    losses = [_loss(found[OURS][0]), _loss(reference)]
    rig.ledger.notes["seal"] = {
        "rank": seal.RANK,
        "epochs": sizes.epochs,
        "rate": seal.RATE,
        "padded_to": sizes.pad_to,
        "lines": len(lesson),
        "lines_timed_in_each_repeat": len(few.lessons[0]),
        "scaled_by": scale,
        "loss_from": "the same schedule without padding",
    }
    rig.profile_later(LESSON, train=whole.model_copy(update={"passes": 1}))
    for name, seconds, loss, sides in ((OURS, ours, losses[0], OURS), ("SEAL's inner loop", theirs, losses[1], "SEAL")):
        rig.ledger.arm(
            f"{name}: one lesson, SEAL's schedule",
            {
                "lesson_seconds": seconds,
                "tokens_per_second": [whole.tokens / one for one in seconds],
                "final_loss": [loss],
                "peak_memory_mib": [max(one.peak_mib for one in found[sides])],
            },
        )
    rig.ledger.ratio(row, theirs, ours)
    rig.ledger.row(loss_row, [losses[0] - losses[1]])


def _best_way(rig: Rig, name: str, job: TrainJob) -> str:
    """A side's fastest way to lay out a lesson, by trial."""
    side = rig.stand.side(name)
    trial = job.model_copy(update=_one_lesson(job))
    took: dict[str, float] = {}
    for way in side.call("ways", Nothing(), Ways).ways:
        try:
            tries = [_train(side, trial.model_copy(update={"way": way})).trained.seconds for _ in range(2)]
        except LiveoakError as error:
            rig.stand.tell(f"{name}, {way}: {error}")
            continue
        # The first time round, buffers and kernels are made.
        took[way] = min(tries)
    if not took:
        raise Unavailable(f"{name} trains in none of its ways")
    best = min(took, key=lambda way: took[way])
    rig.ledger.notes[f"{name}_ways"] = {
        way: round(trial.tokens / seconds, 1) for way, seconds in sorted(took.items(), key=lambda pair: pair[1])
    }
    rig.stand.tell(f"{name} is fastest with: {best}")
    return best


def _one_lesson(job: TrainJob) -> dict[str, object]:
    return {"lessons": job.lessons[:1], "passes": 1}


def _train(side: Side, job: TrainJob) -> Timed:
    trained = side.call("train", job, Trained)
    return Timed(trained=trained, peak_mib=side.peak_mib)


def _train_arms(rig: Rig, job: TrainJob, found: dict[str, list[Timed]], kind: str) -> None:
    for name, timed in found.items():
        done = job.model_copy(update={"lessons": job.lessons[:1]}) if name.endswith("one lesson") else job
        rig.ledger.arm(
            f"{name}: {kind}",
            {
                "tokens_per_second": [_rate(done, one) for one in timed],
                "lesson_seconds": [one.trained.seconds / len(done.lessons) for one in timed],
                "flop_utilisation": [_utilisation(rig, done, one) for one in timed],
                "final_loss": [one.trained.loss for one in timed if one.trained.loss is not None],
                "peak_memory_mib": [max(one.peak_mib for one in timed)],
            },
        )


def _rate(job: TrainJob, timed: Timed) -> float:
    return job.tokens / timed.trained.seconds


def _utilisation(rig: Rig, job: TrainJob, timed: Timed) -> float:
    lengths: Sequence[int] = [len(line) - 1 for lesson in job.lessons for line in lesson]
    flops = job.passes * trained_flops(rig.shape, lengths, job.rank)
    return flops / timed.trained.seconds / rig.peak_flops


def _loss(timed: Timed) -> float:
    if timed.trained.loss is None:
        raise Unavailable("a side gave no loss")
    return timed.trained.loss
