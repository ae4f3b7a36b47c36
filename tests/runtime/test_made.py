"""Trained weights as a directory, what is checked before they are served, and the adapters that come with liveoak."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_life import WIDE, chat, user

from liveoak.adapters import WEIGHTS
from liveoak.config import Settings
from liveoak.errors import Conflict, LearningError, NotFound, StorageError
from liveoak.experience import Experience
from liveoak.learning.recipe import Recipe
from liveoak.records import Lesson, Proof
from liveoak.runtime import Runtime
from liveoak.runtime.lessons import School
from liveoak.runtime.tools import OWN
from liveoak.runtime.training.adopting import adopt, imported
from liveoak.runtime.training.made import BUILT_IN, folder_of, made_of, shipped
from liveoak.runtime.training.orders import TrainOrder
from liveoak.runtime.training.training import open_training

LEDGER = {"pages": "2", "entries": "3", "questions": "1", "kinds": "3"}
ORDER = TrainOrder(
    world="ledger",
    options=LEDGER,
    streams=1,
    lives=2,
    price_noted=0.5,
    dense=0.5,
    begin=False,
    examined=2,
    rank=2,
    depth=0.5,
    activated=True,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training over the prior of random weights left for others."""
    folder = tmp_path_factory.mktemp("made")
    with open_training(folder / "training", ORDER, Settings(gate=WIDE, threads=1)) as training:
        list(training.rounds(1))
        training.examine()
        training.export(folder / "adapter")
    return folder / "adapter"


def served(home: Path, **more: str) -> Settings:
    return Settings(home=home, prior="scratch", threads=1, gate=WIDE, dtype="float32").model_copy(update=more)


def test_what_made_it_goes_with_it(exported: Path) -> None:
    made = made_of(exported)
    assert made is not None and made.order.fingerprint
    assert made.order.model_copy(update={"fingerprint": ""}) == ORDER
    assert (made.rounds, made.exams[0].arm, made.exams[-1].arm) == (1, "start", "after")
    config = json.loads((exported / "adapter_config.json").read_text())
    assert (config["r"], config["base_model_name_or_path"]) == (2, "scratch")
    assert config["alora_invocation_tokens"] and min(config["layers_to_transform"]) > 0


def test_it_is_served_with_the_room_of_a_lesson(tmp_path: Path, exported: Path) -> None:
    settings = served(tmp_path / "home")
    with Runtime(settings) as before:
        first = before.current()
        bare = before.score([user("toll bab?")], "7")
    done = adopt(imported(str(exported), "scratch"), settings, author="local")
    assert done.verdict.kept
    assert (done.version.parent, done.version.lessons) == (first.id, ())
    facts = json.loads((settings.home / "versions" / done.version.id / "adapter.json").read_text())
    assert facts["rank"] == Recipe().rank and facts["invocation"] and facts["first"] > 0
    with Experience(settings.home / "experience.db") as record:
        why = record.heads("agent")[-1].why
    assert why.startswith(f"import {exported}: 1 rounds of train ") and '"seed":0' in why
    with Runtime(settings) as runtime:
        assert runtime.current() == done.version
        assert runtime.score([user("toll bab?")], "7") != bare
        assert runtime.rollback() == first
        assert runtime.score([user("toll bab?")], "7") == bare


def test_a_peft_directory_of_which_nobody_told_what_made_it_is_served_too(tmp_path: Path, exported: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(exported, bare, ignore=shutil.ignore_patterns("made.json"))
    assert made_of(bare) is None
    assert adopt(imported(str(bare), "scratch"), served(tmp_path / "home"), author="local").verdict.kept


def _flip(folder: Path) -> None:
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (folder / WEIGHTS).write_bytes(weights)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_flip, "it was damaged"),
        (lambda folder: (folder / WEIGHTS).unlink(), f"{WEIGHTS} is missing"),
        (lambda folder: (folder / "made.json").write_text("{}"), "cannot be read"),
        (lambda folder: (folder / "made.json").write_bytes(b"\xff"), "cannot be read"),
    ],
)
def test_a_damaged_adapter_is_refused_before_a_model_loads(
    tmp_path: Path, exported: Path, harm: Callable[[Path], object], said: str
) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(exported, folder)
    harm(folder)
    with pytest.raises(StorageError, match=said):
        imported(str(folder), "scratch")


@pytest.mark.parametrize("named", ["builtin:nobody", "builtin:", "builtin:../shipped", "no-such-folder"])
def test_an_unknown_adapter_is_told(named: str) -> None:
    with pytest.raises(NotFound, match=f"{BUILT_IN}handbook|{BUILT_IN}NAME"):
        folder_of(named)


@pytest.mark.parametrize("name", shipped())
def test_an_adapter_that_comes_with_liveoak_is_whole_and_small(name: str) -> None:
    folder = folder_of(BUILT_IN + name)
    made = made_of(folder)
    assert made is not None
    assert made.sha256 == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    assert (folder / WEIGHTS).stat().st_size < 2**20
    assert {file.name for file in folder.iterdir()} == {WEIGHTS, "adapter_config.json", "made.json"}
    before, after = (one.reward for one in made.exams if one.arm in ("start", "after"))
    assert after > before


def test_it_is_refused_over_another_prior(tmp_path: Path) -> None:
    settings = served(tmp_path / "home")
    with pytest.raises(Conflict, match="trained over 98a5711f409c: name the prior that they were trained over"):
        adopt(imported("builtin:handbook", "scratch"), settings, author="local")
    assert list((settings.home / "versions").glob("*")) == []


@pytest.mark.prior
def test_the_default_prior_serves_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", threads=1)
    done = adopt(imported("builtin:handbook", settings.prior), settings, author="local")
    assert done.verdict.kept
    with Experience(settings.home / "experience.db") as record:
        assert record.head("agent", None) == done.version.id


@pytest.mark.prior
def test_with_it_the_served_agent_learns_what_it_is_told_and_not_small_talk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path / "home", threads=1)
    adopt(imported("builtin:handbook", settings.prior), settings, author="local")
    taught: list[Lesson] = []

    def learns(_: School, lesson: Lesson, **__: object) -> Proof:
        taught.append(lesson)
        raise LearningError("nobody studies here")

    monkeypatch.setattr(School, "learn", learns)
    with Runtime(settings) as runtime:

        def told(text: str) -> None:
            greedy = {"temperature": 0.0, "max_tokens": 48}
            runtime.ask(chat(text, draw=greedy, tools=tuple(OWN.values())))

        told("The bicycle shed opens with the code 8315.")
        assert taught and any("8315" in statement for statement in taught[0].statements)
        taught.clear()
        told("Good evening! It was such a lovely day.")
        told("Write a short poem about the sea.")
    assert not taught
