"""The recipe experiment on a bench whose knowledge is known, and on the real learner over random weights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from liveoak.cli import run as run_verb
from liveoak.errors import LearningError
from liveoak.lab.machine import describe_machine
from liveoak.lab.parts import Parts
from liveoak.lab.passages import Passage
from liveoak.lab.recipes import BASELINE, CLOSED, DEFAULT, OPEN, recipes, run
from liveoak.lab.report import render
from liveoak.lab.results import Results
from liveoak.learning.recipe import Recipe
from liveoak.records import QA, Lesson

PASSAGES = tuple(
    Passage(
        title=f"Town {n}",
        text=f"Mayor {n}. River {n}.",
        questions=(
            QA(question=f"Who leads town {n}?", answer=f"Mayor {n}"),
            QA(question=f"What flows through town {n}?", answer=f"River {n}"),
        ),
    )
    for n in range(3)
)


@dataclass
class Studied:
    slot: set[str]
    steps: int
    seconds: float = 2.0
    tokens_trained: int = 10
    tokens_processed: int = 100


@dataclass
class Desk:
    """The default recipe keeps a whole passage, next-token training only its first sentence, the others nothing."""

    studies: list[tuple[str, str, int | None]] = field(default_factory=list[tuple[str, str, int | None]])
    fails_on: str = "none"

    def study(self, lesson: Lesson, recipe: Recipe, steps: int | None = None) -> Studied:
        name = next(name for name, one in recipes().items() if one == recipe)
        self.studies.append((lesson.topic, name, steps))
        if name == self.fails_on:
            raise LearningError("the loss became nan at step 3")
        sentences = [part.strip() for part in lesson.source.split(".") if part.strip()]
        known = {DEFAULT: sentences, BASELINE: sentences[:1]}.get(name, [])
        return Studied(slot=set(known), steps=steps or 7)

    def answers(self, slot: Any, prompts: Sequence[str]) -> list[str]:
        return [self._truth(prompt) if self._knows(slot, prompt) else "no idea" for prompt in prompts]

    def gold_logprob(self, slot: Any, prompts: Sequence[str], answers: Sequence[str]) -> float:
        return sum(-1.0 if self._knows(slot, prompt) else -5.0 for prompt in prompts) / len(prompts)

    def retention(self, slot: set[str]) -> float:
        return 0.1 * len(slot)

    def kl_prior(self, slot: set[str]) -> float:
        return 0.2

    def _truth(self, prompt: str) -> str:
        return next(pair.answer for one in PASSAGES for pair in one.questions if pair.question in prompt)

    def _knows(self, slot: set[str] | None, prompt: str) -> bool:
        truth = self._truth(prompt)
        return truth in (slot or set()) or truth in prompt


def go(desk: Desk, folder: Path, passages: Sequence[Passage] = PASSAGES) -> Results:
    return run(passages, desk, machine=describe_machine(), parts=Parts(folder, {"prior": "desk"}), config={})


def test_figures_by_hand(tmp_path: Path):
    results = go(Desk(), tmp_path)
    recall = {name: figures["recall"].value for name, figures in results.arms.items()}
    assert recall == {
        CLOSED: 0.0,
        OPEN: 1.0,
        DEFAULT: 1.0,
        "ask": 0.0,
        "ask and read": 0.0,
        "distil and read": 0.0,
        BASELINE: 0.5,
        "plain steps": 0.0,
        "ask and read, no anchors": 0.0,
    }
    ours, read = results.arms[DEFAULT], results.arms[BASELINE]
    assert read["gold_logprob"].value == -3.0
    # (-3 + 5) / (-1 + 5), and (0.5 - 0) / (1 - 0).
    assert read["internalisation"].value == read["internalisation_recall"].value == 0.5
    assert ours["internalisation"].value == 1.0
    # What is known of one town answers nothing of another.
    assert ours["control_recall"].value == 0.0
    assert ours["control_logprob"].value == -5.0
    assert (ours["recall_over_read"].value, ours["recall_over_read"].ci95) == (0.5, (0.5, 0.5))
    assert ours["logprob_over_read"].value == 2.0
    # Two sentences cost 0.2, one costs 0.1.
    assert ours["retention_over_read"].value == pytest.approx(0.1)
    assert "recall_over_read" not in read
    assert "retention_nats" not in results.arms[CLOSED]
    assert results.metrics["recall"] == ours["recall"]
    assert results.metrics["recall"].n == 3
    assert results.config["questions"] == 6


def test_every_recipe_takes_the_steps_of_the_default_one(tmp_path: Path):
    desk = Desk()
    go(desk, tmp_path, PASSAGES[:2])
    assert [(name, steps) for _, name, steps in desk.studies] == 2 * [
        (DEFAULT, None),
        ("ask", 7),
        ("ask and read", 7),
        ("distil and read", 7),
        (BASELINE, 7),
        ("plain steps", 7),
        ("ask and read, no anchors", 7),
    ]


def test_finished_parts_are_not_studied_again_and_failed_ones_are(tmp_path: Path):
    first = go(Desk(fails_on="distil and read"), tmp_path, PASSAGES[:2])
    assert [failed["part"] for failed in first.config["failed"]] == [
        f"passage {place}, distil and read" for place in (0, 1)
    ]
    assert "distil and read" not in first.arms
    desk = Desk()
    again = go(desk, tmp_path, PASSAGES[:2])
    assert [name for _, name, _ in desk.studies] == ["distil and read", "distil and read"]
    # What the default took is known from its kept part.
    assert {steps for _, _, steps in desk.studies} == {7}
    assert again.config["failed"] == []
    # A third passage makes another control for the second: that part alone is new beside those of the third.
    longer = Desk()
    go(longer, tmp_path, PASSAGES)
    assert {topic for topic, _, _ in longer.studies} == {"Town 1", "Town 2"}


def test_without_the_default_or_the_baseline_the_rest_is_told(tmp_path: Path):
    lost = go(Desk(fails_on=DEFAULT), tmp_path / "a")
    assert lost.metrics == {}
    assert lost.arms[BASELINE]["steps"].value == 7
    alone = go(Desk(fails_on=BASELINE), tmp_path / "b")
    assert "recall_over_read" not in alone.arms[DEFAULT]
    assert alone.metrics["recall"].value == 1.0


def test_the_page_draws_the_arms(tmp_path: Path):
    page = render(go(Desk(), tmp_path))
    assert page.count("data:image/png;base64,") == 1
    assert "ask and read, no anchors" in page


def test_recipes_differ_in_what_their_names_say():
    default, found = Recipe(), recipes()
    assert found[DEFAULT] == default
    # At medium effort, which all passages are studied at.
    read = {name: one.pieces * one.reading["medium"] for name, one in found.items()}
    assert {name: (one.method, one.distilled, read[name]) for name, one in found.items()} == {
        DEFAULT: ("ask", 0.0, default.pieces / 2),
        "ask": ("ask", 0.0, 0),
        "ask and read": ("ask", 0.0, default.pieces),
        "distil and read": ("ask", 1.0, default.pieces),
        BASELINE: ("read", 0.0, 0),
        "plain steps": ("ask", 0.0, default.pieces / 2),
        "ask and read, no anchors": ("ask", 0.0, default.pieces),
    }
    assert default.pieces > 0
    assert [name for name, one in found.items() if not one.activated] == [BASELINE], "next tokens are learned as usual"
    assert found["ask and read, no anchors"].anchors == 0
    assert [name for name, one in found.items() if not one.turned] == [BASELINE, "plain steps"]
    assert len({(one.rank, one.batch) for one in found.values()}) == 1


def test_the_real_learner_runs_every_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Random weights learn nothing of use in so few steps: what is held here is that every figure is measured."""
    (tmp_path / "squad").mkdir()
    (tmp_path / "wikitext2").mkdir()
    written = [
        {
            "title": f"The_mill_of_{name}",
            "context": f"The mill of {name} opens at 7:25. Runa {name} keeps its {count} keys.",
            "questions": [{"question": f"Who keeps the keys of {name}?", "answer": f"Runa {name}"}],
        }
        for name, count in (("Aldvik", 12), ("Borgund", 31))
    ]
    (tmp_path / "squad" / "train.json").write_text(json.dumps(written))
    (tmp_path / "wikitext2" / "valid.txt").write_text("\n".join(f"{n} lobsters " * 40 for n in range(12)))
    monkeypatch.setenv("LIVEOAK_DATA", str(tmp_path))
    monkeypatch.setenv("LIVEOAK_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    words = ["lab", "run", "recipes", "--passages", "2", "--prior", "scratch", "--threads", "1", "--out", str(out)]
    assert run_verb(words) == 0
    results = Results.model_validate_json((out / "recipes.json").read_bytes())
    assert results.config["failed"] == []
    assert list(results.arms) == [CLOSED, OPEN, *recipes()]
    for name in recipes():
        figures = results.arms[name]
        assert figures["steps"].value == results.arms[DEFAULT]["steps"].value >= 4
        assert min(figures["tokens_processed"].value, figures["tokens_trained"].value) > 0
        assert figures["kl_prior"].value > 0
    # The learner did learn: the answers became likelier than they were to the frozen weights.
    assert results.arms[DEFAULT]["gold_logprob"].value > results.arms[CLOSED]["gold_logprob"].value
    assert (out / "recipes.html").exists()
