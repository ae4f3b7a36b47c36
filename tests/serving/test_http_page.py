"""docs/http.md tells every path, field and error that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from liveoak.config import Settings
from liveoak.serving import create_app
from liveoak.serving.scripted import ScriptedHost
from liveoak.serving.wire import FeedbackBody, HarvestBody, LearnBody, RollbackBody

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")


def test_every_path_is_told(tmp_path: Path) -> None:
    paths = create_app(ScriptedHost(Settings(home=tmp_path))).openapi()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    told = set(re.findall(r"`((?:GET|POST|DELETE) /[^`]*)`", PAGE))
    assert told == there


def test_every_field_of_the_small_bodies_is_told() -> None:
    for body in (LearnBody, FeedbackBody, HarvestBody, RollbackBody):
        for field in body.model_fields:
            assert f"`{field}`" in PAGE or f'"{field}"' in PAGE, f"{body.__name__}.{field}"
