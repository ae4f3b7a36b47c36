"""Results files: whole or not at all, declared figures only, readable again."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from liveoak.errors import LiveoakError, NotFound, StorageError
from liveoak.lab.machine import describe_machine
from liveoak.lab.metrics import METRICS, metric
from liveoak.lab.parts import Parts
from liveoak.lab.results import Figure, Results, figure, figure_over, load, new_results, save, write_whole

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def some(name: str = "trial", recall: float = 0.5) -> Results:
    return new_results(
        name,
        machine=describe_machine(dtype="bfloat16"),
        config={"seed": 1},
        metrics={"recall_learned": figure("recall_learned", recall, n=20)},
        arms={"learned": {"f1": figure_over("f1", [0.2, 0.4])}},
        created=MOMENT,
    )


def test_a_file_has_exactly_the_agreed_shape(tmp_path: Path):
    path = save(some(), tmp_path)
    assert path == tmp_path / "trial.json"
    written = json.loads(path.read_text())
    assert list(written) == ["name", "created", "liveoak", "machine", "config", "metrics", "arms"]
    assert written["created"] == "2026-01-02T03:04:05+00:00"
    assert written["metrics"] == {
        "recall_learned": {"value": 0.5, "unit": "share", "better": "higher", "n": 20, "ci95": None}
    }
    # 0.2 and 0.4: s = 0.1414, half width 12.706 * 0.1414 / sqrt(2) = 1.2706.
    low, high = written["arms"]["learned"]["f1"]["ci95"]
    assert (low, high) == pytest.approx((0.3 - 1.2706, 0.3 + 1.2706), abs=1e-3)


def test_a_file_read_again_is_the_same(tmp_path: Path):
    assert load(save(some(), tmp_path)) == some()


@given(value=st.floats(allow_nan=False, allow_infinity=False), n=st.integers(1, 10**6))
def test_figures_survive_json_to_the_bit(value: float, n: int):
    before = figure("gold_logprob", value, n=n)
    assert Figure.model_validate_json(before.model_dump_json()) == before


def test_undeclared_units_and_values_are_refused():
    with pytest.raises(LiveoakError, match="'speed' is not declared"):
        figure("speed", 1.0)
    with pytest.raises(ValidationError, match="finite"):
        figure("f1", float("nan"))
    with pytest.raises(ValidationError, match="outside its interval"):
        figure("f1", 2.0, ci95=(0.0, 1.0))
    odd = Figure(value=1.0, unit="metres", better="higher", n=1, ci95=None)
    with pytest.raises(ValidationError, match="declared in 'share'"):
        new_results("x", machine=describe_machine(), config={}, metrics={"f1": odd}, arms={})


def test_a_failing_write_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save(some(recall=0.25), tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        save(some(recall=0.75), tmp_path)
    assert load(tmp_path / "trial.json").metrics["recall_learned"].value == 0.25
    assert [path.name for path in tmp_path.iterdir()] == ["trial.json"]


def test_missing_and_damaged_files_say_what_to_do(tmp_path: Path):
    with pytest.raises(NotFound, match="liveoak lab run"):
        load(tmp_path / "none.json")
    write_whole(tmp_path / "bad.json", "{")
    with pytest.raises(StorageError, match=r"bad\.json: not a results file"):
        load(tmp_path / "bad.json")
    with pytest.raises(StorageError, match="cannot write"):
        write_whole(tmp_path / "bad.json" / "below", "x")


def test_metrics_know_their_thresholds():
    assert metric("recall_frozen").met(0.10) is True
    assert metric("recall_frozen").met(0.15) is False
    assert metric("recall_learned").met(0.60) is True
    assert metric("recall_learned").met(0.55) is False
    assert metric("recall_taught").met(0.80) is True
    assert metric("retention_nats").met(0.11) is False
    assert metric("learn_seconds").met(1e9) is None
    assert all(one.description and one.key == key for key, one in METRICS.items())


def test_the_machine_is_told_truly():
    machine = describe_machine(device="cpu", dtype="float32")
    assert machine.cores == len(os.sched_getaffinity(0))
    assert 64 < machine.memory_mib < 2**24
    assert machine.torch.startswith("2.")
    assert machine.dtype == "float32"


def test_a_part_is_measured_once_and_a_failed_one_again(tmp_path: Path):
    parts, told = Parts(tmp_path, {}), list[str]()
    assert parts.measured("one", lambda: {"f1": 1}, tell=told.append) == {"f1": 1}
    assert parts.measured("one", lambda: {"f1": 2}, tell=told.append) == {"f1": 1}
    assert parts.measured("a name", lambda: {"f1": 3}, key="other", tell=told.append) == {"f1": 3}
    assert parts.find("other") == {"f1": 3}
    assert parts.measured("bad", lambda: {"f1": 1 / 0}, tell=told.append) is None
    assert parts.failed == [{"part": "bad", "error": "ZeroDivisionError: division by zero"}]
    assert told == ["one", "a name", "bad", "bad failed: division by zero"]
    assert parts.measured("bad", lambda: {"f1": 4}, tell=told.append) == {"f1": 4}


def test_parts_are_reused_only_under_their_own_configuration(tmp_path: Path):
    parts = Parts(tmp_path, {"prior": "a"})
    assert parts.find("seed 0") is None
    parts.keep("seed 0", {"recall": 0.5})
    assert Parts(tmp_path, {"prior": "a"}).find("seed 0") == {"recall": 0.5}
    assert Parts(tmp_path, {"prior": "b"}).find("seed 0") is None


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"recall": "much"}'])
def test_damaged_parts_are_done_again(tmp_path: Path, damage: str):
    parts = Parts(tmp_path, {})
    parts.keep("seed 0", {"recall": 0.5})
    next(tmp_path.rglob("seed 0.json")).write_text(damage)
    assert parts.find("seed 0") is None
