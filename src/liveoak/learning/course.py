"""A course: one lesson's way through its study, step by step, beside other lessons or alone."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch

from liveoak.adapters import Slot
from liveoak.engine import Engine
from liveoak.engine import Sequence as Tokens
from liveoak.errors import LearningError
from liveoak.learning.adam import AdamSettings
from liveoak.learning.asking import BRIEF, Fact, ask
from liveoak.learning.objective import ANCHOR, Example
from liveoak.learning.plan import Item, Plan, askable, pieces, readable
from liveoak.learning.recipe import Recipe
from liveoak.learning.spread import Spread
from liveoak.learning.terms import TEACHER_TOP, TopK, top_of
from liveoak.learning.update import Step, Stride, Update
from liveoak.learning.windows import tokens_of
from liveoak.learning.wording import OtherWords, reword
from liveoak.records import QA, Demonstration, Message, Origin
from liveoak.signals import imitation

T = TypeVar("T")
TEXT = "text"
"""The signal of a lesson's own text, learned as next tokens beside questions about it."""
_FLOOR = 0.1
"""The learning rate's last value, as a share of its highest."""
_WARM = 3
"""Steps over which the learning rate rises."""
_LEAST = 12
"""Steps that a study of few facts has at least, where its effort gives a fact eight views or more."""
_READ_TOKENS = 256
"""Longest piece of a text that is read at once."""
_CALM = 3
"""Steps in a row whose loss must be small enough before a study ends early: one may have asked what was easy."""


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
class Material:
    """What a course is given besides the lesson's own plan."""

    recipe: Recipe
    anchors: Sequence[Example]
    past: Spread[Item] | None = None
    """What was learned before, of which each step repeats something."""
    items: Sequence[Item] | None = None
    """What is asked about; None: what the lesson's plan has."""
    teacher: Slot | None = None
    """Weights whose distribution is learned in place of the answers themselves; None: the answers."""
    others: OtherWords
    seed: int = 0
    steps: int | None = None
    """Overrules effort and length."""


class Course:
    """Deals the examples of each step, and counts what has come of the steps so far."""

    def __init__(self, engine: Engine, plan: Plan, slot: Slot, material: Material) -> None:
        recipe = material.recipe
        self.slot, self.taken = slot, 0
        """Steps taken."""
        self._engine, self._plan, self._material = engine, plan, material
        self._rng = random.Random(material.seed)
        self._avoid = {pair.question for pair in plan.held_out}
        own = readable(plan.lesson) if recipe.method == "read" else askable(plan)
        items = own if material.items is None else material.items
        self._count = self._batch(len(items))
        told = 0 if material.items is not None or recipe.method == "read" else len(plan.told)
        self.steps = material.steps or self._due(len(items) - told)
        self._wordings = recipe.wordings[plan.lesson.effort]
        self._worded: dict[Item, list[Example]] = {}
        """What each item was asked in, the one that was asked last at the end."""
        self._deck, self._texts = _Deck(items, self._rng), _Deck(pieces(plan.lesson), self._rng)
        # All that the slot's steps take, this course's among them, are other ones, as long as there are others.
        self._reach = min(math.ceil((slot.steps + self.steps) * recipe.anchors), len(material.anchors))
        self._before = slot.master.clone()
        # Held every second step, it is held twice as hard.
        rarely = min(1.0, recipe.anchors) or 1.0
        alphas = {ANCHOR: recipe.anchor_weight / rarely, TEXT: recipe.piece_weight}
        self._update = Update(engine, slot, alphas, AdamSettings(turned=recipe.turned))
        self._first = self._last = 0.0
        self._trained = self._processed = self._asked = self._calm = 0
        self._failure: LearningError | None = None

    def next(self) -> Stride:
        """What the next step learns: some of the lesson, its text, earlier lessons and anchors."""
        recipe, rng, effort = self._material.recipe, self._rng, self._plan.lesson.effort
        examples = [self._asking(item) for item in self._deck.deal(self._count)]
        self._asked += len(examples)
        examples += [
            self._of_text(piece, TEXT)
            for piece in self._texts.deal(self._beside(recipe.pieces * recipe.reading[effort]))
        ]
        if (teacher := self._material.teacher) is not None:
            examples = self._as_taught_by(teacher, examples)
        if self._material.past is not None and recipe.past[effort] > 0:
            repeats = self._material.past.deal(max(1, int(self._count * recipe.past[effort])), rng)
            examples += [self._example(item) for item in repeats]
        held = min(self._beside(recipe.anchors), self._reach)
        examples += [self._material.anchors[place] for place in rng.sample(range(self._reach), held)]
        rate = rate_at(recipe.rate, self.taken, self.steps)
        return Stride(update=self._update, examples=sorted(examples, key=lambda e: e.ids), rate=rate)

    def settle(self, done: Step | LearningError) -> None:
        """Take note of what came of the step."""
        if isinstance(done, LearningError):
            self._failure = done
            return
        self._last = _lesson_loss(done.losses)
        self._first = self._last if self.taken == 0 else self._first
        self._calm = self._calm + 1 if self._last <= self._material.recipe.enough else 0
        self._trained += done.credited
        self._processed += done.processed
        self.taken += 1

    @property
    def finished(self) -> bool:
        """All steps were taken, the loss is small enough, or a step failed."""
        return self._failure is not None or self.taken >= self.steps or self._calm >= _CALM

    def result(self) -> Studied | LearningError:
        """What came of it; an error where a step failed or no weight has changed."""
        if self._failure is not None:
            return self._failure
        if torch.equal(self._before, self.slot.master):
            return LearningError("the update changed no weight; nothing was learned")
        return Studied(
            slot=self.slot,
            held_out=self._plan.held_out,
            questions=self._asked,
            steps=self.taken,
            tokens_trained=self._trained,
            tokens_processed=self._processed,
            loss_before=self._first,
            loss_after=self._last,
        )

    def _batch(self, items: int) -> int:
        """Questions a step. A short lesson fills no batch: its steps are smaller, and no fewer, for what teaches is
        steps."""
        recipe = self._material.recipe
        return min(recipe.batch_high if self._plan.lesson.effort == "high" else recipe.batch, max(4, items))

    def _due(self, items: int) -> int:
        """Steps that so many items ask for, as far as a lesson of this length may take them."""
        recipe, effort = self._material.recipe, self._plan.lesson.effort
        views, bound = recipe.views[effort], recipe.page_steps[effort]
        least = max(4, min(_LEAST, math.ceil(1.5 * views)))
        asked = math.ceil(items * views / self._batch(items))
        if bound is not None:
            tokens = tokens_of(self._plan.lesson, lambda text: len(self._engine.tokenizer.encode(text)))
            asked = min(asked, math.ceil(bound * max(1.0, tokens / recipe.page_tokens)))
        return max(least, asked)

    def _beside(self, each: float) -> int:
        """How many go beside this step's questions, so that there are `each` of them a step on average."""
        return math.floor((self.taken + 1) * each) - math.floor(self.taken * each)

    def _asking(self, item: Item) -> Example:
        """The item in a new wording, or in the one that has not been asked for longest once there are enough."""
        worded = self._worded.setdefault(item, [])
        worded.append(self._example(item) if len(worded) < self._wordings else worded.pop(0))
        return worded[-1]

    def _example(self, chosen: Item) -> Example:
        if isinstance(chosen, str):
            return self._of_text(chosen, "imitation")
        if isinstance(chosen, Demonstration):
            return self._of_pair(chosen.prompt, chosen.reply)
        item = self._rng.choice(chosen)
        asked = _fresh(item, self._rng, self._avoid)
        question = reword(asked, self._material.others, self._rng, keep=(item.subject, BRIEF))
        if item.answer.lower() in question.lower():  # another word for something else may be the answer
            question = asked
        if not item.said and self._rng.random() < self._material.recipe.distilled:
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

    def _as_taught_by(self, teacher: Slot, examples: Sequence[Example]) -> list[Example]:
        """The same places, but towards what the teacher says there. The text stays a signal of its own."""
        batch = [Tokens(ids=example.ids, slot=teacher, wanted=example.wanted) for example in examples]
        found = self._engine.infer(lambda: top_of(self._engine.logits(batch), TEACHER_TOP))
        start = 0
        taught: list[Example] = []
        for example in examples:
            end = start + len(example.wanted)
            # Cloned outside inference mode, so that the backward pass may keep them.
            top = TopK(ids=found.ids[start:end].clone(), logprobs=found.logprobs[start:end].clone())
            signal = TEXT if example.signal == TEXT else "distillation"
            taught.append(replace(example, signal=signal, targets=(), teacher=None, top=top))
            start = end
        return taught

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


def rate_at(highest: float, step: int, steps: int) -> float:
    """The learning rate of a step: a short rise, then half a cosine down to a tenth."""
    fall = 0.5 * (1 + math.cos(math.pi * step / steps))
    return highest * min(1.0, (step + 1) / _WARM) * (_FLOOR + (1 - _FLOOR) * fall)


def _fresh(fact: Fact, rng: random.Random, avoid: set[str]) -> str:
    """A question that was not kept aside; somebody's own is asked every third time."""
    if fact.said and rng.random() < 1 / 3:
        return fact.said
    asked = [pair.question for pair in ask(fact, rng, 7) if pair.question not in avoid and pair.question != fact.aside]
    return rng.choice(asked) if asked else f"{fact.said or fact.before}?"
