"""`liveoak serve` as a process: it says when it is ready, and leaves nothing behind when it stops."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.e2e
Cli = Callable[..., Any]

# The server is real; behind it is the scripted host, which needs no model.
PROGRAM = """
import sys, types
from liveoak.serving.scripted import ScriptedHost
runtime = types.ModuleType("liveoak.runtime")
runtime.Runtime = lambda settings, on_fetch: ScriptedHost(settings)
sys.modules["liveoak.runtime"] = runtime
from liveoak.cli import main
main()
"""


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-c", PROGRAM, "serve", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield process, json.loads(line) if line else {}
        finally:
            process.kill()


def test_a_server_is_announced_used_and_gone(home: Path, cli: Cli) -> None:
    with serving("--port", "0") as (process, told):
        announced = json.loads((home / "server.json").read_text())
        assert (announced["pid"], announced["url"]) == (process.pid, told["url"])
        assert cli("ask", "Hi?", "--json").json["answer"] == "I do not know that."
        doctor = {check["name"]: check for check in cli("doctor", "--json", "--prior", "scratch").json["checks"]}
        assert str(process.pid) in doctor["server"]["found"]
        other = cli("ask", "Hi?", "--prior", "scratch")
        assert other.code == 4
        assert "serves 'scripted'" in other.err
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert not (home / "server.json").exists()


def test_ctrl_c_exits_with_130(home: Path) -> None:
    with serving("--port", "0") as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert not (home / "server.json").exists()


def test_sigterm_ends_a_reply_under_way_with_an_error(home: Path) -> None:
    with serving("--port", "0") as (process, told):
        body = {"model": "agent", "messages": [{"role": "user", "content": "stall"}], "stream": True}
        with httpx.stream("POST", f"{told['url']}/v1/chat/completions", json=body, timeout=30) as answer:
            lines = answer.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(httpx.HTTPError):
                list(lines)
        assert process.wait(30) == 0
    assert not (home / "server.json").exists()


def test_a_killed_server_is_not_mistaken_for_a_running_one(home: Path, cli: Cli) -> None:
    with serving("--port", "0") as (process, _):
        process.kill()
        process.wait()
    assert (home / "server.json").exists()
    found = {check["name"]: check for check in cli("doctor", "--json", "--prior", "scratch").json["checks"]}
    assert found["server"]["found"].startswith("none runs")


def test_a_port_in_use_is_told_before_a_model_loads(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        # Were the model loaded first, the unknown prior would be the message.
        command = [sys.executable, "-m", "liveoak", "serve", "--port", str(port), "--prior", "nonesuch"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert ran.returncode == 4
    assert f"error: port {port} of '127.0.0.1' is in use" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_address_that_is_not_ours_is_refused(cli: Cli) -> None:
    ran = cli("serve", "--host", "192.0.2.1", "--port", "0")
    assert ran.code == 2
    assert "'192.0.2.1'" in ran.err
