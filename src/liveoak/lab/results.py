"""Results are files: `results/NAME.json`, one for each demo, experiment or benchmark."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from liveoak import __version__
from liveoak.errors import NotFound, StorageError
from liveoak.lab.intervals import t_interval
from liveoak.lab.machine import Machine
from liveoak.lab.metrics import Better, metric

RESULTS = Path("results")
"""Where results go unless told otherwise, under the working folder."""


class Figure(BaseModel):
    """One measured value with what is needed to read it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    unit: str
    better: Better
    n: int
    """How many measurements the value is the mean of: seeds, or questions where there is one seed."""
    ci95: tuple[float, float] | None
    """95 % interval of the mean; None where one measurement gives none."""

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.ci95 is not None and not self.ci95[0] <= self.value <= self.ci95[1]:
            raise ValueError(f"value {self.value!r} lies outside its interval {self.ci95!r}")
        return self


class Results(BaseModel):
    """One run. An arm is a baseline or variant run on the same work in the same run."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    created: str
    """ISO 8601, UTC."""
    liveoak: str
    machine: Machine
    config: dict[str, Any]
    metrics: dict[str, Figure]
    arms: dict[str, dict[str, Figure]]

    @model_validator(mode="after")
    def _declared(self) -> Self:
        for figures in (self.metrics, *self.arms.values()):
            for key, figure in figures.items():
                declared = metric(key)
                if (figure.unit, figure.better) != (declared.unit, declared.better):
                    raise ValueError(
                        f"{key!r} is in {figure.unit!r}, better {figure.better!r};"
                        f" declared in {declared.unit!r}, better {declared.better!r}"
                    )
        return self


def figure(key: str, value: float, *, n: int = 1, ci95: tuple[float, float] | None = None) -> Figure:
    """A value under its declared unit and direction."""
    declared = metric(key)
    return Figure(value=value, unit=declared.unit, better=declared.better, n=n, ci95=ci95)


def figure_over(key: str, values: Sequence[float]) -> Figure:
    """The mean of one value a seed, with its t interval."""
    interval = t_interval(values)
    return figure(key, interval.mean, n=interval.n, ci95=interval.bounds)


def new_results(
    name: str,
    *,
    machine: Machine,
    config: Mapping[str, Any],
    metrics: Mapping[str, Figure],
    arms: Mapping[str, Mapping[str, Figure]],
    created: datetime | None = None,
) -> Results:
    moment = created or datetime.now(UTC)
    return Results(
        name=name,
        created=moment.astimezone(UTC).isoformat(timespec="seconds"),
        liveoak=__version__,
        machine=machine,
        config=dict(config),
        metrics=dict(metrics),
        arms={arm: dict(figures) for arm, figures in arms.items()},
    )


def save(results: Results, folder: Path = RESULTS) -> Path:
    """Write `folder/NAME.json` whole or not at all; gives its path.

    Raises:
        StorageError: the folder cannot be written.
    """
    path = folder / f"{results.name}.json"
    write_whole(path, json.dumps(results.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")
    return path


def load(path: Path) -> Results:
    """
    Raises:
        NotFound: no such file.
        StorageError: a file that is no results file.
    """
    try:
        return Results.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"no results at {str(path)!r}; run `liveoak lab run NAME` or `liveoak demo` first") from None
    except (ValidationError, OSError) as error:
        raise StorageError(f"{path}: not a results file: {error}; run the experiment again") from None


def write_whole(path: Path, text: str | bytes) -> None:
    """Replace `path` in one step, so that a reader or a crash never meets half a file.

    Raises:
        StorageError: the folder cannot be written.
    """
    data = text.encode("utf-8") if isinstance(text, str) else text
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(0o644)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror or error}; free space or choose another folder"
        ) from None
