"""docs/cli.md is what the command line says of itself."""

from __future__ import annotations

import re
from pathlib import Path

from liveoak.cli.reference import renewed
from liveoak.errors import LiveoakError

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_reference_is_current() -> None:
    assert renewed(PAGE) == PAGE, "run: python -m liveoak.cli.reference docs/cli.md"


def test_every_exit_code_is_told() -> None:
    def codes(kind: type[LiveoakError]) -> set[int]:
        return {kind.exit_code}.union(*(codes(child) for child in kind.__subclasses__()))

    told = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE)}
    assert told == codes(LiveoakError) | {0, 1, 130}
