"""Plots of a results file, as PNG bytes. Drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from liveoak.lab.metrics import metric
from liveoak.lab.results import Figure, Results

_OURS, _BASELINE, _MARK = "#2f6f4f", "#9aa5ad", "#b5532a"


class Point(BaseModel):
    """One arm on a curve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: float | str
    arm: str


class Curve(BaseModel):
    """How a figure moves from arm to arm. Kept in a results file under `config.curves`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    across: str
    """What the horizontal axis counts."""
    key: str
    """The figure drawn, a declared metric."""
    points: tuple[Point, ...]


def curves_of(results: Results) -> tuple[Curve, ...]:
    return tuple(Curve.model_validate(curve) for curve in results.config.get("curves", ()))


def bars(results: Results, keys: Sequence[str]) -> bytes:
    """Figures side by side, with intervals where there are any, and thresholds as marks.

    Where the results have none of them, the recall of each arm.
    """
    rows = [_Bar.of_metric(key, results.metrics[key]) for key in keys if key in results.metrics]
    if not rows:
        rows = [_Bar.of_arm(arm, figures) for arm, figures in results.arms.items() if "recall" in figures]
    canvas = _canvas(height=0.9 + 0.4 * max(2, len(rows)))
    axes = canvas.add_subplot()
    for place, row in enumerate(reversed(rows)):
        colour = _OURS if row.ours else _BASELINE
        axes.barh(place, row.figure.value, color=colour, height=0.62, xerr=_whiskers(row.figure), capsize=3)
        if row.threshold is not None:
            axes.plot([row.threshold, row.threshold], [place - 0.36, place + 0.36], color=_MARK, linewidth=2)
        # Beside the plot, where no bar, whisker or mark can cover it.
        axes.text(1.03, place, f"{row.figure.value:.2f}", va="center", fontsize=9, weight="bold")
        axes.text(1.15, place, row.wanted, va="center", fontsize=8, color=_MARK)
    axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)], fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of exam questions answered", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return _png(canvas)


def against_wanted(results: Results) -> bytes | None:
    """How many times as good as wanted each figure with a threshold is, on a logarithmic axis; None without any."""
    rows = [(key, figure) for key, figure in results.metrics.items() if _times(key, figure.value) is not None]
    if not rows:
        return None
    canvas = _canvas(height=0.9 + 0.4 * max(2, len(rows)))
    axes = canvas.add_subplot()
    for place, (key, figure) in enumerate(reversed(rows)):
        value = _times(key, figure.value) or 1.0
        # From what is wanted to what was found: a logarithmic axis has no zero that bars could begin at.
        axes.barh(place, value - 1, left=1, color=_OURS if value >= 1 else _MARK, height=0.62)
        ends = [_times(key, end) for end in figure.ci95 or ()]
        if ends and None not in ends:
            axes.plot(ends, [place, place], color="black", linewidth=1)
        sign = "≥" if metric(key).better == "higher" else "≤"
        told = f"{figure.value:.3g}  ({sign} {metric(key).threshold:g})"
        axes.text(1.03, place, told, va="center", fontsize=8, transform=axes.get_yaxis_transform())
    axes.set_xscale("log")
    axes.axvline(1, color=_MARK, linewidth=1.5)
    axes.set_yticks(range(len(rows)), [key for key, _ in reversed(rows)], fontsize=9)
    axes.set_xlabel("times as good as wanted", fontsize=9)
    if "dry_run" in results.config:
        axes.set_title("a dry run: nothing is met or missed", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return _png(canvas)


def _times(key: str, value: float) -> float | None:
    """Value over threshold, or the inverse where lower is better; None where that means nothing."""
    wanted = metric(key).threshold
    if wanted is None or wanted <= 0 or value <= 0:
        return None
    return value / wanted if metric(key).better == "higher" else wanted / value


def curve(results: Results, drawn: Curve) -> bytes:
    """One curve with its intervals; arms that failed are left out."""
    points = [(point.at, results.arms[point.arm][drawn.key]) for point in drawn.points if _has(results, point, drawn)]
    canvas = _canvas(height=3.2)
    axes = canvas.add_subplot()
    values = [figure.value for _, figure in points]
    across: list[Any] = [at for at, _ in points]
    whiskers = [_whiskers(figure) or [[0.0], [0.0]] for _, figure in points]
    spread = [[side[0][0] for side in whiskers], [side[1][0] for side in whiskers]]
    axes.errorbar(across, values, yerr=spread, color=_OURS, marker="o", capsize=3)
    axes.set_xlabel(drawn.across)
    axes.set_ylabel(f"{drawn.key} ({metric(drawn.key).unit})")
    if metric(drawn.key).unit == "share":
        axes.set_ylim(-0.02, 1.05)
    axes.grid(axis="y", alpha=0.3)
    return _png(canvas)


_LABELS = {
    "recall_frozen": "empty context, before",
    "recall_in_context": "whole text in the context",
    "recall_truncated_context": "what a small context holds",
    "recall_learned": "empty context, studied by itself",
    "recall_taught": "empty context, taught by a person",
    "recall_after_restart": "the same after kill and restart",
    "recall_after_rollback": "the same after rollback",
}
_LEARNED = frozenset({"recall_learned", "recall_taught", "recall_after_restart"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    """One row of a bar plot. `ours`: something was learned before it was measured."""

    label: str
    figure: Figure
    ours: bool
    threshold: float | None = None
    wanted: str = ""

    @classmethod
    def of_metric(cls, key: str, figure: Figure) -> _Bar:
        declared = metric(key)
        sign = "≥" if declared.better == "higher" else "≤"
        return cls(
            label=_LABELS.get(key, key),
            figure=figure,
            ours=key in _LEARNED,
            threshold=declared.threshold,
            wanted="" if declared.threshold is None else f"wanted {sign} {declared.threshold:g}",
        )

    @classmethod
    def of_arm(cls, arm: str, figures: Mapping[str, Figure]) -> _Bar:
        return cls(label=arm, figure=figures["recall"], ours="learn_seconds" in figures)


def _has(results: Results, point: Point, drawn: Curve) -> bool:
    arms: Mapping[str, Mapping[str, Figure]] = results.arms
    return drawn.key in arms.get(point.arm, {})


def _whiskers(figure: Figure) -> list[list[float]] | None:
    if figure.ci95 is None:
        return None
    return [[figure.value - figure.ci95[0]], [figure.ci95[1] - figure.value]]


def _canvas(*, height: float) -> Any:
    # The object interface: pyplot keeps every figure alive and looks for a display.
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(7.2, height), dpi=144, layout="constrained")


def _png(canvas: Any) -> bytes:
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
