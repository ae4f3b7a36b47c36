"""The page's table of tolerances is the one that tests go by."""

from __future__ import annotations

from pathlib import Path

from tolerances import TOLERANCES, shown

PAGE = Path(__file__).parents[2] / "docs" / "engine.md"


def test_the_page_shows_the_tolerances_that_are_tested() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Tolerances")[2]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    expected = [["What is compared", "float64", "float32", "bfloat16"]]
    for one in TOLERANCES.values():
        expected.append([one.what, shown(one.float64), shown(one.float32), shown(one.bfloat16)])
    assert rows[: len(expected)] == expected


def test_figures_are_shown_shortly() -> None:
    assert [shown(value) for value in (0, 1e-12, 5e-5, 0.15)] == ["none", "1e-12", "5e-5", "0.15"]
