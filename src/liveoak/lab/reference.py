"""Tables of metrics and settings, written from where they are declared so that the pages cannot lie.

`python -m liveoak.lab.reference docs/lab.md docs/settings.md` rewrites what stands between the marks of each page.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel

from liveoak import config
from liveoak.config import GateSettings, Settings
from liveoak.lab.metrics import METRICS
from liveoak.lab.report import bound

_MARKS = ("metrics", "settings", "gate settings")


def renewed(page: str) -> str:
    """The page with every table as it is now. Pages without marks stay as they are."""
    tables = {
        "metrics": _metrics,
        "settings": lambda: _settings(Settings),
        "gate settings": lambda: _settings(GateSettings),
    }
    for name in _MARKS:
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if begin in page and end in page:
            before, _, rest = page.partition(begin)
            _, _, after = rest.partition(end)
            page = f"{before}{begin}\n\n{tables[name]()}\n\n{end}{after}"
    return page


def _metrics() -> str:
    rows = ((f"`{one.key}`", one.unit, one.better, bound(one.key), one.description) for one in METRICS.values())
    return _table(("figure", "unit", "better", "wanted", "meaning"), rows)


def _settings(model: type[BaseModel]) -> str:
    told = {"gate": "What a candidate is held against."} | _docstrings(model)
    rows = (
        (f"`{name}`", "the table below" if name == "gate" else f"`{field.default}`", told[name])
        for name, field in model.model_fields.items()
    )
    return _table(("setting", "default", "meaning"), rows)


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field, which Python itself forgets."""
    tree = ast.parse(inspect.getsource(config))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == model.__name__)
    told: dict[str, str] = {}
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                told[name] = " ".join(text.split())
            case _:
                pass
    return told


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(paths: list[str]) -> None:
    for path in map(Path, paths):
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
