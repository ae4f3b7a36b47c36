"""A life in a folder: metrics, record, checkpoints, and going on after whatever cut it off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hostile_worlds import Fragile
from tiny_priors import tiny_engine

from liveoak.adapters import digest
from liveoak.engine import Engine
from liveoak.errors import Conflict, NotFound, StorageError, WorldError
from liveoak.records import Origin
from liveoak.runtime.diary import read_metrics
from liveoak.runtime.lives import Life
from liveoak.runtime.orders import LifeOrder, read_order
from liveoak.signals import episode_of

ORDER = LifeOrder(
    world="switches",
    options={"switches": "2", "rule": "1", "slack": "1"},
    together=4,
    group=2,
    window=400,
    every=2,
    rate=3e-3,
    replay=0.5,
    transition="selected",
)


@pytest.fixture
def engine() -> Engine:
    """A fresh one each: its caches are part of what a process has."""
    return tiny_engine()


def lived(folder: Path, engine: Engine, episodes: int, order: LifeOrder = ORDER) -> tuple[list[dict[str, Any]], str]:
    """The metrics without seconds, and a digest of the weights."""
    with Life(folder, order, engine) as life:
        list(life.rounds(episodes))
        learner = life.living.learner
        return metrics(folder), digest(learner.slot) if learner is not None else ""


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(folder / "metrics.jsonl")]


def test_the_bit_meter_is_read_while_living_and_goes_on_with_the_life(tmp_path: Path, engine: Engine):
    order = ORDER.model_copy(update={"metered": 2, "balance": False})
    told, _ = lived(tmp_path / "whole", engine, 20, order)
    read = {line["episodes"]: line for line in told if "bits" in line}
    assert list(read) == [8, 16, 20], "every second round, and the last"
    for line in read.values():
        assert set(line["bits"]) == {"answers", "choices", "endings"} and line["outcome_bits"] >= 0
    assert read[20]["bits"]["answers"] > read[8]["bits"]["answers"] > 0, "what it observed, it learned"
    lived(tmp_path / "twice", engine, 8, order)
    again, _ = lived(tmp_path / "twice", engine, 20, order)
    assert again == told, "from the prior, not from where this process began"


def test_bits_are_not_measured_where_nobody_knows_what_is_right(tmp_path: Path, engine: Engine):
    order = LifeOrder(world="hostile_worlds:Fragile", metered=1, together=4, group=2, window=400)
    with pytest.raises(WorldError, match="expert"):
        Life(tmp_path / "life", order, engine)
    assert not (tmp_path / "life" / "life.json").exists(), "another order may still take the folder"


def test_the_folder_holds_orders_metrics_record_and_checkpoints(tmp_path: Path, engine: Engine):
    told, _ = lived(tmp_path / "life", engine, 24)
    assert read_order(tmp_path / "life").model_copy(update={"fingerprint": ""}) == ORDER
    rounds = [line for line in told if line["kind"] == "round"]
    episodes = [line for line in told if line["kind"] == "episode"]
    assert [line["episodes"] for line in rounds] == [4, 8, 12, 16, 20, 24]
    assert [line["episode"] for line in episodes] == list(range(24))
    for line in rounds:
        own = [one["score"] for one in episodes if one["round"] == line["round"]]
        assert line["score"] == pytest.approx(sum(own) / 4)
        assert line["groups"] == 2 and line["failed"] == 0
    kept = sorted(path.name for path in (tmp_path / "life" / "checkpoints").iterdir())
    assert kept == ["000004", "000006"]


def test_the_record_has_each_episode_as_it_was_learned_from(tmp_path: Path, engine: Engine):
    with Life(tmp_path, ORDER, engine) as life:
        rounds = [done for done, _ in life.rounds(8)]
        experience = life.experience
        assert experience.counts()["sessions"] == 8
        for attempt in (attempt for done in rounds for attempt in done.attempts):
            id = f"session_switches-0_{attempt.number}"
            assert experience.session(id).author == "switches"
            turns = experience.turns(id)
            rendered = engine.tokenizer.render(
                [turn.message for turn in turns],
                origins=[None if turn.origin is Origin.ACTED else turn.origin for turn in turns],
            )
            feedback = experience.feedback(session=id)
            assert all(word.trusted and word.author == "switches" for word in feedback)
            again = episode_of(id, turns, rendered, feedback)
            assert attempt.lived is not None
            known = attempt.lived.episode
            assert again.astray == ()
            assert [turn.places for turn in again.acted] == [turn.places for turn in known.acted]
            assert [turn.logprobs for turn in again.acted] == [turn.logprobs for turn in known.acted]
            assert sum(turn.reward or 0 for turn in again.acted) == attempt.score
            assert again.rewarded
            assert rendered.ids == known.rendered.ids[: len(rendered.ids)]


def test_what_is_learned_of_value_and_of_demonstrators_goes_on_too(tmp_path: Path):
    order = ORDER.model_copy(
        update={"signals": ("reward", "imitation"), "baseline": "value", "shown": 2, "group": 1, "balance": False}
    )
    whole = lived(tmp_path / "whole", tiny_engine(), 24, order)
    lived(tmp_path / "cut", tiny_engine(), 12, order)
    assert lived(tmp_path / "cut", tiny_engine(), 24, order) == whole
    last = whole[0][-1]
    assert 0 <= last["standing"]["expert/trace"] <= 1
    assert isinstance(last["explained"], float)


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_a_life_that_was_cut_off_is_that_of_one_that_was_not(tmp_path: Path, stop: int):
    whole = lived(tmp_path / "whole", tiny_engine(), 28)
    with Life(tmp_path / "cut", ORDER, tiny_engine()) as life:
        rounds = life.rounds(28)
        for _ in range(stop):
            next(rounds)
    assert lived(tmp_path / "cut", tiny_engine(), 28) == whole
    with Life(tmp_path / "cut", ORDER, tiny_engine()) as life:
        assert life.experience.counts()["sessions"] == 28, "what is lived again is recorded once"
        assert list(life.rounds(28)) == []


def test_a_life_goes_on_with_the_teacher_that_it_had(tmp_path: Path):
    told = ORDER.model_copy(update={"signals": ("distillation", "reward"), "renewed": 3})
    whole = lived(tmp_path / "whole", tiny_engine(), 28, told)
    losses = [line["losses"] for line in whole[0] if line["kind"] == "round"]
    assert any("distillation" in one for one in losses[4:])
    lived(tmp_path / "cut", tiny_engine(), 16, told)
    assert (tmp_path / "cut" / "checkpoints" / "000004" / "teacher").is_dir()
    assert lived(tmp_path / "cut", tiny_engine(), 28, told) == whole


def test_a_frozen_life_goes_on_too(tmp_path: Path):
    frozen = ORDER.model_copy(update={"signals": ()})
    whole, _ = lived(tmp_path / "whole", tiny_engine(), 16, frozen)
    lived(tmp_path / "cut", tiny_engine(), 8, frozen)
    assert lived(tmp_path / "cut", tiny_engine(), 16, frozen)[0] == whole
    assert not (tmp_path / "cut" / "checkpoints").exists()


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path):
    whole = lived(tmp_path / "whole", tiny_engine(), 24)
    lived(tmp_path / "hurt", tiny_engine(), 16)
    checkpoints = tmp_path / "hurt" / "checkpoints"
    (checkpoints / "000004" / "memory.json").write_text("{")
    assert lived(tmp_path / "hurt", tiny_engine(), 24) == whole


def test_without_a_sound_checkpoint_the_life_is_not_begun_anew(tmp_path: Path):
    lived(tmp_path / "hurt", tiny_engine(), 16)
    for path in (tmp_path / "hurt" / "checkpoints").iterdir():
        (path / "slot" / "adapter.safetensors").write_bytes(b"")
    before = (tmp_path / "hurt" / "metrics.jsonl").read_bytes()
    with pytest.raises(StorageError, match=r"no checkpoint of the life in .* can be read"):
        lived(tmp_path / "hurt", tiny_engine(), 24)
    assert (tmp_path / "hurt" / "metrics.jsonl").read_bytes() == before


def test_a_line_that_was_cut_off_is_lived_again(tmp_path: Path):
    whole = lived(tmp_path / "whole", tiny_engine(), 16)
    lived(tmp_path / "cut", tiny_engine(), 8)
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "episode", "round": 2, "epis')
    assert lived(tmp_path / "cut", tiny_engine(), 16) == whole


def test_orders_do_not_change_and_a_folder_is_one_process_s(tmp_path: Path, engine: Engine):
    with Life(tmp_path, ORDER, engine), pytest.raises(Conflict, match="another process"):
        Life(tmp_path, ORDER, tiny_engine())
    with pytest.raises(Conflict, match=r"seed 0, not 1"):
        Life(tmp_path, ORDER.model_copy(update={"seed": 1}), tiny_engine())
    with pytest.raises(Conflict, match="fingerprint"):
        Life(tmp_path, ORDER, tiny_engine("qwen2"))
    with pytest.raises(NotFound, match="no life in"):
        read_order(tmp_path / "nowhere")
    (tmp_path / "life.json").write_text('{"world": ')
    with pytest.raises(StorageError, match=r"restore life\.json"):
        read_order(tmp_path)


def test_failed_episodes_are_in_the_metrics_and_in_the_record(tmp_path: Path, engine: Engine, monkeypatch: Any):
    import liveoak.runtime.lives as lives

    monkeypatch.setattr(lives, "world", lambda name, **options: Fragile("raises"))
    order = ORDER.model_copy(update={"world": "mine:fragile", "options": {}, "together": 8})
    with Life(tmp_path, order, engine) as life:
        (_, told), *_ = list(life.rounds(8))
        failed = [line for line in read_metrics(tmp_path / "metrics.jsonl") if line.get("failure")]
        assert told["failed"] == len(failed) == 4
        assert all("out of coal" in line["failure"] for line in failed)
        session = "session_mine.fragile-0_7"
        (word,) = life.experience.feedback(session=session)
        assert word.kind == "comment" and word.text is not None and "out of coal" in word.text
        assert life.experience.counts()["sessions"] == 8


COMMAND = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_kept_lives import ORDER
from tiny_priors import tiny_engine
from liveoak.runtime.lives import Life
with Life(Path(sys.argv[1]), ORDER, tiny_engine()) as life:
    list(life.rounds(int(sys.argv[2])))
"""


@pytest.mark.e2e
def test_a_killed_life_goes_on_as_if_it_had_not_been(tmp_path: Path):
    tests = Path(__file__).parents[1]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (tests, tests / "runtime"))),
    }
    command = [sys.executable, "-c", COMMAND.format(tests=str(tests))]

    def run(folder: str, episodes: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, str(tmp_path / folder), str(episodes)], env=environment)

    assert run("whole", 24).wait() == 0
    path = tmp_path / "killed" / "metrics.jsonl"
    for rounds in (2, 4):
        process = run("killed", 24)
        while process.poll() is None and sum(x["kind"] == "round" for x in read_metrics(path)) < rounds:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert run("killed", 24).wait() == 0
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    facts = [
        json.loads((tmp_path / f / "checkpoints/000006/slot/adapter.json").read_text()) for f in ("whole", "killed")
    ]
    assert facts[0]["sha256"] == facts[1]["sha256"], "the weights are the same to the bit"
