"""The GPU bench as it runs, on a processor and with tiny sizes: real sides in processes of their own."""

import json
import re
from pathlib import Path

import pytest

from liveoak.cli import run
from liveoak.config import Settings
from liveoak.lab.bench.engine_gpu import WORK_OF, experiment
from liveoak.lab.order import Order
from liveoak.lab.report import write_report
from liveoak.lab.results import save


@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_all_rows_of_the_gpu_bench_run_on_a_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("LIVEOAK_DATA", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    told: list[str] = []
    order = Order(settings=Settings(threads=1), count=5, folder=tmp_path, tell=told.append, quick=True)
    found = experiment(order)
    assert found.config["failed"] == [], told
    assert set(WORK_OF) <= set(found.metrics)
    assert all(figure.value > 0 for key, figure in found.metrics.items() if key in WORK_OF)
    assert found.machine.device == "cpu"
    assert "on cpu in place of cuda" in found.config["dry_run"] and found.config["missed"] == []
    assert found.arms["soak"]["soak_errors"].value == 0
    assert found.arms["slots: 4"]["step_seconds"].value > 0
    save(found, tmp_path)
    page, plot = write_report(found, tmp_path)
    shown = page.read_text()
    assert "Dry run: on cpu in place of cuda, which shows that the code runs: nothing here is met or missed." in shown
    assert ">met<" not in shown and ">missed<" not in shown and plot.stat().st_size > 10_000
    assert run(["lab", "report", found.name, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "dry run: on cpu in place of cuda" in printed.err and "dry run" in printed.out
    assert not re.search(r"\bmet\b|\bmissed\b", printed.out)


def test_a_gpu_that_is_not_there_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert run(["lab", "run", "bench-engine-gpu", "--out", str(tmp_path)]) == 5
    assert capsys.readouterr().err.strip().splitlines() == [
        "error: no CUDA device is available: run this bench on a machine with one, or `make bench` on this; "
        "--quick shows on a processor that it runs"
    ]
    assert list(tmp_path.iterdir()) == []


def test_options_that_mean_nothing_to_an_experiment_are_refused(capsys: pytest.CaptureFixture[str]):
    assert run(["lab", "run", "handbook", "--quick", "--json"]) == 2
    assert "knows no quick size" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert run(["lab", "run", "bench-engine-cpu", "--minutes", "3"]) == 2
    assert run(["lab", "run", "soak", "--repeats", "3"]) == 2
