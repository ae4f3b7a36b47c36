"""`liveoak train`, on the prior of random weights at a tiny size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
LEDGER = ("-o", "pages=2", "-o", "entries=3", "-o", "questions=1", "-o", "kinds=3")
TINY = ("ledger", *LEDGER, "--streams", "1", "--lives", "2", "--examined", "2", "--no-begin", "--threads", "1")


@pytest.mark.usefixtures("home")
def test_a_training_runs_goes_on_and_tells_what_came_of_it(cli: Cli, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "training"))
    assert cli("train", *TINY, *out, "--rounds", "1", "--json").code == 0
    again = cli("train", *TINY, *out)
    assert again.code == 2 and "holds a training already" in again.err
    ran = cli("train", "--resume", *out, "--rounds", "2", "--threads", "1", "--json")
    assert ran.code == 0, ran.err
    assert [line["rounds"] for line in ran.json["rounds"]] == [1, 2]
    assert [(one["arm"], one["rounds"]) for one in ran.json["exams"]] == [
        ("start", 0),
        ("always learn", 0),
        ("never learn", 0),
        ("notes only", 0),
        ("random", 0),
        ("after", 2),
    ]
    order = json.loads((tmp_path / "training" / "train.json").read_text())
    assert (order["begin"], order["streams"], order["options"]["kinds"]) == (False, 1, "3")
    refused = cli("train", "--resume", *out, "--rounds", "2", "--threads", "1", "--keep")
    assert "notes only" in refused.out and "reward" in refused.out
    assert (refused.code, "refused: " in refused.out) in ((7, True), (0, False))
    assert cli("train", "handbook", "--resume", *out).code == 2


@pytest.mark.usefixtures("home")
def test_what_was_trained_can_be_handed_on(cli: Cli, tmp_path: Path) -> None:
    slow = ("--rank", "2", "--depth", "0.5", "--activated")
    adapter = str(tmp_path / "adapter")
    where = ("--out", str(tmp_path / "training"), "--export", adapter)
    ran = cli("train", *TINY, *slow, "--rounds", "1", *where, "--json")
    assert ran.code == 0, ran.err
    order = json.loads((tmp_path / "training" / "train.json").read_text())
    assert (order["rank"], order["depth"], order["activated"]) == (2, 0.5, True)
    scratch = ("--prior", "scratch", "--threads", "1")
    taken = cli("versions", "import", adapter, *scratch, "--json")
    assert (taken.code, taken.json["verdict"]["kept"]) in ((0, True), (7, False))
    served = cli("versions", *scratch, "--json").json["current"]
    assert served == taken.json["version"]


@pytest.mark.usefixtures("home")
def test_lives_are_lived_by_others_where_that_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    out = str(tmp_path / "training")
    alone = ("--no-decides", "--exam", "1")
    ran = cli("train", *TINY, *alone, "--out", out, "--rounds", "1", "--jobs", "1", "--json")
    assert ran.code == 0, ran.err
    assert [(line["rounds"], line["lives"]) for line in ran.json["rounds"]] == [(1, 2)]
    assert [(line["learned"], line["steps"]) for line in ran.json["rounds"]] == [(6, 1)]
    assert [one["arm"] for one in ran.json["exams"]][-1] == "after"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "which world?"),
        (["leger"], 3, "did you mean ledger"),
        (["switches"], 2, "has no pages to read"),
        (["ledger", "--price-trained", "-1"], 2, "price_trained = -1.0"),
        (["ledger", "--lives", "1"], 2, "lives = 1"),
        (["ledger", "-o", "kinds"], 2, "expected KEY=VALUE"),
        (["ledger", "--resume", "--out", "nowhere"], 3, "no training in 'nowhere'"),
        (["ledger", "--keep", "--author", "bob"], 2, "may not give the agent trained weights"),
        (["ledger", "--cluster", "two words"], 2, "expected local, auto, ray://HOST"),
        (["ledger", "--jobs", "0"], 2, "--jobs"),
        (["ledger", "--no-decides"], 2, "exam = 0.0: Value error, expected more than 0 where nothing is decided"),
        (["ledger", "--steps", "0"], 2, "steps = 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_model_loads(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli("train", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert not (tmp_path / "trainings").exists()
