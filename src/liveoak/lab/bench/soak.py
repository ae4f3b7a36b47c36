"""The soak: mixed traffic, cancellations and lessons, and whether memory stays flat. A row, and an experiment."""

from __future__ import annotations

from dataclasses import replace

from liveoak.lab.bench.jobs import Soaked, SoakJob
from liveoak.lab.bench.outcome import outcome, run_rows
from liveoak.lab.bench.rig import Rig, build
from liveoak.lab.bench.setting import dryness, setup_for
from liveoak.lab.bench.sizes import CPU, quick
from liveoak.lab.bench.soaking import growth
from liveoak.lab.bench.stand import OURS
from liveoak.lab.order import Order
from liveoak.lab.results import Results

_PROMPTS = 64


def soak(rig: Rig) -> None:
    """For the minutes of the rig's sizes, in a fresh process.

    Raises:
        LiveoakError: our side broke off.
    """
    minutes = rig.sizes.soak_minutes
    prompts = rig.prompts(_PROMPTS, 700)
    rig.begin_afresh()
    rig.stand.tell(f"soak of {minutes:g} minutes")
    job = SoakJob(minutes=minutes, prompts=prompts, lessons=rig.lessons)
    found = rig.stand.side(OURS).call("soak", job, Soaked)
    rig.ledger.arm(
        "soak",
        {
            "soak_replies": [found.replies],
            "soak_cancelled": [found.cancelled],
            "soak_lessons": [found.lessons],
            "soak_errors": [found.errors],
            "peak_memory_mib": [max((mib for _, mib in found.samples), default=0.0)],
        },
    )
    rig.ledger.notes["soak"] = {
        "minutes": minutes,
        "seconds_and_mib": [[round(at, 1), round(mib, 1)] for at, mib in found.samples],
        "first_error": found.first_error,
    }
    risen = growth(found.samples)
    if risen is not None:
        rig.ledger.row("soak_growth", [risen])
    if found.errors:
        rig.ledger.fail("soak", f"{found.errors} errors, the first: {found.first_error}")


def experiment(order: Order) -> Results:
    """`liveoak lab run soak --minutes 30`, on the device of the settings."""
    sizes = replace(quick(CPU) if order.quick else CPU, soak_minutes=0.05 if order.quick else float(order.count))
    # A side that is silent for as long as it was told to be is not broken.
    limit = sizes.soak_minutes * 60 + 1800
    with build(setup_for(order), sizes, order.tell, limit=limit) as rig:
        run_rows(rig, {"soak": soak})
        return outcome(rig, "soak", {}, dry=dryness(order, rig.stand.setup.device))
