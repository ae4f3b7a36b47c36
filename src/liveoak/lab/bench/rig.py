"""What every row of a bench is measured with."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from liveoak.lab.bench.jobs import (
    Bandwidth,
    Ceilings,
    DecodeJob,
    Line,
    Measured,
    MeasureJob,
    Nothing,
    Profile,
    ProfileJob,
    Setup,
    Shape,
    Texts,
    Tokens,
    TrainJob,
)
from liveoak.lab.bench.ledger import Ledger
from liveoak.lab.bench.metrics import GROUPS
from liveoak.lab.bench.missed import profile_arm
from liveoak.lab.bench.remote import PATIENCE
from liveoak.lab.bench.sizes import Sizes
from liveoak.lab.bench.stand import OURS, Stand
from liveoak.lab.bench.work import chats, lessons


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """The sides, what has been found so far, and the work."""

    stand: Stand
    ledger: Ledger
    sizes: Sizes
    shape: Shape
    ceilings: Ceilings
    rated_bf16: float | None
    """What the device's maker says of `matmul_bf16`."""
    lessons: tuple[tuple[Line, ...], ...]
    to_profile: dict[str, ProfileJob] = field(default_factory=dict[str, ProfileJob])

    @property
    def peak_flops(self) -> float:
        """Operations a second of the best matrix product measured in the number format that all sides run in."""
        best = self.ceilings.matmul_bf16 if self.stand.setup.dtype == "bfloat16" else self.ceilings.matmul_f32
        return best * 1e9

    @property
    def rated_flops(self) -> float:
        """The same by the maker's data sheet, which figures of model-FLOP utilisation usually mean; else as found."""
        known = self.rated_bf16 if self.stand.setup.dtype == "bfloat16" else None
        return self.peak_flops if known is None else known * 1e9

    @property
    def floor_seconds(self) -> float:
        """Time to read all weights once, at the read bandwidth measured at the beginning."""
        return self.shape.seconds_to_read(self.ceilings.read_gb)

    def floor_seconds_now(self) -> float:
        """The same, measured anew: on machines that share their memory's bandwidth, it may double within minutes."""
        job = MeasureJob(seconds=self.sizes.ceiling_seconds)
        found = self.stand.side("machine").call("read", job, Bandwidth)
        return self.shape.seconds_to_read(found.read_gb)

    def prompts(self, count: int, seed: int) -> tuple[Line, ...]:
        """Chat prompts of mixed lengths. Other seeds give others, so that no repeat finds the last one's cache."""
        texts = Texts(chats=chats(count, seed))
        made = self.stand.side(OURS).call("tokenise", texts, Tokens).chats
        # The end of a prompt is what asks for a reply, and stays.
        return tuple(prompt[-self.sizes.most_tokens :] for prompt in made)

    def begin_afresh(self) -> None:
        """End all sides, ours too; each comes back in a new process when it is asked for something."""
        if self.sizes.fresh:
            self.stand.leave(*self.stand.open)

    def profile_later(self, kind: str, *, train: TrainJob | None = None, decode: DecodeJob | None = None) -> None:
        """Have one kind of work profiled once all rows are measured: the profiler's memory would stay with ours."""
        self.to_profile[kind] = ProfileJob(train=train, decode=decode)


def profile(rig: Rig) -> None:
    """Where our side's time goes in each kind of work, each in an arm of its own.

    Raises:
        LiveoakError: our side broke off.
    """
    for kind, job in rig.to_profile.items():
        rig.stand.tell(f"profile: {kind}")
        found = rig.stand.side(OURS).call("profile", job, Profile)
        rig.ledger.arm(profile_arm(kind), {f"time_{group}": [found.shares[group]] for group in GROUPS})
        rig.ledger.notes.setdefault("slowest_operators", {})[kind] = {
            name: round(share, 4) for name, share in found.slowest
        }


@contextmanager
def build(setup: Setup, sizes: Sizes, tell: Callable[[str], None], *, limit: float = PATIENCE) -> Generator[Rig]:
    """Open our side, measure the machine and make the work; afterwards every side's process is ended.

    Raises:
        Unavailable: our side cannot be made.
    """
    ledger = Ledger()
    with Stand(setup, tell, limit) as stand:
        yield _built(stand, ledger, sizes)


def _built(stand: Stand, ledger: Ledger, sizes: Sizes) -> Rig:
    stand.tell("the machine's ceilings")
    measured = stand.side("machine").call("measure", MeasureJob(seconds=sizes.ceiling_seconds), Measured)
    ceilings = measured.ceilings
    stand.leave("machine")
    ledger.arm("machine", {key: [value] for key, value in ceilings.model_dump().items()})
    ours = stand.side(OURS)
    shape = ours.call("describe", Nothing(), Shape)
    ledger.notes["device"] = {"name": measured.device, "rated_bf16_gflops": measured.rated_bf16}
    texts = lessons(sizes.lessons)
    ledger.notes["lessons"] = texts.source
    made = tuple(
        tuple(
            line[: sizes.most_tokens]
            for line in ours.call("tokenise", Texts(lines=lines[: sizes.most_lines]), Tokens).lines
        )
        for lines in texts.lines
    )
    ledger.notes["lesson_tokens"] = [sum(len(line) - 1 for line in lesson) for lesson in made]
    ledger.notes["floor"] = {
        "weight_bytes": shape.weight_bytes,
        "ms_per_token": 1e3 * shape.seconds_to_read(ceilings.read_gb),
    }
    return Rig(
        stand=stand,
        ledger=ledger,
        sizes=sizes,
        shape=shape,
        ceilings=ceilings,
        rated_bf16=measured.rated_bf16,
        lessons=made,
    )
