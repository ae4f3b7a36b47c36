"""Every command block of the README and the pages runs, in order, as a reader would type it.

What is not: `make demo` runs by its own recipe at reduced size, with random weights, since at full size it takes
minutes; `make test` by its own recipe on two small files, since it is what runs these tests; and no `.venv` is made,
since that fetches everything again. CI types `make test` as it stands here, in a clone where make has made `.venv`.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
_SECONDS = 280
ANSWERS = {'liveoak ask "Who has the key to the boathouse?"': "Runa Hessel"}
"""What a command of a page must say: it was taught by the command before it, in another process."""

pytestmark = [pytest.mark.prior, pytest.mark.e2e]


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in _BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages]


def commands(page: Path) -> list[str]:
    """The lines that a reader types: those after `$ ` in console blocks, all of bash blocks."""
    typed = [line[2:] for body in blocks(page, "console") for line in body.splitlines() if line.startswith("$ ")]
    typed += [line for body in blocks(page, "bash") for line in body.splitlines() if line and not line.startswith("#")]
    return typed


def environment(home: Path, **more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"LIVEOAK_HOME": str(home), "PATH": path} | more


def type_in(command: str, folder: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command!r} exits with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def server(tmp_path: Path, port: int) -> Generator[str]:
    """The README's own `liveoak serve`, on a free port of this home."""
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", "exec liveoak serve"],
            cwd=tmp_path,
            env=environment(tmp_path / "home", LIVEOAK_PORT=str(port)),
            stdout=log,
            stderr=log,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url, process, tmp_path / "server.log")
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            if httpx.get(f"{url}/healthz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer:\n{log.read_text(encoding='utf-8')}")


def test_every_block_is_of_a_kind_that_is_run_or_no_command():
    for page in PAGES:
        kinds = {language for language, _ in _BLOCK.findall(page.read_text(encoding="utf-8"))}
        assert kinds <= {"console", "bash", "python", "text", "json", "toml"}, page
        for body in blocks(page, "console"):
            assert all(line.startswith("$ ") for line in body.splitlines()), (page, body)
    assert len(commands(ROOT / "README.md")) >= 8


def test_a_command_that_fails_fails_the_test(tmp_path: Path):
    with pytest.raises(AssertionError, match="exits with 3"):
        type_in("exit 3 | cat", tmp_path, os.environ)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_run_in_order(page: Path, tmp_path: Path):
    env = environment(tmp_path / "home")
    for command in commands(page):
        if command.startswith("make "):
            type_in(f"make -n {command.removeprefix('make ')}", ROOT, env)
        elif command == ". .venv/bin/activate":
            # The tests' own environment may have another name; what matters is that `liveoak` is found.
            type_in("command -v liveoak", tmp_path, env)
        elif command != "liveoak serve":
            said = type_in(command, tmp_path, env)
            assert ANSWERS.get(command, "") in said, f"{command!r}, in a new process, answers {said!r}"


def test_python_blocks_run(server: str, tmp_path: Path):
    """Those that talk to a server talk to the README's own, and show the version that replied."""
    talked = 0
    for page in PAGES:
        for body in blocks(page, "python"):
            code = body.replace("http://127.0.0.1:8321", server)
            done = subprocess.run(
                [sys.executable, "-c", code],
                cwd=tmp_path,
                env=environment(tmp_path / "home"),
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
            assert done.returncode == 0, f"{page}:\n{code}\n{done.stderr}"
            if code != body:
                assert "agent@" in done.stdout
                talked += 1
    assert talked >= 1


def make(verb: str, arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The recipe of `make VERB` itself, in the environment of the tests, which is taken for made."""
    own = {key: value for key, value in env.items() if not key.startswith(("MAKE", "MFLAGS", "PYTEST_"))}
    command = ["make", "--silent", verb, f"VENV={sys.prefix}", f"--assume-old={sys.prefix}/.made", f"ARGS={arguments}"]
    return subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=_SECONDS, check=False)


def test_ci_types_the_readmes_own_test_command():
    assert "make test" in commands(ROOT / "README.md")
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_make_test_ends_with_a_count_for_each_lane(tmp_path: Path):
    done = make("test", "tests/docs/test_pages.py tests/priors/test_tool_calls.py", environment(tmp_path / "home"))
    assert done.returncode == 0, done.stdout + done.stderr
    *_, docs, priors, last = done.stdout.splitlines()
    counts = [re.fullmatch(r"(\w+) +(\d+) passed", line) for line in (docs, priors)]
    assert [found and found[1] for found in counts] == ["docs", "priors"]
    assert last.startswith(f"{sum(int(found[2]) for found in counts if found)} passed")


def test_the_demonstration_runs_at_reduced_size(tmp_path: Path):
    """`make demo`: the same story, two facts, with random weights, which cannot learn them."""
    arguments = f"--prior scratch --facts 2 --effort low --out {tmp_path / 'out'} --json"
    done = make("demo", arguments, environment(tmp_path / "home"))
    # make tells its recipe's code in words.
    assert done.returncode == 0 or "Error 7" in done.stderr, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "out" / "demo.json").read_text(encoding="utf-8"))
    figures = {key: figure["value"] for key, figure in told["metrics"].items()}
    assert figures["recall_after_restart"] == figures["recall_learned"]
    assert figures["recall_after_rollback"] == figures["recall_frozen"] == 0.0
    assert figures["bit_equal"] == 1.0
    # Exit 0 is for an agent that learned, and for no other.
    assert (done.returncode == 0) == all(told["config"]["claims"].values())
    assert (done.returncode == 0) <= (figures["recall_learned"] > figures["recall_frozen"])
    assert not (tmp_path / "home").exists()
    assert (tmp_path / "out" / "demo.html").exists()
