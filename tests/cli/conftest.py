"""The command line over a scripted host: through a real server, and in this process."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from liveoak.cli import run
from liveoak.cli.local import Local
from liveoak.config import Settings
from liveoak.serving import served
from liveoak.serving.scripted import ScriptedHost


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("LIVEOAK_HOME", str(home))
    monkeypatch.setenv("LIVEOAK_CACHE", str(tmp_path / "cache"))
    return home


@pytest.fixture
def host(home: Path) -> ScriptedHost:
    return ScriptedHost(Settings(home=home, port=0))


@pytest.fixture(params=["remote", "local"])
def reached(request: pytest.FixtureRequest, host: ScriptedHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Verbs reach the host in both of their ways."""
    with contextlib.ExitStack() as stack:
        if request.param == "remote":
            stack.enter_context(served(host))
        else:
            stands_in = types.ModuleType("liveoak.runtime")
            stands_in.Runtime = lambda settings, on_fetch: host  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, "liveoak.runtime", stands_in)
            # A scripted host keeps its record in memory; books on disk have tests of their own.
            monkeypatch.setattr(
                "liveoak.cli.ondisk.OnDisk", lambda settings, who: Local(settings, who, on_fetch=lambda *_: None)
            )
        yield request.param


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    def call(*arguments: str, stdin: bytes | str = "") -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call
