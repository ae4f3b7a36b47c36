"""Help, exit codes and misuse: what holds for every verb."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liveoak.cli import VERBS, build_app
from liveoak.cli.connection import running_server
from liveoak.cli.remote import _error_of, _proof  # pyright: ignore[reportPrivateUsage]
from liveoak.cli.screen import error_code
from liveoak.config import Settings, cores
from liveoak.errors import LiveoakError, NotFound, Overloaded, Unavailable
from liveoak.serving.scripted import ScriptedHost

Cli = Callable[..., Any]
HEAVY = ("torch", "transformers", "fastapi", "sqlalchemy", "matplotlib", "markitdown", "liveoak.runtime")


@pytest.mark.parametrize("arguments", [["--help"], ["learn", "--help"], ["--version"], ["ask"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from liveoak.cli import run; code = run(sys.argv[1:]);"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules];"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout + ran.stderr


def test_help_lists_every_verb_that_is_there(cli: Cli) -> None:
    ran = cli("--help")
    assert ran.code == 0
    for command in build_app().registered_commands:
        assert command.callback is not None
        assert command.callback.__name__ in ran.out
    listed = {line.split()[0] for line in ran.out.split("Commands:")[1].splitlines() if line.strip()}
    assert {"serve", "chat", "learn", "ask", "versions", "experience", "doctor"} <= listed <= {*VERBS}


@pytest.mark.parametrize(
    "arguments",
    [["fly"], ["ask"], ["ask", "--warp", "x"], ["ask", "x", "--max-tokens", "0"], ["versions", "burn"], ["learn"]],
)
def test_misuse_exits_with_2_and_points_to_help(cli: Cli, arguments: list[str]) -> None:
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "--help" in ran.err
    told = cli(*arguments, "--json").json["error"]
    assert (told["code"], told["exit_code"]) == ("usage", 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lern"], "error: No such command 'lern'. Did you mean 'learn'? See `liveoak --help`.\n"),
        (
            ["learn", "notes.md", "--effort", "huge"],
            "error: Invalid value for '--effort': 'huge' is not one of 'low', 'medium', 'high'. "
            "See `liveoak learn --help`.\n",
        ),
    ],
)
def test_misuse_is_told_in_one_sentence(cli: Cli, arguments: list[str], said: str) -> None:
    assert cli(*arguments).err == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["versions", "show"], "needs a version"),
        (["versions", "list", "x"], "takes no version"),
        (["versions", "import"], "needs one adapter"),
        (["versions", "import", "builtin:handbook", "--session", "mine"], "takes no --session"),
        (["versions", "import", "builtin:handbook", "--author", "bob"], "may not give the agent trained weights"),
        (["experience", "erase"], "needs a session"),
        (["ask", "  "], "empty"),
        (["--agent", "two words", "versions"], "'agent'"),
        (["doctor", "--threads", "-1"], "'threads'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_model_loads(cli: Cli, arguments: list[str], said: str) -> None:
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize("named", ["builtin:nobody", "nowhere"])
def test_an_adapter_that_is_not_there_is_told_before_a_model_loads(cli: Cli, named: str) -> None:
    ran = cli("versions", "import", named)
    assert (ran.code, ran.out) == (3, "")
    assert f"no adapter {named!r}" in ran.err


def test_a_settings_file_that_cannot_be_read_is_named(cli: Cli, home: Path) -> None:
    home.mkdir()
    (home / "liveoak.toml").write_text("prior = ")
    ran = cli("versions")
    assert ran.code == 2
    assert "liveoak.toml" in ran.err


def test_every_error_comes_back_as_itself_over_http() -> None:
    def family(kind: type[LiveoakError]) -> list[type[LiveoakError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in family(child))]

    for kind in family(LiveoakError):
        body = json.dumps({"error": {"message": "m", "code": error_code(kind)}}).encode()
        error = _error_of(kind.status, body)
        assert type(error) is kind
        assert str(error) == "m"


def test_foreign_errors_are_known_by_their_status() -> None:
    assert type(_error_of(404, b'{"error": {"message": "m", "code": "x"}}')) is NotFound
    assert type(_error_of(429, b'{"error": {"message": "m", "code": "x"}}')) is Overloaded
    assert type(_error_of(502, b"<html>")) is Unavailable


def test_figures_that_json_cannot_write_are_nan_again(host: ScriptedHost) -> None:
    from liveoak.records import Lesson
    from liveoak.serving.encoding import as_json

    told = as_json(host.learn(Lesson(id="l", topic="t", statements=("s",))))
    told["loss_after"] = None
    told["verdict"]["probes"][0]["after"] = None
    proof = _proof(told)
    assert proof.loss_after != proof.loss_after
    assert proof.verdict.probes[0].after != proof.verdict.probes[0].after
    assert proof.loss_before == 3.5


@pytest.mark.parametrize("left", ['{"pid": 999999999, "url": "http://127.0.0.1:9"}', "{", '{"pid": 1}', "[]"])
def test_what_a_killed_server_left_behind_is_passed_over(home: Path, left: str) -> None:
    home.mkdir()
    (home / "server.json").write_text(left)
    assert running_server(home) is None


def test_doctor_finds_what_is_wrong(cli: Cli, home: Path, tmp_path: Path) -> None:
    well = cli("doctor", "--prior", "scratch", "--json")
    states = {check["name"]: check["state"] for check in well.json["checks"]}
    assert well.code == 0
    assert states["prior"] == states["python"] == states["torch"] == states["server"] == "ok"
    ill = cli("doctor", "--prior", "nonesuch", "--threads", "4096", "--json")
    states = {check["name"]: check["state"] for check in ill.json["checks"]}
    assert ill.code == 1
    assert (states["prior"], states["threads"]) == ("fail", "warn")
    blocked = tmp_path / "file"
    blocked.write_text("")
    ill = cli("doctor", "--home", str(blocked / "home"), "--prior", "scratch")
    assert ill.code == 1
    assert "is not a folder" in ill.out


@pytest.mark.parametrize(
    ("told", "threads", "team"),
    [("1", 0, 1), ("3,2", 0, 3), ("1", 2, 2), ("0", 0, None), ("many", 0, None), (None, 0, None)],
)
def test_threads_are_those_of_the_setting_then_of_the_environment_then_all_cores(
    monkeypatch: pytest.MonkeyPatch, told: str | None, threads: int, team: int | None
):
    if told is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert Settings(threads=threads).team == (team or cores())
