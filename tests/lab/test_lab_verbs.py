"""`liveoak lab` as a user types it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from liveoak.cli import run
from liveoak.lab import EXPERIMENTS, experiment_named
from liveoak.lab.machine import describe_machine
from liveoak.lab.report import shown
from liveoak.lab.results import figure_over, new_results, save


def test_list_names_every_experiment(capsys: pytest.CaptureFixture[str]):
    assert run(["lab", "list", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == [one.name for one in EXPERIMENTS]
    assert run(["lab", "list"]) == 0
    assert "handbook" in capsys.readouterr().out


def test_an_unknown_experiment_is_refused_with_the_names(capsys: pytest.CaptureFixture[str]):
    assert run(["lab", "run", "nope"]) == 3
    assert "no experiment 'nope'; there are: handbook, recipes" in capsys.readouterr().err


def test_a_count_of_what_the_experiment_is_not_repeated_over_is_refused(capsys: pytest.CaptureFixture[str]):
    assert run(["lab", "run", "recipes", "--seeds", "3"]) == 2
    assert "--seeds 3: experiment 'recipes' is repeated over --passages" in capsys.readouterr().err
    assert run(["lab", "run", "handbook", "--passages", "3"]) == 2


def test_public_data_that_is_not_there_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("LIVEOAK_DATA", raising=False)
    assert run(["lab", "run", "recipes", "--out", str(tmp_path)]) == 2
    assert "set LIVEOAK_DATA to a folder that holds squad/train.json" in capsys.readouterr().err
    monkeypatch.setenv("LIVEOAK_DATA", str(tmp_path))
    assert run(["lab", "run", "recipes", "--out", str(tmp_path)]) == 2
    assert "holds no squad/train.json" in capsys.readouterr().err
    (tmp_path / "squad").mkdir()
    (tmp_path / "squad" / "train.json").write_text('[{"title": "A"}]')
    assert run(["lab", "run", "recipes", "--out", str(tmp_path)]) == 6
    (tmp_path / "squad" / "train.json").write_text("[]")
    assert run(["lab", "run", "recipes", "--passages", "1", "--out", str(tmp_path)]) == 2
    assert "0 passages with questions, 1 were asked for" in capsys.readouterr().err


def test_every_experiment_can_be_imported():
    for experiment in EXPERIMENTS:
        module = __import__(experiment_named(experiment.name).module, fromlist=["experiment"])
        assert callable(module.experiment)


def test_report_writes_page_and_plot_and_shows_thresholds(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    metrics = {key: figure_over(key, [0.5, 0.75]) for key in ("recall_frozen", "recall_learned")}
    failed = [{"part": "seed 3, learned", "error": "LearningError: nan"}]
    results = new_results("trial", machine=describe_machine(), config={"failed": failed}, metrics=metrics, arms={})
    save(results, tmp_path)
    assert run(["lab", "report", "trial", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "missed" in told.out
    assert "met" in told.out
    assert "≥ 0.6" in told.out
    assert "failed: seed 3, learned: LearningError: nan" in told.err
    assert (tmp_path / "trial.html").exists()
    assert (tmp_path / "trial.png").exists()
    assert run(["lab", "report", "missing", "--out", str(tmp_path)]) == 3


ARMS = ("rooms, reward", "rooms without advice, transition", "bandit, trl grpo")


@pytest.mark.parametrize("width", [60, 90, 160])
def test_arms_are_told_with_their_intervals_within_the_screen(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    told = {"final_score": [0.5, 0.75], "anytime_score": [0.25, 0.5], "episodes_to_threshold": [500.0, 1280.0]}
    figures = {key: figure_over(key, values) for key, values in told.items()}
    arms = {arm: dict(figures) for arm in ARMS}
    del arms[ARMS[1]]["anytime_score"]
    metrics = {"final_score": figures["final_score"]}
    save(new_results("trial", machine=describe_machine(), config={}, metrics=metrics, arms=arms), tmp_path)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["lab", "report", "trial", "--out", str(tmp_path)]) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(len(line) for line in lines) <= width
    told_of = {arm: [line for line in lines if line.strip().startswith(arm)] for arm in ARMS}
    parts = {60: 3, 90: 2, 160: 1}[width]
    assert {len(found) for found in told_of.values()} == {parts}, "a part has all arms, and as many figures as fit"
    assert all(f"{key} " in "\n".join(lines) for key in told)
    whole = " ".join(told_of[ARMS[0]])
    assert [shown(figure) in whole for figure in figures.values()] == [True] * 3, "no interval is broken"
    assert shown(figures["episodes_to_threshold"]) == "890 [-4065, 5845]"
    other = " ".join(told_of[ARMS[1]])
    assert "–" in other and shown(figures["anytime_score"]) not in other


def test_listing_imports_neither_torch_nor_matplotlib():
    code = (
        "import sys; from liveoak.cli import run; run(['lab', 'list']);"
        "sys.exit(bool({'torch', 'matplotlib', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("arguments", [["--facts", "0"], ["--facts", "61"], ["--effort", "huge"], ["--budget", "1"]])
def test_a_demonstration_that_cannot_be_is_refused_before_anything_is_done(arguments: list[str], tmp_path: Path):
    assert run(["demo", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_a_document_that_cannot_be_read_stops_the_demonstration_before_a_server_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "empty.md").write_text("")
    assert run(["demo", "--file", str(tmp_path / "empty.md"), "--home", str(tmp_path / "home")]) == 2
    assert "empty.md" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()
