"""What every lane shares. A lane is a folder of tests."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

from liveoak import garbage

garbage.look_seldom()

# A gate says the same of the same code each time, however busy the machine. What no run has met yet is looked for by
# `make explore`.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None)
settings.load_profile("gate")

LONG = ("docs", "cluster", "runtime", "lab", "learning")
"""Lanes whose files take longest. They begin first, so that none is left over for one process at the end."""


def _lane(path: Path) -> str:
    return next((parent.name for parent in path.parents if parent.parent.name == "tests"), "tests")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(lane) if (lane := _lane(item.path)) in LONG else len(LONG))


def pytest_collection_finish() -> None:
    garbage.look_as_usual()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line a lane, above pytest's own closing line."""
    lanes: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        for report in terminalreporter.stats.get(outcome, []):
            parts = Path(report.nodeid.partition("::")[0]).parts
            lane = parts[1] if len(parts) > 2 and parts[0] == "tests" else "tests"
            lanes.setdefault(lane, Counter())[outcome] += 1
    for lane, counts in sorted(lanes.items()):
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        terminalreporter.write_line(f"{lane:<12} {told}")
