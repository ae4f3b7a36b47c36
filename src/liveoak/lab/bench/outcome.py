"""Rows in order, each on its own: what fails is told, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from liveoak.lab.bench.missed import missed
from liveoak.lab.bench.rig import Rig
from liveoak.lab.machine import describe_machine
from liveoak.lab.results import Results, new_results

Row = Callable[[Rig], None]


def run_rows(rig: Rig, rows: Mapping[str, Row]) -> None:
    """Measure each row; errors go to the ledger under the row's name."""
    for name, row in rows.items():
        try:
            row(rig)
        except Exception as error:  # the border between rows: no row may cost another one its figure
            rig.ledger.fail(name, f"{type(error).__name__}: {error}")
            rig.stand.tell(f"failed: {name}: {error}")


def outcome(rig: Rig, name: str, work_of: Mapping[str, str], *, dry: str = "") -> Results:
    """All that was found, as a results file. `work_of` says which profile belongs to which row; `dry`, why no figure of
    the run means anything."""
    setup, ledger = rig.stand.setup, rig.ledger
    failing = [] if dry else missed(ledger.metrics, ledger.arms, work_of)
    config = {
        **({"dry_run": dry} if dry else {}),
        "prior": setup.prior,
        "threads": setup.threads,
        "sizes": asdict(rig.sizes),
        "missed": failing,
        "failed": ledger.failed,
        **ledger.notes,
    }
    return new_results(
        name,
        machine=describe_machine(device=setup.device, dtype=setup.dtype),
        config=config,
        metrics=ledger.metrics,
        arms=ledger.arms,
    )
