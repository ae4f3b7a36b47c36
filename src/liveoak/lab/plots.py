"""Plots of a results file, as PNG bytes. Drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
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
    shown = [(key, results.metrics[key]) for key in keys if key in results.metrics]
    if not shown:
        shown = [(arm, figures["recall"]) for arm, figures in results.arms.items() if "recall" in figures]
    canvas = _canvas(height=0.5 + 0.42 * max(2, len(shown)))
    axes = canvas.add_subplot()
    for place, (key, figure) in enumerate(reversed(shown)):
        colour = _OURS if key in _LEARNED or (key in results.arms and "steps" in results.arms[key]) else _BASELINE
        axes.barh(place, figure.value, color=colour, height=0.62, xerr=_whiskers(figure), capsize=3)
        threshold = metric(key).threshold if key in results.metrics else None
        if threshold is not None:
            axes.plot([threshold, threshold], [place - 0.36, place + 0.36], color=_MARK, linewidth=2)
        end = figure.value if figure.ci95 is None else figure.ci95[1]
        axes.text(max(end, 0) + 0.015, place, f"{figure.value:.2f}", va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [key.removeprefix("recall_").replace("_", " ") for key, _ in reversed(shown)])
    axes.set_xlim(0, 1.08)
    axes.set_xlabel("share of exam questions answered (upright marks: what is wanted)")
    return _png(canvas)


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


_LEARNED = frozenset({"recall_learned", "recall_taught", "recall_after_restart"})


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

    return Canvas(figsize=(6.4, height), dpi=144, layout="constrained")


def _png(canvas: Any) -> bytes:
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
