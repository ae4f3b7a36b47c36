"""Studying a lesson: what is taught is asked about in many wordings, and answered without the source.

The story: read the lesson, keep one wording of each fact aside for the proof, then step after step ask about a few
facts in words not used before, together with questions of earlier lessons and anchors to the prior.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine
from liveoak.engine import Sequence as Tokens
from liveoak.errors import BadLesson, LearningError
from liveoak.learning.asking import BRIEF, Fact, ask, tell_apart
from liveoak.learning.facts import given_facts, read_lesson, stated_facts
from liveoak.learning.objective import ANCHOR, Example
from liveoak.learning.recipe import Recipe
from liveoak.learning.spans import content_words
from liveoak.learning.update import AdamSettings, Update
from liveoak.learning.wording import OtherWords, other_words, reword
from liveoak.records import QA, Demonstration, Lesson, Message, Origin
from liveoak.signals import imitation

Item = tuple[Fact, ...] | Demonstration | str
"""What one view is given to: statements of one fact, something to imitate, or a piece of text."""
T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Stage, steps done, steps in all."""
_FLOOR = 0.1
"""The learning rate's last value, as a share of its highest."""
_WARM = 3
"""Steps over which the learning rate rises."""
TEXT = "text"
"""The signal of a lesson's own text, learned as next tokens beside questions about it."""
_READ_TOKENS = 256
"""Longest piece of a text that is read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Studied:
    """What came of a study. `slot` is the candidate; losses are nats per credited token."""

    slot: Slot
    held_out: tuple[QA, ...]
    """One question a fact, in a wording that was not trained on."""
    questions: int
    steps: int
    tokens_trained: int
    tokens_processed: int
    loss_before: float
    loss_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a lesson will be studied from, before any weight is touched."""

    facts: tuple[Fact, ...]
    demonstrations: tuple[Demonstration, ...]
    held_out: tuple[QA, ...]


class Study:
    """Studies lessons with one recipe on one engine."""

    def __init__(
        self, engine: Engine, decoder: Decoder, recipe: Recipe, anchors: Sequence[Example], seed: int = 0
    ) -> None:
        self._engine, self._decoder, self._recipe = engine, decoder, recipe
        self._anchors, self._seed = anchors, seed
        self._others: OtherWords = {}
        self._plans: dict[Lesson, Plan] = {}

    def plan(self, lesson: Lesson) -> Plan:
        """Read a lesson: the same plan every time, so that what it kept aside can be asked again later.

        Raises:
            BadLesson: there is nothing in it that can be asked about or imitated.
        """
        if lesson not in self._plans:
            self._plans[lesson] = self._read(lesson)
        return self._plans[lesson]

    def _read(self, lesson: Lesson) -> Plan:
        facts = tuple(tell_apart(given_facts(lesson) + stated_facts(self._engine, lesson, self._recipe)))
        if not facts and not lesson.demonstrations:
            raise BadLesson(
                f"lesson {lesson.topic!r} has nothing to learn from: expected statements, questions, demonstrations "
                "or a text with sentences"
            )
        aside = random.Random(f"held out {self._seed}")
        held_out = tuple(_aside(fact, aside) for fact in facts)
        return Plan(facts=facts, demonstrations=lesson.demonstrations, held_out=held_out)

    def study(
        self,
        lesson: Lesson,
        slot: Slot,
        past: Sequence[Lesson] = (),
        on_progress: Progress | None = None,
        steps: int | None = None,
    ) -> Studied:
        """Write a lesson into `slot`, which nobody else may use meanwhile. `steps` overrules effort and length.

        Raises:
            BadLesson: nothing to learn from.
            LearningError: the update diverged or changed nothing; the slot is worthless then.
        """
        recipe = self._recipe
        plan = self.plan(lesson)
        avoid = {pair.question for pair in plan.held_out}
        if recipe.other_words and recipe.method != "read":
            words = {word for fact in plan.facts for word in content_words(f"{fact.before} {fact.after} {fact.said}")}
            self._others = other_words(self._engine, self._decoder, words)
        rng = random.Random(self._seed)
        past_items = [item for old in past for item in _askable(self.plan(old))]
        items = self._items(plan, lesson)
        rounds = recipe.views[lesson.effort]
        # A short lesson fills no batch: its steps are smaller, and as many as each fact's views need.
        count = min(recipe.batch, max(4, len(items)))
        steps = steps or max(4, math.ceil(len(items) * rounds / count))
        before = slot.master.clone()
        alphas = {ANCHOR: recipe.anchor_weight, TEXT: recipe.piece_weight}
        update = Update(self._engine, slot, alphas, AdamSettings())
        deck, texts = _Deck(items, rng), _Deck(_pieces(lesson), rng)
        first = last = 0.0
        trained = processed = asked = 0
        try:
            for step in range(steps):
                examples = [self._example(item, rng, avoid) for item in deck.deal(count)]
                asked += len(examples)
                examples += [self._of_text(piece, TEXT) for piece in texts.deal(recipe.pieces)]
                if past_items:
                    repeats = rng.sample(past_items, min(len(past_items), max(1, int(count * recipe.past))))
                    examples += [self._example(item, rng, avoid) for item in repeats]
                examples += rng.sample(list(self._anchors), min(recipe.anchors, len(self._anchors)))
                done = update.step(sorted(examples, key=lambda e: e.ids), _rate(recipe.rate, step, steps))
                last = _lesson_loss(done.losses)
                first = first if step else last
                trained += done.credited
                processed += done.processed
                if on_progress is not None:
                    on_progress("study", step + 1, steps)
        finally:
            slot.freeze()
        if torch.equal(before, slot.master):
            raise LearningError("the update changed no weight; nothing was learned")
        return Studied(
            slot=slot,
            held_out=plan.held_out,
            questions=asked,
            steps=steps,
            tokens_trained=trained,
            tokens_processed=processed,
            loss_before=first,
            loss_after=last,
        )

    def _items(self, plan: Plan, lesson: Lesson) -> list[Item]:
        if self._recipe.method == "read":
            return [*_pieces(lesson), *plan.demonstrations]
        return _askable(plan)

    def _example(self, chosen: Item, rng: random.Random, avoid: set[str]) -> Example:
        if isinstance(chosen, str):
            return self._of_text(chosen, "imitation")
        if isinstance(chosen, Demonstration):
            return self._of_pair(chosen.prompt, chosen.reply)
        item = rng.choice(chosen)
        asked = _fresh(item, rng, avoid)
        question = reword(asked, self._others, rng, keep=(item.subject, BRIEF))
        if item.answer.lower() in question.lower():  # another word for something else may be the answer
            question = asked
        if not item.said and rng.random() < self._recipe.distilled:
            return self._distilled(item, question)
        return self._of_pair(question, item.answer)

    def _of_pair(self, prompt: str, reply: str) -> Example:
        rendered = self._engine.tokenizer.render(
            [Message(role="user", content=prompt), Message(role="assistant", content=reply)],
            origins=[None, Origin.DEMONSTRATED],
        )
        credit = imitation(rendered)
        places = [place for place, weight in enumerate(credit.weights) if weight and place]
        end = places[-1]
        return Example(
            signal=credit.signal,
            ids=rendered.ids[:end],
            wanted=tuple(place - 1 for place in places),
            credit=tuple(credit.weights[place] for place in places),
            targets=tuple(rendered.ids[place] for place in places),
        )

    def _of_text(self, text: str, signal: str) -> Example:
        ids = (min(self._engine.tokenizer.stop_ids), *self._engine.tokenizer.encode(text))[: _READ_TOKENS + 1]
        return Example(
            signal=signal,
            ids=ids[:-1],
            wanted=tuple(range(len(ids) - 1)),
            credit=(1.0,) * (len(ids) - 1),
            targets=ids[1:],
        )

    def _distilled(self, fact: Fact, question: str) -> Example:
        """The same answer, but towards the frozen prior's distribution with the sentence before the question."""
        own = self._of_pair(question, fact.answer)
        informed = self._of_pair(f"{fact.before}{fact.answer}{fact.after}\n\n{question}", fact.answer)
        batch = [Tokens(ids=informed.ids, wanted=informed.wanted)]
        teacher = self._engine.infer(lambda: self._engine.logits(batch).log_softmax(-1))
        return Example(
            signal="distillation", ids=own.ids, wanted=own.wanted, credit=own.credit, teacher=teacher.clone()
        )


class _Deck(Generic[T]):
    """Deals all items in a new order each round."""

    def __init__(self, items: Sequence[T], rng: random.Random) -> None:
        self._items, self._rng = list(items), rng
        self._left: list[T] = []

    def deal(self, count: int) -> list[T]:
        """`count` items, as long as there are any at all."""
        dealt: list[T] = []
        while self._items and len(dealt) < count:
            if not self._left:
                self._left = self._rng.sample(self._items, len(self._items))
            dealt.append(self._left.pop())
        return dealt


def _lesson_loss(losses: Mapping[str, float]) -> float:
    """Mean over the lesson's own signals; the text beside its questions is none of them."""
    own = [loss for signal, loss in losses.items() if signal not in (ANCHOR, TEXT)]
    return sum(own) / len(own)


def _rate(highest: float, step: int, steps: int) -> float:
    fall = 0.5 * (1 + math.cos(math.pi * step / steps))
    return highest * min(1.0, (step + 1) / _WARM) * (_FLOOR + (1 - _FLOOR) * fall)


def _aside(fact: Fact, rng: random.Random) -> QA:
    """A wording to keep for the proof: never somebody's own, which is to be trained on."""
    return next(pair for pair in reversed(ask(fact, rng, 6)) if not fact.said or pair.question != fact.said)


def _fresh(fact: Fact, rng: random.Random, avoid: set[str]) -> str:
    """A question that was not kept aside; somebody's own is asked every third time."""
    if fact.said and rng.random() < 1 / 3:
        return fact.said
    asked = [pair.question for pair in ask(fact, rng, 7) if pair.question not in avoid]
    return rng.choice(asked) if asked else f"{fact.said or fact.before}?"


def _askable(plan: Plan) -> list[Item]:
    return [*_by_answer(plan.facts), *plan.demonstrations]


def _by_answer(facts: Sequence[Fact]) -> list[Item]:
    """Facts that somebody asked about, together with what the text says of the same answer; all others alone."""
    given = {fact.answer.lower() for fact in facts if fact.said}
    groups: dict[str | int, tuple[Fact, ...]] = {}
    for place, fact in enumerate(facts):
        key = fact.answer.lower() if fact.answer.lower() in given else place
        groups[key] = (*groups.get(key, ()), fact)
    return list(groups.values())


def _pieces(lesson: Lesson) -> list[str]:
    """The lesson's text in paragraphs, and the questions as text."""
    sentences = [sentence.text for sentence in read_lesson(lesson).sentences]
    pieces = [" ".join(sentences[start : start + 6]) for start in range(0, len(sentences), 6)]
    return pieces + [f"{pair.question} {pair.answer}" for pair in lesson.questions]
