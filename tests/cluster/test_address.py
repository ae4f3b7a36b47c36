"""Where a crew is hired: what is understood, and what is refused before any work."""

from __future__ import annotations

import importlib
import socket
from pathlib import Path
from typing import Any

import pytest

from liveoak.cli import run
from liveoak.cluster import RayCrew, Terms, hire_at
from liveoak.crew import Processes
from liveoak.errors import Unavailable, UserError


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_local_is_processes_of_this_machine():
    crew = hire_at("local")(3)
    assert isinstance(crew, Processes) and crew.workers == 3


@pytest.mark.parametrize("address", ["", "ray://", "http://host", "host:0", "host:70000", "ray://host:port", "a b"])
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(UserError, match="expected local, auto, ray://"):
        hire_at(address)


def test_where_nobody_listens_is_told_at_once():
    pytest.importorskip("ray")
    for address in (f"127.0.0.1:{free_port()}", f"ray://127.0.0.1:{free_port()}"):
        with pytest.raises(Unavailable, match="no Ray cluster answers"):
            hire_at(address)(None)


def test_without_ray_a_cluster_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch):
    usual = importlib.import_module

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "ray":
            raise ModuleNotFoundError("No module named 'ray'")
        return usual(name, *rest, **named)

    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(UserError, match=r"pip install 'liveoak\[cluster\]'"):
        hire_at("auto")
    assert isinstance(hire_at("local")(1), Processes)


def test_terms_and_sizes_that_cannot_be_are_refused():
    for told in ({"cores": 0}, {"gpus": -1}, {"retries": -1}, {"patience": 0}, {"arrival": 0}):
        with pytest.raises(ValueError, match="expected at least 1 core"):
            Terms(**told)
    with pytest.raises(ValueError, match="0 workers"):
        RayCrew("auto", 0)
    with pytest.raises(Unavailable, match="use it as a context"):
        next(RayCrew("auto").map(print, [1]))


def test_the_command_line_refuses_what_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = ["--out", str(tmp_path)]
    assert run(["lab", "run", "handbook", "--cluster", "auto", *out]) == 2
    assert "runs in one process" in capsys.readouterr().err
    assert run(["lab", "run", "learns", "--cluster", "http://host", *out]) == 2
    assert "expected local, auto" in capsys.readouterr().err
