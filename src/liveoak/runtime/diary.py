"""metrics.jsonl: a line for each episode of a life and for each round."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from liveoak.errors import StorageError
from liveoak.runtime.living import Round


class Diary:
    """Appends rounds. All methods may raise StorageError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def rounds(self) -> int:
        """Whole rounds that are written."""
        return sum(line["kind"] == "round" for line in read_metrics(self.path))

    def write(self, done: Round, seconds: float, read: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Append a round, with what the bit meter `read` after it, and its episodes, on disk when it returns; gives the
        line of the round."""
        last = round_line(done, seconds) | dict(read or {})
        lines = [
            {
                "kind": "episode",
                "round": done.number,
                "episode": attempt.number,
                "seed": attempt.seed,
                "score": attempt.score,
                "turns": len(attempt.deeds),
                "failure": attempt.failure,
            }
            for attempt in done.attempts
        ]
        self.append(*lines, last)
        return last

    def append(self, *lines: dict[str, Any]) -> None:
        """On disk when it returns."""
        told = "".join(json.dumps(line) + "\n" for line in lines)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(told)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _not_written(self.path, error) from None

    def cut(self, rounds: int) -> None:
        """Leave this many rounds: the later ones are lived again."""
        kept = [line for line in read_metrics(self.path) if line["round"] < rounds]
        draft = self.path.with_suffix(".draft")
        try:
            draft.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
            draft.replace(self.path)
        except OSError as error:
            raise _not_written(self.path, error) from None


def round_line(done: Round, seconds: float) -> dict[str, Any]:
    """What the metrics say of a round."""
    report = done.report
    learned: dict[str, Any] = {}
    if report is not None:
        learned = {
            "losses": dict(report.losses),
            "credited": dict(report.credited),
            "steps": report.steps,
            "silent": len(report.silent),
            "groups": report.groups,
            "weights": dict(report.weights),
            "explained": report.explained,
            "standing": {f"{source.author}/{source.kind}": weight for source, weight in report.standing.items()},
            "refused": list(report.refused),
        }
    return {
        "kind": "round",
        "round": done.number,
        "episodes": done.attempts[-1].number + 1,
        "score": done.score,
        "failed": sum(attempt.failure is not None for attempt in done.attempts),
        "failure": done.failure,
        "seconds": round(seconds, 3),
        **learned,
    }


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines that are whole; a last one that was cut off in the middle is left out."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def _not_written(path: Path, error: OSError) -> StorageError:
    return StorageError(f"metrics not written to {str(path)!r}: {error}; free some space and go on with --resume")
