"""`passages`, `book` and `transfer` on a stand-in whose memory is a set of texts: arms, budgets, pairing, failures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from liveoak.errors import LearningError, UserError
from liveoak.lab.outer import book, passages, sights
from liveoak.lab.outer.bench import examined
from liveoak.lab.outer.slow import STEPS
from liveoak.lab.parts import Parts
from liveoak.lab.passages import Passage
from liveoak.lab.workbench import Studied
from liveoak.learning.outer.policies import AFTER, START
from liveoak.learning.recipe import Recipe
from liveoak.records import QA, Lesson, Sampling

SLOW: Any = "slow weights"
_LONG = " ".join(f"The tower of Anford has {n} steps and a bell." for n in range(3, 12))


def passage(n: int, title: str = "Towns") -> Passage:
    town = ("Anford", "Bexley", "Corby", "Denham")[n]
    pairs = (
        QA(question=f"Who is mayor of {town}?", answer=f"Anna{n}"),
        QA(question="What is paid?", answer=f"{n}7 pounds"),
    )
    return Passage(
        title=title, text=f"{_LONG} The mayor of {town} is Anna{n}. The fee is {n}7 pounds.", questions=pairs
    )


class Scholar:
    """Answers a question by the name that it was taught or has in sight; slow weights know how to ask for fees too."""

    def __init__(self) -> None:
        self.lessons: list[tuple[Lesson, str, int | None, Any, int]] = []

    def read(self, lesson: Lesson, recipe: Recipe, window: int, slow: Any = None) -> Studied:
        return self._write(lesson, recipe, None, slow, window)

    def study(self, lesson: Lesson, recipe: Recipe, steps: int | None = None, slow: Any = None) -> Studied:
        return self._write(lesson, recipe, steps, slow, 0)

    def _write(self, lesson: Lesson, recipe: Recipe, steps: int | None, slow: Any, window: int) -> Studied:
        if "Corby" in lesson.source and recipe.method == "read":
            raise LearningError("the loss is nan")
        self.lessons.append((lesson, recipe.method, steps, slow, window))
        known: Any = (lesson.source, slow)
        return Studied(slot=known, steps=7, seconds=2.0, share=1.0, tokens_trained=10, tokens_processed=20)

    def answers(self, slot: Any, prompts: Sequence[str]) -> list[str]:
        return [self._answer(slot, prompt) for prompt in prompts]

    def _answer(self, slot: Any, prompt: str) -> str:
        text, slow = ("", slot) if slot in (None, SLOW) else slot
        seen = f"{text}\n{prompt}"
        if "What is paid" in prompt:
            return seen.split("The fee is ")[-1].split(".")[0] if slow == SLOW and "The fee is " in seen else "none"
        town = prompt.split("mayor of ")[-1].split("?")[0]
        return seen.split(f"{town} is ")[-1].split(".")[0] if f"{town} is " in seen else "nobody"

    def replies(self, slot: Any, prompts: Sequence[str], sampling: Sampling) -> list[str]:
        return [" ".join(prompt.split()[: sampling.max_tokens]) for prompt in prompts]

    def gold_logprob(self, slot: Any, prompts: Sequence[str], answers: Sequence[str]) -> float:
        right = [answer in self._answer(slot, prompt) for prompt, answer in zip(prompts, answers, strict=True)]
        return -1.0 + sum(right) / len(right)

    def retention(self, slot: Any) -> float:
        return 0.01

    def tokens(self, text: str) -> int:
        return len(text.split())


def test_every_arm_of_passages_with_its_steps_and_weights(tmp_path: Path):
    bench, parts = Scholar(), Parts(tmp_path, {})
    found = passages.run([passage(0), passage(1), passage(3)], bench, SLOW, parts=parts)
    recall = {name: [one["recall"] for one in by_place.values()] for name, by_place in found.items()}
    assert not parts.failed
    assert recall[passages.CLOSED] == [0, 0, 0]
    assert recall[passages.OPEN] == [0.5, 0.5, 0.5]
    assert recall[sights.TRUNCATED] == [0, 0, 0], "what is asked stands at the end"
    assert recall[sights.RETRIEVED] == [0.5, 0.5, 0.5]
    assert recall[sights.NOTED] == [0, 0, 0]
    assert recall[passages.BEFORE] == [0.5, 0.5, 0.5]
    assert recall[passages.AFTER] == [1, 1, 1]
    assert recall[passages.UNREAD] == [0, 0, 0]
    assert recall[passages.SHIPPED] == [0.5, 0.5, 0.5]
    assert recall[passages.AFTER_HIGH] == [1, 1, 1]
    steps = {(method, slow): taken for lesson, method, taken, slow, _ in bench.lessons if lesson.effort != "high"}
    assert steps == {("ask", None): STEPS, ("ask", SLOW): STEPS, ("read", None): STEPS}, "all take as many steps"
    high = [(method, taken, slow) for lesson, method, taken, slow, _ in bench.lessons if lesson.effort == "high"]
    assert high == [("ask", None, None), ("ask", None, SLOW)] * 3, "but for lessons as users give them"
    drafts = [lesson for lesson, method, *_ in bench.lessons if method == "read" and lesson.statements]
    assert len(drafts) == 3 * (1 + 3), "one is always learned, and the best of three is picked"
    figures = passages.headline(found)
    assert figures["recall_after_over_before"].value == 0.5
    assert figures["recall_high_after_over_before"].value == 0.5
    assert figures["recall_after_over_open"].value == figures["recall_high_after_over_open"].value == 2.0
    assert passages.arm(passages.AFTER, found)["internalisation_recall"].value == 2.0


def test_a_passage_that_fails_in_one_arm_is_recorded_and_the_rest_goes_on(tmp_path: Path):
    parts = Parts(tmp_path, {})
    found = passages.run([passage(2), passage(0)], Scholar(), SLOW, parts=parts)
    assert {fault["error"] for fault in parts.failed} == {"LearningError: the loss is nan"}
    assert set(found[passages.READ]) == {1} and set(found[passages.AFTER]) == {0, 1}
    again = passages.run([passage(2), passage(0)], Scholar(), SLOW, parts=Parts(tmp_path, {}))
    assert again[passages.AFTER] == found[passages.AFTER]


def test_passages_that_a_larger_model_wrote_about(tmp_path: Path):
    bench = Scholar()
    found = passages.run([passage(0)], bench, SLOW, edited={passage(0): ("A line.",)}, parts=Parts(tmp_path, {}))
    ours = {passages.BEFORE, passages.AFTER, passages.SHIPPED, passages.AFTER_HIGH}
    assert set(found) == {passages.CLOSED, passages.OPEN, passages.LARGER} | ours
    assert bench.lessons[-1][0].statements == ("A line.",)


def test_the_article_of_a_book_is_the_longest(tmp_path: Path):
    own = [passage(n) for n in range(3)]
    assert book.article([passage(3, "Other"), *own], 3) == tuple(own)
    with pytest.raises(UserError, match="'Towns', has 3 passages, 4 were asked for"):
        book.article(own, 4)
    bench = Scholar()
    chosen = (passage(0), passage(1))
    text = "\n\n".join(one.text for one in chosen)
    found = book.run(chosen, text, bench, SLOW, parts=Parts(tmp_path, {}))
    assert {window for *_, window in bench.lessons} == {book.WINDOW}
    assert found[book.TRUNCATED]["recall/0"] == 0.5, "its beginning fits"
    assert found[book.TRUNCATED]["recall/1"] == 0
    assert found[book.AFTER]["recall/1"] >= 0.5


def test_search_keeps_to_its_budget_and_to_the_order_of_the_text():
    search = sights.Search(
        "Anna likes fish. The dog barks. A cat likes milk. Fish swim.", lambda text: len(text.split())
    )
    assert search.before("Who likes fish?", 5) == "Anna likes fish. Fish swim."
    assert search.before("Who likes fish?", 3) == "Anna likes fish."
    assert search.before("Who likes fish?", 1) == ""


def test_notes_share_their_room_among_windows():
    written = sights.notes(Scholar(), ["a b c d e f g h i j", "k l m n o p q r s t"], 16)
    assert written == "a b c d e f g h\nk l m n o p q r"


def test_exams_are_marked_and_scored():
    pair = QA(question="Who is mayor of Anford?", answer="Anna0")
    closed = {"recall": 0.0, "recall_of_others": 0.0, "f1": 0.0, "reply_words": 1.0, "gold_logprob": -1.0}
    assert examined(Scholar(), None, [pair]) == closed
    assert examined(Scholar(), None, [pair], lambda question: passage(0).text) == {
        **closed,
        "recall": 1.0,
        "f1": 1.0,
        "gold_logprob": 0.0,
    }


def test_an_exam_tells_replies_that_hold_what_was_not_asked():
    class Parrot(Scholar):
        def answers(self, slot: Any, prompts: Sequence[str]) -> list[str]:
            return ["Anna and Bert are there"] * len(prompts)

    pairs = [QA(question=f"Who is {n}?", answer=name) for n, name in enumerate(("Anna", "Bert", "Bert", "Curt"))]
    found = examined(Parrot(), None, pairs)
    assert found["recall"] == 3 / 4
    # Of ten other answers, Anna is asked beside three, each Bert beside two, Curt beside three: 2 + 1 + 1 + 3 are held.
    assert found["recall_of_others"] == 7 / 10
    assert found["reply_words"] == 5
    assert found["f1"] == (2 / 6 * 3) / 4


def test_transfer_takes_the_first_text_of_each_title_and_other_titles_for_other_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from liveoak.lab.outer.transfer import titles

    texts = [
        {"title": title, "context": f"{title} {n}", "questions": [{"question": "Which?", "answer": title}]}
        for title in "ABCDEFGHI"
        for n in range(2)
    ]
    (tmp_path / "squad").mkdir()
    (tmp_path / "squad" / "dev.json").write_text(json.dumps(texts))
    monkeypatch.setenv("LIVEOAK_DATA", str(tmp_path))
    first, second = ([text.lesson.source for text in titles([seed], quick=False)] for seed in (0, 1))
    assert first == ["A 0", "B 0", "C 0", "D 0"]
    assert second == ["E 0", "F 0", "G 0", "H 0"]
    assert [text.lesson.source for text in titles([2], quick=True)] == ["C 0"]
    with pytest.raises(UserError, match="texts of 9 titles"):
        titles([2], quick=False)


def test_transfer_tries_the_main_ledger_elsewhere():
    from liveoak.lab.outer.transfer import LONGER, OTHER, ledgers, work

    trial = ledgers(range(1), quick=True)[0]
    assert dict(trial.elsewhere)[LONGER].pages == 2 * trial.ledger.pages
    assert dict(trial.elsewhere)[OTHER].asks == 1
    figures = work(("ledger", trial))
    for arm in (START, AFTER):
        assert {f"{arm}/reward", f"{arm}, {LONGER}/reward", f"{arm}, {OTHER}/reward"} <= figures.keys()
