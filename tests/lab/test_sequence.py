"""The sequence experiment with a pupil whose forgetting is known, and the ledger's figures worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from liveoak.lab.exam import ExamReply
from liveoak.lab.outer import ledger
from liveoak.lab.outer.sequence import BASELINE, OURS, live, recipes, results
from liveoak.lab.outer.trial import Trial, material_of, reliability
from liveoak.lab.passages import Passage
from liveoak.learning.outer.policies import AFTER, FIXED, START
from liveoak.learning.outer.pricing import Prices
from liveoak.records import QA, Lesson
from liveoak.worlds import HandbookFact
from liveoak.worlds.built_in.ledger import Ledger

PASSAGES = tuple(
    Passage(title=f"Town {n}", text=f"Mayor {n}.", questions=(QA(question=f"Town {n}?", answer=f"Mayor {n}"),))
    for n in range(4)
)


@dataclass
class Forgetful:
    """Knows the last two passages it was taught."""

    taught: list[str] = field(default_factory=list[str])

    def root(self) -> str:
        return "root"

    def learn(self, lesson: Lesson) -> Any:
        self.taught.append(lesson.topic)
        verdict = SimpleNamespace(kept=lesson.topic != "Town 1")
        return SimpleNamespace(verdict=verdict, seconds=2.0, retention_nats=0.01 * len(self.taught))

    def knows(self, question: str, version: str | None) -> bool:
        return version != "root" and any(topic in question for topic in self.taught[-2:])

    def said(self, prompt: str, version: str | None) -> str:
        if "Mayor" in prompt:  # it reads what it has in sight
            return prompt
        return f"Mayor {prompt.split()[1][0]}" if self.knows(prompt, version) else "no idea"

    def answer(self, prompts: Sequence[str], *, version: str | None = None) -> Sequence[ExamReply]:
        return [
            ExamReply(
                text=self.said(prompt, version),
                version=version or "now",
                prompt_tokens=3,
            )
            for prompt in prompts
        ]

    def gold_logprob(self, facts: Sequence[HandbookFact], context: str, version: str | None) -> float:
        return sum(-1.0 if self.knows(fact.exam_question, version) else -3.0 for fact in facts) / len(facts)


def test_what_is_kept_is_told_of_each_passage_and_of_all():
    told: list[str] = []
    figures = live(Forgetful(), PASSAGES, told.append)
    assert [figures[f"fresh/recall/{n}"] for n in range(4)] == [1.0] * 4
    assert [figures[f"last/recall/{n}"] for n in range(4)] == [0.0, 0.0, 1.0, 1.0]
    assert [figures[f"frozen/gold/{n}"] for n in range(4)] == [-3.0] * 4
    assert [figures[f"open/recall/{n}"] for n in range(4)] == [1.0] * 4, "it reads what it was not taught"
    assert figures["kept"] == 0.75
    assert len(told) == 4
    metrics = results({OURS: figures}, 4, machine=None, config={}).metrics
    assert metrics["kept_share_after_last"].value == 0.5
    assert metrics["gain_over_frozen_after_last"].value == 0.5
    assert metrics["kept_logprob_after_last"].value == 0.5
    assert metrics["retention_nats"].value == pytest.approx(0.04)


def test_the_baseline_reads_raw_text_and_repeats_nothing():
    assert recipes()[BASELINE].method == "read"
    assert (set(recipes()[BASELINE].past.values()), recipes()[BASELINE].anchors) == ({0.0}, 0)


def trial(**given: Any) -> Trial:
    world = Ledger(pages=2, entries=3, questions=2, kinds=3, asks=0)
    return Trial(seed=0, prices=Prices(), ledger=world, **given)


def test_shuffled_exams_ask_the_same_and_want_what_was_not_read_there():
    plain, shuffled = material_of(trial()), material_of(trial(shuffled=True))
    assert [one.text for one in plain(4).questions] == [one.text for one in shuffled(4).questions]
    assert [one.answer for one in shuffled(4).questions] == [one.answer for one in plain(4).questions][::-1]
    assert plain(4).pages == shuffled(4).pages


def test_reliability_is_one_where_halves_agree_and_none_where_they_do_not():
    def outcome(*right: bool) -> Any:
        return SimpleNamespace(marks=tuple(SimpleNamespace(right=one) for one in right))

    same = [outcome(True, True), outcome(False, False), outcome(True, True)]
    assert reliability(same) == pytest.approx(1.0)
    apart = [outcome(True, True), outcome(True, False), outcome(False, True), outcome(False, False)]
    assert reliability(apart) == 0.0
    assert reliability([outcome(True, True)] * 3) == 0.0, "no variance"


def test_every_ledger_cell_differs_from_the_one_that_it_is_held_against_in_one_thing():
    cells = ledger.trials(range(2), quick=False)
    main = cells[ledger.MAIN][1]
    assert main.ledger.asks == 1
    for name, by_seed in cells.items():
        if name != ledger.MAIN:
            other = by_seed[1]
            assert not other.arms
            same = replace(other, arms=True, prices=main.prices, shuffled=False, lives=main.lives, outer=main.outer)
            assert same == main
            like = cells[ledger.name_of(0.0)][1] if name == ledger.UNPAID else main
            changed = [
                other.prices != like.prices,
                other.shuffled,
                other.lives != like.lives,
                other.outer != like.outer,
            ]
            assert sum(changed) == 1, name


def test_time_to_a_reward_is_that_of_the_first_round_that_earns_it():
    cell = {"reward@1": 0.1, "reward@2": 0.6, "reward@10": 0.4, "seconds@1": 3.0, "seconds@2": 7.0, "seconds@10": 30.0}
    assert ledger.seconds_to(0.5, cell) == 7.0
    assert ledger.seconds_to(0.7, cell) == 30.0, "nobody got there"


def test_the_margin_is_over_the_best_of_the_fixed_ways():
    cells = [
        {f"{arm}/reward": value for arm, value in zip((*FIXED, START, AFTER), values, strict=True)}
        for values in ((0.1, 0.2, 0.0, 0.0, 0.1, 0.8), (0.3, 0.2, 0.0, 0.1, 0.1, 0.6))
    ]
    assert ledger.best_fixed(cells) == "always learn"
