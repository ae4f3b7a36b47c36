"""A training in a folder: rounds, exams, going on after whatever cut it off, and weights that are served."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_life import QUICK, WIDE, lesson, user
from tiny_priors import TOKENIZER, tiny_engine

from liveoak.adapters import digest
from liveoak.config import GateSettings, Settings
from liveoak.crew import Crew, Processes
from liveoak.engine import Engine
from liveoak.errors import BadSettings, Conflict, LearningError, NotAllowed, NotFound, StorageError
from liveoak.experience import Experience
from liveoak.learning.objective import Example
from liveoak.runtime import Runtime
from liveoak.runtime.diary import read_metrics
from liveoak.runtime.training.adopting import adopt, check_home, checkpoint
from liveoak.runtime.training.afar import Afar
from liveoak.runtime.training.examined import ArmFigures
from liveoak.runtime.training.orders import TRAIN_ORDERS, TrainOrder, is_taught
from liveoak.runtime.training.training import Training, open_training
from liveoak.worlds import About, Material, Question
from liveoak.worlds.registry import source

LEDGER = {"pages": "2", "entries": "3", "questions": "1", "kinds": "3"}
ORDER = TrainOrder(
    world="ledger", options=LEDGER, streams=1, lives=2, price_noted=0.5, dense=0.5, rate=1e-3, begin_steps=2, examined=2
)
SETTINGS = Settings(gate=WIDE, threads=1)


@pytest.fixture
def engine() -> Engine:
    """A fresh one each: its caches are part of what a process has."""
    return tiny_engine()


def trained(folder: Path, engine: Engine, rounds: int, order: TrainOrder = ORDER) -> tuple[list[dict[str, Any]], str]:
    """The metrics without seconds, and a digest of the weights."""
    with Training(folder, order, engine, SETTINGS) as training:
        list(training.rounds(rounds))
        lines = read_metrics(folder / "metrics.jsonl")
        return [{k: v for k, v in line.items() if k != "seconds"} for line in lines], digest(training.outer.slow)


def test_the_folder_holds_orders_metrics_exams_and_checkpoints(tmp_path: Path, engine: Engine):
    with Training(tmp_path, ORDER, engine, SETTINGS) as training:
        told = list(training.rounds(2))
        exams = training.examine()
        assert training.examine() == exams, "nothing is examined twice"
    assert TRAIN_ORDERS.read(tmp_path).model_copy(update={"fingerprint": ""}) == ORDER
    assert read_metrics(tmp_path / "metrics.jsonl") == told
    assert [line["rounds"] for line in told] == [1, 2]
    for line in told:
        assert 0 <= line["right"] <= 1
        assert 0 <= line["learned"] + line["noted"] <= 6
        assert line["lives"] == 2
    assert [(one.arm, one.rounds) for one in exams] == [
        ("start", 0),
        ("always learn", 0),
        ("never learn", 0),
        ("notes only", 0),
        ("random", 0),
        ("after", 2),
    ]
    by_arm = {one.arm: one for one in exams}
    assert (by_arm["always learn"].learned, by_arm["always learn"].noted) == (6, 0)
    assert (by_arm["never learn"].learned, by_arm["never learn"].useful) == (0, 0)
    for one in exams:
        assert one.reward == pytest.approx(sum(one.rewards) / 2)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["000001", "000002"]


@pytest.mark.parametrize("stop", [0, 1])
def test_a_training_that_was_cut_off_is_that_of_one_that_was_not(tmp_path: Path, stop: int):
    whole = trained(tmp_path / "whole", tiny_engine(), 2)
    with Training(tmp_path / "cut", ORDER, tiny_engine(), SETTINGS) as training:
        rounds = training.rounds(2)
        for _ in range(stop):
            next(rounds)
    assert trained(tmp_path / "cut", tiny_engine(), 2) == whole


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path):
    whole = trained(tmp_path / "whole", tiny_engine(), 2)
    trained(tmp_path / "hurt", tiny_engine(), 2)
    (tmp_path / "hurt/checkpoints/000002/adapter.safetensors").write_bytes(b"")
    assert trained(tmp_path / "hurt", tiny_engine(), 2) == whole
    for path in (tmp_path / "hurt/checkpoints").iterdir():
        (path / "adapter.json").write_text("{")
    with pytest.raises(StorageError, match=r"no checkpoint of the training in .* can be read"):
        trained(tmp_path / "hurt", tiny_engine(), 2)


def test_a_folder_is_one_process_s_and_its_orders_do_not_change(tmp_path: Path, engine: Engine):
    with Training(tmp_path, ORDER, engine, SETTINGS), pytest.raises(Conflict, match="another process"):
        Training(tmp_path, ORDER, engine, SETTINGS)
    with pytest.raises(Conflict, match=r"price_noted 0\.5, not 1\.0"):
        Training(tmp_path, ORDER.model_copy(update={"price_noted": 1.0}), engine, SETTINGS)
    with pytest.raises(NotFound, match="no training in"):
        TRAIN_ORDERS.read(tmp_path / "nowhere")


def test_what_is_paid_for_crowding_is_ordered_and_told(tmp_path: Path):
    assert ORDER.outer.crowds and not ORDER.model_copy(update={"crowds": False}).outer.crowds
    with Training(tmp_path, ORDER, tiny_engine(), SETTINGS) as training:
        told = [line["crowding"] for line in training.rounds(2)]
        assert told[-1]["slope"] == training.outer.crowding.slope
    with Training(tmp_path, ORDER, tiny_engine(), SETTINGS) as training:
        assert list(training.outer.crowding.sums) == told[-1]["sums"], "to the last bit"


DEADLY = ORDER.model_copy(
    update={"world": "deadly_pages:source", "streams": 2, "begin": False, "exam": 0.5, "examined": 1}
)


ACTS = (Example(signal="imitation", ids=(3, 4), wanted=(0,), credit=(1.0,), targets=(4,)),)


def lived_by(crew: Crew, folder: Path) -> tuple[list[dict[str, Any]], str, list[ArmFigures]]:
    """The metrics, a digest of the weights, and the exams of a training of one round."""
    order = DEADLY.model_copy(update={"options": {"mark": str(folder.with_suffix(".mark"))}})
    with crew, open_training(folder, order, SETTINGS, crew=crew) as training:
        lines = [{k: v for k, v in line.items() if k != "seconds"} for line in training.rounds(1)]
        return lines, digest(training.outer.slow), list(training.examine())


def lived_apart(folder: Path) -> tuple[list[dict[str, Any]], str, list[ArmFigures]]:
    """The same by nobody else, in a process as fresh as a worker's: what other tests left in this one has been seen to
    move figures by 1e-8."""
    script = (
        f"import pickle, sys; sys.path[:0] = {sys.path!r}; from pathlib import Path; from liveoak.crew import Alone; "
        f"from test_training import lived_by; folder = Path({str(folder)!r}); "
        "folder.with_suffix('.found').write_bytes(pickle.dumps(lived_by(Alone(), folder)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)
    return pickle.loads(folder.with_suffix(".found").read_bytes())


def test_a_training_is_the_same_by_one_worker_and_by_many_and_when_one_dies(tmp_path: Path):
    alone = lived_apart(tmp_path / "alone")
    assert not (tmp_path / "alone.mark").exists()
    (line,) = alone[0]
    assert (line["lives"], line["failures"]) == (4, [])
    assert line["steps"] > 1 and line["losses"], "one along the exams, the rest along acts"
    many = lived_by(Processes(2), tmp_path / "many")
    assert (tmp_path / "many.mark").exists(), "a worker died"
    assert many == alone


def test_a_life_whose_workers_all_die_is_a_failure_of_its_round_and_exams_are_all_or_nothing(tmp_path: Path):
    order = DEADLY.model_copy(update={"options": {"mark": str(tmp_path / "mark")}})
    with Processes(1, retries=0) as crew, open_training(tmp_path / "cut", order, SETTINGS, crew=crew) as training:
        (line,) = training.rounds(1)
        assert line["lives"] == 2
        (failure,) = line["failures"]
        assert failure == "stream 1: its process ended with exit code -9"
        far = Afar(crew, training.order.model_copy(update={"fingerprint": "other"}), SETTINGS)
        with pytest.raises(LearningError, match="2 of 2 exams were not sat: Conflict: prior 'scratch' has fingerprint"):
            far.accounts(training.outer.slow, "random", range(2))
        with pytest.raises(LearningError, match="no gradient to average over 1 tasks: Conflict"):
            far.gradient(training.outer.slow, ACTS, 0)
        (lot, *_) = far.lots(training.outer.slow, [0], 0.0)
        assert lot.accounts == () and lot.failures[0].startswith("stream 0: Conflict")


class Pages:
    """Texts without anything taught."""

    @property
    def about(self) -> About:
        return About(name="pages", instructions="Read.", turns=2)

    def material(self, seed: int) -> Material:
        del seed
        return Material(pages=("Runa has the key.",), questions=(Question(text="Who?", answer="Runa"),))


def test_texts_are_studied_with_more_effort_or_less():
    assert is_taught(source("ledger", **LEDGER))
    assert not is_taught(Pages())
    assert not is_taught(source("handbook", facts=4))
    assert [act.text for act in ORDER.living(False, TOKENIZER).acts] == [
        "learn low",
        "learn medium",
        "learn high",
        "note",
        "skip",
    ]
    assert (ORDER.living(False, TOKENIZER).steps, ORDER.living(True, TOKENIZER).steps) == (None, 24)


def test_only_worlds_of_pages_and_questions_are_trained_in():
    with pytest.raises(BadSettings, match="'switches' has no pages"):
        source("switches")
    with pytest.raises(BadSettings, match="'frozen'"):
        source("ledger", frozen=1)
    with pytest.raises(NotFound, match="ledger"):
        source("leger")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainOrder]:
    """Weights that were trained over the prior of random weights, and their orders."""
    folder = tmp_path_factory.mktemp("scratch") / "training"
    with open_training(folder, ORDER, SETTINGS) as training:
        for _ in training.rounds(1):
            pass
        return training.weights, training.order


def served(home: Path, **more: Any) -> Settings:
    given: dict[str, Any] = {"home": home, "prior": "scratch", "threads": 1, "gate": WIDE, "dtype": "float32"}
    return Settings(**(given | more))


def test_what_was_trained_is_served_to_the_bit_and_can_be_rolled_back(tmp_path: Path, scratch: tuple[Path, TrainOrder]):
    weights, order = scratch
    settings = served(tmp_path / "home", cache=tmp_path / "cache")
    with Runtime(settings) as before:
        first = before.current()
        bare = before.score([user("toll bab?")], "7")
    done = adopt(checkpoint(weights, order), settings, author="local")
    assert done.verdict.kept
    assert {probe.name for probe in done.verdict.probes} == {"retention", "kl_prior"}
    assert adopt(checkpoint(weights, order), settings, author="local").version.id == done.version.id, (
        "served again, not twice"
    )
    with Experience(settings.home / "experience.db") as record:
        why = record.heads("agent")[-1].why
    assert why.startswith("train ledger: ") and order.model_dump_json() in why
    with Runtime(settings) as runtime:
        assert runtime.current() == done.version
        assert (done.version.parent, done.version.lessons) == (first.id, ())
        kept = settings.home / "versions" / done.version.id / "adapter.safetensors"
        assert kept.read_bytes() == (weights / "adapter.safetensors").read_bytes()
        ours = runtime.score([user("toll bab?")], "7")
        assert ours != bare
        assert runtime.rollback() == first
        assert runtime.score([user("toll bab?")], "7") == bare
        assert runtime.promote(done.version.id) == done.version
        assert runtime.score([user("toll bab?")], "7") == ours


def test_refused_weights_leave_the_chain_as_it_was(tmp_path: Path, scratch: tuple[Path, TrainOrder]):
    weights, order = scratch
    settings = served(tmp_path / "home", gate=GateSettings(max_kl_prior=0.0))
    done = adopt(checkpoint(weights, order), settings, author="local")
    assert not done.verdict.kept
    assert done.verdict.reasons[0].startswith("kl_prior")
    assert done.version.parent is None
    assert list((settings.home / "versions").iterdir()) == []
    with pytest.raises(NotAllowed, match="teachers"):
        check_home(settings, "bob")


def test_an_agent_that_was_taught_keeps_what_it_learned(tmp_path: Path, scratch: tuple[Path, TrainOrder]):
    weights, order = scratch
    settings = served(tmp_path / "home", cache=tmp_path / "cache")
    with Runtime(settings, recipe=QUICK) as runtime:
        with pytest.raises(Conflict, match="in use"):
            check_home(settings, "local")
        runtime.learn(lesson())
        taught = runtime.current()
    with pytest.raises(Conflict, match="was taught"):
        check_home(settings, "local")
    with pytest.raises(Conflict, match=f"serves version '{taught.id}', which has learned what these weights have not"):
        adopt(checkpoint(weights, order), settings, author="local")
    with Runtime(settings) as runtime:
        assert runtime.current() == taught
        runtime.rollback()
    assert adopt(checkpoint(weights, order), settings, author="local").verdict.kept
