"""`liveoak serve` beside a server that runs already: who came second is told why, and the first goes on."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.e2e


def serve(home: Path, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "liveoak", "serve", "--json", "--prior", "scratch", "--threads", "1"]
    command += ["--home", str(home), "--cache", str(home.parent), "--port", str(port)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    )


def second(home: Path, port: int) -> tuple[int, str, str]:
    with serve(home, port) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out, err


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    home = tmp_path_factory.mktemp("first") / "home"
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(serve(home, 0))
        stack.callback(process.kill)
        assert process.stdout is not None
        yield {**json.loads(process.stdout.readline()), "home": home}
        process.terminate()
        assert process.wait(30) == 0


def answers(first: dict[str, Any], session: str) -> None:
    """It replies, what was said before is in its record, and other processes still find it."""
    body = {"model": "agent", "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}], "session": session}
    assert httpx.post(f"{first['url']}/v1/chat/completions", json=body, timeout=30).status_code == 200
    told = httpx.get(f"{first['url']}/v1/experience/sessions").json()["data"]
    assert {"before", session} <= {one["id"] for one in told}
    assert json.loads((first["home"] / "server.json").read_text())["pid"] == first["pid"]
    assert (first["home"] / "lock.pid").read_text() == str(first["pid"])


def test_a_second_server_of_one_home_names_the_first_and_ends(first: dict[str, Any]) -> None:
    answers(first, "before")
    code, out, err = second(first["home"], 0)
    assert code == 4
    error = json.loads(out)["error"]
    assert (error["code"], error["exit_code"]) == ("conflict", 4)
    assert f"in use by process {first['pid']}" in error["message"]
    assert "Traceback" not in err
    answers(first, "after")


def test_a_second_server_on_one_port_ends_and_takes_nothing_from_the_first(first: dict[str, Any]) -> None:
    answers(first, "before")
    other = first["home"].parent / "other"
    port = int(first["url"].rpartition(":")[2])
    code, out, err = second(other, port)
    assert code == 4
    assert f"port {port} of '127.0.0.1' is in use" in json.loads(out)["error"]["message"]
    assert "Traceback" not in err
    assert not other.exists(), "nothing was begun there"
    answers(first, "on")
