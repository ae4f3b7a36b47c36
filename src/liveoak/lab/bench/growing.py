"""How time and memory of one training step grow with slots and with tokens, until a limit is hit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path

from liveoak.errors import LiveoakError
from liveoak.lab.bench.jobs import Line, Trained, TrainJob
from liveoak.lab.bench.rig import Rig
from liveoak.lab.bench.stand import OURS

_SPARE = 0.8
"""Share of the memory that is free which a point may be expected to take."""
_AGAIN = 3
"""Short steps are repeated so often, and the fastest counts."""
_SHORT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One size that was measured."""

    size: int
    seconds: float
    peak_mib: float


def grow(rig: Rig) -> None:
    """Both curves, with what was cut in the notes.

    Raises:
        LiveoakError: our side cannot be made anew.
    """
    sizes = rig.sizes
    tokens = list(chain.from_iterable(chain.from_iterable(rig.lessons)))

    def slots(count: int) -> TrainJob:
        lines = tuple(((_line(tokens, sizes.growth_line, place)),) for place in range(count))
        return TrainJob(lessons=lines, passes=1, rank=sizes.growth_rank)

    def length(count: int) -> TrainJob:
        rest, lines = count, list[Line]()
        for line in cycle(chain.from_iterable(rig.lessons)):
            lines.append(line[: rest + 1] if rest >= 1 else line)
            rest -= len(lines[-1]) - 1
            if rest <= 0:
                break
        return TrainJob(lessons=(tuple(lines),), passes=1, rank=sizes.growth_rank)

    for across, counts, job in (("slots", sizes.growth_slots, slots), ("tokens", sizes.growth_tokens, length)):
        rig.begin_afresh()
        _warm(rig, slots(1))
        rig.stand.tell(f"one training step of {', '.join(map(str, counts))} {across}")
        for point in _measure(rig, across, counts, job):
            rig.ledger.arm(
                f"{across}: {point.size}",
                {
                    "step_seconds": [point.seconds],
                    "tokens_per_second": [job(point.size).tokens / point.seconds],
                    "peak_memory_mib": [point.peak_mib],
                },
            )
        points = [{"at": str(count), "arm": f"{across}: {count}"} for count in counts]
        rig.ledger.notes.setdefault("curves", []).extend(
            {"title": f"{title} of a training step", "across": across, "key": key, "points": points}
            for title, key in (("Time", "step_seconds"), ("Memory", "peak_memory_mib"))
        )


def _measure(rig: Rig, across: str, counts: Sequence[int], job: Callable[[int], TrainJob]) -> list[Point]:
    side, found = rig.stand.side(OURS), list[Point]()
    for count in counts:
        why = beyond(found, count, rig.sizes.growth_seconds, _free_mib())
        if why is None:
            try:
                seconds = side.call("train", job(count), Trained).seconds
                tries = _AGAIN - 1 if seconds < _SHORT_SECONDS else 0
                seconds = min([seconds, *(side.call("train", job(count), Trained).seconds for _ in range(tries))])
                found.append(Point(size=count, seconds=seconds, peak_mib=side.peak_mib))
                continue
            except LiveoakError as error:
                why = f"broke off: {error}"
        rig.stand.tell(f"{count} {across} left out: {why}")
        rig.ledger.notes.setdefault("growth_cut", {})[f"{across}: {count}"] = why
        if why.startswith("broke off"):
            break
    return found


def beyond(found: Sequence[Point], count: int, most_seconds: float, free_mib: float) -> str | None:
    """Why a point of this size is not to be tried, going by those before it; None where it is."""
    if not found:
        return None
    last = found[-1]
    seconds = last.seconds * count / last.size
    if seconds > most_seconds:
        return f"about {seconds:.0f} s, the limit is {most_seconds:.0f} s"
    if len(found) < 2:
        return None
    slope = max(0.0, (last.peak_mib - found[0].peak_mib) / (last.size - found[0].size))
    more = slope * (count - last.size)
    if more > _SPARE * free_mib:
        return f"about {more:.0f} MiB more, {free_mib:.0f} MiB are free"
    return None


def _warm(rig: Rig, job: TrainJob) -> None:
    rig.stand.side(OURS).call("train", job, Trained)


def _line(tokens: Sequence[int], length: int, place: int) -> Line:
    start = place * length % max(1, len(tokens) - length)
    return tuple(islice(cycle(tokens), start, start + length + 1))


def _free_mib() -> float:
    """Memory that the machine has to give. Without the kernel's figure, as much as is asked for."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return float("inf")
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("MemAvailable")), float("inf"))
