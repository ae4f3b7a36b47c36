"""`liveoak live` as a user types it: a short life, its curve, its files, and going on with it."""

from __future__ import annotations

import json
import re
import sys
import types
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest

from liveoak.cli import run

SHORT = ["live", "bandit", "-o", "pulls=1", "--together", "4", "--group", "2", "--window", "200"]
WRITER = "torch.utils.tensorboard.writer"


@pytest.fixture(autouse=True)
def places(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIVEOAK_PRIOR", raising=False)


def rounds(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "round"]


def plain(text: str) -> str:
    """Without colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


class Scalars:
    """Stands in for TensorBoard's writer; what was written is on the class, by folder."""

    written: ClassVar[dict[str, list[tuple[str, float, int]]]] = {}
    closed: ClassVar[set[str]] = set()

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder).parent.name
        self.written.setdefault(self.folder, [])

    def add_scalar(self, name: str, value: float, at: int) -> None:
        self.written[self.folder].append((name, value, at))

    def close(self) -> None:
        self.closed.add(self.folder)


def test_a_life_draws_its_curve_writes_its_files_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stand_in = types.ModuleType(WRITER)
    stand_in.SummaryWriter = Scalars  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, WRITER, stand_in)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    folder = tmp_path / "lives" / "bandit-0"

    assert run([*SHORT, "--episodes", "8", "--tensorboard"]) == 0
    told = capsys.readouterr()
    begun = rounds(folder)
    assert [line["episodes"] for line in begun] == [4, 8]
    assert re.findall(r"^ +(\d+) +(\d\.\d{3}) ", told.out, re.MULTILINE) == [
        (str(line["episodes"]), f"{line['score']:.3f}") for line in begun
    ]
    assert f"bandit on scratch: 8 of 8 episodes, score {begun[1]['score']:.3f}" in plain(told.err)
    assert f"written: {Path('lives') / 'bandit-0' / 'metrics.jsonl'}" in told.err

    assert run([*SHORT, "--episodes", "12"]) == 2, "a life is not begun twice in one folder"
    assert "holds a life already: go on with --resume" in capsys.readouterr().err
    assert run(["live", "rooms", "--resume", "--out", str(folder)]) == 2
    assert "is in 'bandit', not 'rooms'" in capsys.readouterr().err

    assert run(["live", "--resume", "--out", str(folder), "--episodes", "12", "--tensorboard", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"folder": str(folder), "rounds": rounds(folder)}
    assert told["rounds"][:2] == begun and [line["episodes"] for line in told["rounds"]] == [4, 8, 12]

    scores = [(value, at) for name, value, at in Scalars.written["bandit-0"] if name == "score"]
    assert scores == [(line["score"], line["episodes"]) for line in rounds(folder)], "each round once"
    names = {name for name, _, _ in Scalars.written["bandit-0"]}
    assert {"score", "failed", "weight/bandit"} < names and any(name.startswith("loss/") for name in names)
    assert "bandit-0" in Scalars.closed


def test_a_world_that_is_none_is_told_before_anything_is_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["live", "bandits", "--prior", "scratch", "--out", str(tmp_path / "life")]) == 3
    assert capsys.readouterr().err == (
        "error: no world is called 'bandits': did you mean bandit? Others' worlds are named module:function\n"
    )
    assert not (tmp_path / "life").exists()


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="the extra tensorboard is not installed")
def test_event_files_are_those_that_tensorboard_reads(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore

    assert run([*SHORT, "--signals", "none", "--episodes", "8", "--tensorboard", "--out", str(tmp_path / "life")]) == 0
    read: Any = EventAccumulator(str(tmp_path / "life" / "tensorboard"))
    read.Reload()
    found = [(one.step, one.value) for one in read.Scalars("score")]
    assert found == [(line["episodes"], pytest.approx(line["score"])) for line in rounds(tmp_path / "life")]


def test_tensorboard_that_is_not_installed_is_asked_for_before_anything_is_lived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, WRITER, None)
    assert run([*SHORT, "--tensorboard", "--out", str(tmp_path / "life")]) == 5
    assert "pip install 'liveoak[tensorboard]'" in capsys.readouterr().err
    assert not (tmp_path / "life").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["live"], "which world?"),
        (["live", "bandit", "-o", "pulls"], "expected KEY=VALUE"),
        (["live", "bandit", "--signals", "reward,luck"], "no signal 'luck'"),
        (["live", "bandit", "--together", "5", "--group", "2"], "expected whole groups"),
    ],
)
def test_orders_that_mean_nothing_are_refused(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(arguments) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "lives").exists()
