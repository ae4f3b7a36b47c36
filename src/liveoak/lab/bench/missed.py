"""Rows that miss what is wanted, with where our time goes and what comes next, all told from the figures of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liveoak.lab.bench.metrics import AT_ONCE, GROUPS, MEANINGS
from liveoak.lab.bench.stand import OURS
from liveoak.lab.metrics import metric
from liveoak.lab.results import Figure

Arms = Mapping[str, Mapping[str, Figure]]
_STEPS = {
    "linear": "fewer and larger products (beginnings shared, more slots a pass), or weights in fewer bytes",
    "adapters": "a layer's changes in fewer calls, or lower ranks",
    "attention": "attention over longer blocks of a row at once",
    "head_loss": "logits and loss in one operator, at fewer places",
    "optimizer": "the steps of all slots in one call",
    "elementwise": "joining the operators that take most of it (config.slowest_operators)",
    "outside": "recording what is called again and again, and replaying it",
}
"""By group of operators, what would shorten its time."""
_UNPROFILED = {
    "soak_growth": "find what is held at the steps of config.soak, by a soak of more minutes",
    "lesson_loss_over_seal": "the same schedule at other rates, seed by seed",
}


def profile_arm(kind: str) -> str:
    """The arm that holds the profile of a kind of work."""
    return f"profile: {kind}"


def missed(metrics: Mapping[str, Figure], arms: Arms, work_of: Mapping[str, str]) -> list[dict[str, Any]]:
    """One entry a row. `work_of` says which kind of work a row times."""
    found: list[dict[str, Any]] = []
    for key, figure in metrics.items():
        if metric(key).met(figure.value) is False:
            kind = work_of.get(key, "")
            shares = _shares(arms.get(profile_arm(kind), {}))
            found.append(
                {
                    "row": key,
                    "value": figure.value,
                    "ci95": figure.ci95,
                    "wanted": metric(key).threshold,
                    "work": kind,
                    "time": {group: round(share, 3) for group, share in shares},
                    "next": " ".join(_told(key, figure, shares, arms.get(f"{OURS}: {kind}", {}))),
                }
            )
    return found


def _shares(arm: Mapping[str, Figure]) -> list[tuple[str, float]]:
    """Groups with their share of the time, the largest first; none where there was no profile."""
    known = [(group, arm[f"time_{group}"].value) for group in GROUPS if f"time_{group}" in arm]
    return sorted(known, key=lambda pair: -pair[1])


def _told(key: str, figure: Figure, shares: list[tuple[str, float]], ours: Mapping[str, Figure]) -> list[str]:
    wanted = metric(key).threshold
    assert wanted is not None
    told: list[str] = []
    if figure.ci95 is not None and figure.ci95[0] <= wanted <= figure.ci95[1]:
        told.append(f"The interval holds {wanted:g}: more repeats would tell.")
    if not shares:
        return [*told, f"Next: {_UNPROFILED.get(key, 'a profile, which failed or was not made')}."]
    group, share = shares[0]
    if key in AT_ONCE:
        told.append(f"Of training alone {share:.3f} is {_meaning(group)}; what is saved there is left for both.")
    else:
        told.append(_saving(figure.value, wanted, shares))
    told.extend(
        f"{what} would take {ours[floor].value:.3f} of the time."
        for floor, what in (
            ("flop_utilisation", "The model's arithmetic at the best product measured"),
            ("bandwidth_share", "Reading every weight once at the best bandwidth measured"),
        )
        if floor in ours
    )
    return [*told, f"Next: {_STEPS[group]}."]


def _saving(value: float, wanted: float, shares: list[tuple[str, float]]) -> str:
    """How much of our time must go, where a row is higher by as much as we are faster."""
    (group, share), (second, other) = shares[:2]
    saving = 1 - value / wanted
    told = f"{saving:.3f} of our time must go; the largest part, {share:.3f}, is {_meaning(group)}:"
    if share > saving:
        return f"{told} {share / (share - saving):.2f} times as fast, it would do."
    without = value / (1 - share)
    return f"{told} without any of it the row would be {without:.3g}, so that {second} ({other:.3f}) counts too."


def _meaning(group: str) -> str:
    return MEANINGS[group].partition(" (")[0]
