"""Curves over episodes, several arms in one picture. Kept in a results file under `config.lines`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from liveoak.lab.intervals import t_interval

_COLOURS = ("#2f6f4f", "#b5532a", "#3b6ea5", "#8a6fb0", "#9aa5ad", "#c2a13a", "#20272b")


class Mark(BaseModel):
    """A mean at some number of episodes; `low` and `high` are its interval, where there is one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: float
    mean: float
    low: float | None = None
    high: float | None = None


class Lines(BaseModel):
    """One picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    up: str
    """What the vertical axis shows, with its unit."""
    across: str = "episodes lived"
    level: float | None = None
    """A line across: what is to be reached."""
    series: dict[str, tuple[Mark, ...]]


def lines_of(config: Mapping[str, Any]) -> tuple[Lines, ...]:
    return tuple(Lines.model_validate(one) for one in config.get("lines", ()))


def marks(lives: Sequence[Mapping[float, float]]) -> tuple[Mark, ...]:
    """Mean and interval over lives, at each number of episodes that all of them have."""
    if not lives:
        return ()
    shared = sorted(set(lives[0]).intersection(*lives[1:]))
    found: list[Mark] = []
    for at in shared:
        interval = t_interval([life[at] for life in lives])
        low, high = interval.bounds or (None, None)
        found.append(Mark(at=at, mean=interval.mean, low=low, high=high))
    return tuple(found)


def picture(drawn: Lines) -> bytes:
    """As PNG."""
    # The object interface: pyplot keeps every figure alive and looks for a display.
    from matplotlib.figure import Figure as Canvas

    canvas: Any = Canvas(figsize=(7.2, 3.6), dpi=144, layout="constrained")
    axes = canvas.add_subplot()
    for place, (name, points) in enumerate(drawn.series.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        axes.plot([one.at for one in points], [one.mean for one in points], color=colour, label=name, linewidth=1.6)
        sure = [one for one in points if one.low is not None]
        axes.fill_between(
            [one.at for one in sure],
            [one.low for one in sure],
            [one.high for one in sure],
            color=colour,
            alpha=0.12,
            linewidth=0,
        )
    if drawn.level is not None:
        axes.axhline(drawn.level, color="#20272b", linewidth=0.8, linestyle="--")
    axes.set_xlabel(drawn.across)
    axes.set_ylabel(drawn.up)
    axes.legend(fontsize=8, frameon=False)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
