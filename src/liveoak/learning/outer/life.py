"""Many lives at once: read page by page, act on each entry, lose what was read, sit the exam.

A life's acts are drawn from the agent's slow weights. What it learns is written into fast weights of its own, which
begin as the slow ones, or as a fresh adapter where slow weights only decide. The exam is taken under the fast weights
with the notes in sight, and nothing else.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from liveoak.adapters import Slot
from liveoak.engine import Completion, Decoder, Engine, Request
from liveoak.errors import LiveoakError
from liveoak.learning.lived import Lived
from liveoak.learning.objective import Example
from liveoak.learning.outer.exam import Asked, Mark, sit
from liveoak.learning.outer.pricing import Account, Spend
from liveoak.learning.outer.tools import PLAIN, SKIP, Act, Choice, Form, Notes, Words
from liveoak.learning.recipe import Recipe
from liveoak.learning.study import Assignment, Study
from liveoak.learning.transcript import Layout, Transcript
from liveoak.records import Effort, Lesson, Sampling
from liveoak.worlds import Entry, Material, Question

Policy = Callable[["Sight"], Act]
"""Who acts where the agent itself does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a policy may look at: a page, one entry of it, and what may be done."""

    announced: str
    entry: Entry
    acts: tuple[Act, ...]
    asked: bool
    """Whether the exam asks about it: for whoever demonstrates, who knows the exam; no reader can."""
    chance: float
    """Drawn evenly from [0, 1) for this entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSettings:
    """How lives are lived."""

    acts: tuple[Act, ...] = PLAIN
    form: Form = field(default_factory=Words)
    instructions: str = "learn, note or skip."
    """Before the first entry of a page; empty: nothing but the tools of the form."""
    window: int = 448
    """Most tokens of a prompt."""
    note_room: int = 48
    """Most tokens of notes."""
    nights: int = 0
    """Pages between two studies of what was to be learned; 0: all of it is studied once, after the last page. Until
    then lessons wait as they were given; the pages themselves are gone."""
    steps: int | None = 24
    """Optimizer steps of a study; None: as effort and length ask for."""
    writes_only: bool = False
    """Slow weights decide what is learned, and are not there when it is asked for."""
    longest: int = 24
    """Most tokens of an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """One life to be lived. Lives of one `stream` read the same and sit the same exam."""

    stream: int
    number: int
    """Among the lives of its stream; draws its acts."""
    material: Material


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A life that was lived. `fast` is None where nothing was learned."""

    cast: Cast
    lived: Lived
    account: Account
    acts: tuple[str, ...]
    asked: tuple[str, ...]
    """Each question as it was put, with the notes in sight."""
    marks: tuple[Mark, ...]
    """One a question, in order."""
    tokens: int
    """Of all entries that were read."""
    fast: Slot | None
    failure: str | None = None
    """Why a study broke off: the life went on without what it would have taught."""


@dataclass(slots=True, kw_only=True)
class _Life:
    """A life under way."""

    cast: Cast
    transcript: Transcript
    notes: Notes
    fast: Slot | None = None
    lessons: list[Lesson] = field(default_factory=list[Lesson])
    fresh: list[tuple[Entry, Act]] = field(default_factory=list[tuple[Entry, Act]])
    """Entries that wait to be learned."""
    acts: list[str] = field(default_factory=list[str])
    spends: list[Spend] = field(default_factory=list[Spend])
    useful: int = 0
    tokens: int = 0
    failure: str | None = None


class Lives:
    """Lives lives, in shared passes, on one engine."""

    def __init__(
        self,
        engine: Engine,
        decoder: Decoder,
        settings: LifeSettings,
        recipe: Recipe,
        *,
        anchors: Sequence[Example] = (),
        damage: Callable[[Slot], float] | None = None,
        seed: int = 0,
    ) -> None:
        """`damage` tells what a slot has cost the prior, in nats per token of general text."""
        self.engine, self.decoder, self.settings = engine, decoder, settings
        self._recipe, self._anchors, self._damage, self._seed = recipe, anchors, damage, seed
        self._layout = Layout(engine.tokenizer, settings.form.tools)
        self._choice = Choice(settings.acts, settings.form)

    def live(self, cast: Sequence[Cast], slow: Slot | None, policy: Policy | None = None) -> list[Outcome]:
        """One life each, to the end. With a `policy`, it acts in the agent's place and is recorded as demonstrated."""
        lives = [self._begin(one) for one in cast]
        study = Study(self.engine, self.decoder, self._recipe, self._anchors, seed=self._seed)
        nights = self.settings.nights
        for page in range(_pages(cast)):
            self._read(lives, page, slow, policy)
            if nights and (page + 1) % nights == 0:
                self._study(study, [life for life in lives if life.fresh], page, slow)
        self._study(study, [life for life in lives if life.fresh], -1, slow)
        return self._examine(lives, slow)

    def shown(self, cast: Sequence[Cast], policy: Policy) -> list[Lived]:
        """What a policy does as it reads, to be imitated: nothing is studied, and no exam is sat."""
        lives = [self._begin(one) for one in cast]
        for page in range(_pages(cast)):
            self._read(lives, page, None, policy)
        return [_lived(life) for life in lives]

    def _begin(self, one: Cast) -> _Life:
        seen = _shown(one.material, 0, 0)
        transcript = Transcript(self._layout, self.settings.instructions, seen, window=self.settings.window)
        return _Life(cast=one, transcript=transcript, notes=Notes(self.settings.note_room))

    def _read(self, lives: Sequence[_Life], page: int, slow: Slot | None, policy: Policy | None) -> None:
        """One page of all lives, an entry of all at a time."""
        reading = [life for life in lives if page < len(life.cast.material.parts)]
        for place in range(max(len(life.cast.material.parts[page]) for life in reading)):
            here = [life for life in reading if place < len(life.cast.material.parts[page])]
            if policy is None:
                pattern = self._choice.pattern
                asked = [self._request(life, page, place, slow, pattern) for life in here]
                for life, reply in zip(here, self.decoder.generate(asked), strict=True):
                    self._act(life, page, place, reply)
            else:
                self._show(here, page, place, [policy(self._sight(life, page, place)) for life in here])

    def _show(self, lives: Sequence[_Life], page: int, place: int, acts: Sequence[Act]) -> None:
        """Somebody acts in the agent's place. Where no words tell an act, it is left to the prior to say some."""
        form = self.settings.form
        free = [life for life, act in zip(lives, acts, strict=True) if not form.begins(act)]
        asked = [self._request(life, page, place, None, self._choice.others) for life in free]
        spoken = iter(self.decoder.generate(asked))
        for life, act in zip(lives, acts, strict=True):
            if begins := form.begins(act):
                entry = life.cast.material.parts[page][place].text
                life.transcript.demonstrate(begins + form.rest(act, entry))
                self._take(life, page, place, act)
            else:
                self._act(life, page, place, next(spoken))

    def _sight(self, life: _Life, page: int, place: int) -> Sight:
        material = life.cast.material
        chance = self._chance(life, page, place) / 2**56
        entry = material.parts[page][place]
        asked = _asked(entry, material)
        return Sight(announced=material.announced, entry=entry, acts=self.settings.acts, asked=asked, chance=chance)

    def _request(self, life: _Life, page: int, place: int, slow: Slot | None, pattern: str) -> Request:
        form = self.settings.form
        sampling = Sampling(
            temperature=1.0,
            max_tokens=max(len(self._layout.said(form.begins(act))) for act in self.settings.acts) + 1,
            seed=self._chance(life, page, place),
            pattern=pattern,
        )
        return Request(ids=life.transcript.prompt, slot=slow, sampling=sampling)

    def _chance(self, life: _Life, page: int, place: int) -> int:
        key = f"{self._seed}/{life.cast.stream}/{life.cast.number}/{page}/{place}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=7).digest(), "big")

    def _act(self, life: _Life, page: int, place: int, reply: Completion) -> None:
        """The agent chose: its are the tokens that tell its act from others, and what is left of it is scaffold."""
        act = self._choice.meant(reply.text)
        entry = life.cast.material.parts[page][place]
        rest = self.engine.tokenizer.encode(self.settings.form.rest(act, entry.text))
        ids = tuple(token.id for token in reply.drawn)
        left = [self._choice.left(self.engine.tokenizer.decode(ids[:count])) for count in range(len(ids) + 1)]
        told = [now < before and not one.forced for one, (before, now) in zip(reply.drawn, pairwise(left), strict=True)]
        chosen = (*told, *(False for _ in rest))
        logprobs = (*(one.logprob for one in reply.drawn), *(0.0 for _ in rest))
        life.transcript.act(turn_of(page, place), (*ids, *rest), logprobs, chosen)
        self._take(life, page, place, act)

    def _take(self, life: _Life, page: int, place: int, act: Act) -> None:
        parts = life.cast.material.parts
        self._carry_out(life, parts[page][place], act)
        last = place + 1 == len(parts[page])
        over = last and page + 1 == len(parts)
        after = (page + 1, 0) if last else (page, place + 1)
        seen = "exam." if over else _shown(life.cast.material, *after)
        life.transcript.observe(seen, apart=last, over=over)

    def _carry_out(self, life: _Life, entry: Entry, act: Act) -> None:
        tokens = len(self.engine.tokenizer.encode(entry.text))
        life.tokens += tokens
        if act.verb == "note" and not life.notes.take(entry.text, tokens):
            act = SKIP
        life.acts.append(act.text)
        life.spends.append(Spend(verb=act.verb, tokens=tokens if act.verb != "skip" else 0))
        life.useful += act.verb != "skip" and _asked(entry, life.cast.material)
        if act.verb == "learn":
            life.fresh.append((entry, act))

    def _study(self, study: Study, lives: Sequence[_Life], page: int, slow: Slot | None) -> None:
        """What waits to be learned, of all lives in shared passes, with what was learned before repeated."""
        assignments: list[Assignment] = []
        for life in lives:
            lesson = _lesson(life, page)
            if life.fast is None:
                life.fast = self._fast(slow)
            assignments.append(
                Assignment(lesson=lesson, slot=life.fast, past=tuple(life.lessons), steps=self.settings.steps)
            )
            life.lessons.append(lesson)
            life.fresh.clear()
        if not assignments:
            return
        for life, done in zip(lives, study.study_all(assignments), strict=True):
            if isinstance(done, LiveoakError):
                life.failure = str(done)
                life.lessons.pop()

    def _fast(self, slow: Slot | None) -> Slot:
        if slow is None or self.settings.writes_only:
            return self.engine.bank.new_slot(rank=self._recipe.rank if slow is None else slow.rank, seed=0)
        fast = slow.fork()
        fast.forget_steps()
        return fast

    def _examine(self, lives: Sequence[_Life], slow: Slot | None) -> list[Outcome]:
        bare = None if self.settings.writes_only else slow
        asked = [_put(life) for life in lives]
        put = [
            Asked(slot=life.fast or bare, text=text, question=question)
            for life, texts in zip(lives, asked, strict=True)
            for text, question in zip(texts, life.cast.material.questions, strict=True)
        ]
        marks = iter(sit(self.engine, self.decoder, put, self.settings.longest))
        found: list[Outcome] = []
        for life, texts in zip(lives, asked, strict=True):
            own = [next(marks) for _ in life.cast.material.questions]
            damage = self._damage(life.fast) if self._damage is not None and life.fast is not None else 0.0
            found.append(
                Outcome(
                    cast=life.cast,
                    lived=_lived(life),
                    account=_account(own, life, damage),
                    acts=tuple(life.acts),
                    asked=texts,
                    marks=tuple(own),
                    tokens=life.tokens,
                    fast=life.fast,
                    failure=life.failure,
                )
            )
        return found


def _put(life: _Life) -> tuple[str, ...]:
    return tuple(life.notes.before(question.text) for question in life.cast.material.questions)


def _pages(cast: Sequence[Cast]) -> int:
    return max(len(one.material.parts) for one in cast)


def _lived(life: _Life) -> Lived:
    stream = str(life.cast.stream)
    return life.transcript.lived(f"{stream}/{life.cast.number}", world="life", group=stream)


def _shown(material: Material, page: int, place: int) -> str:
    """An entry, with what is told of the exam where a page begins."""
    entry = material.parts[page][place].text
    return f"{material.announced}. {entry}" if material.announced else entry


_MOST_FIRST: tuple[Effort, ...] = ("high", "medium", "low")


def _lesson(life: _Life, page: int) -> Lesson:
    """What is to be learned, as one lesson. Its effort is the greatest that was asked for.

    Questions are taught with the notes in sight, as they will be asked.
    """
    texts = [entry.text for entry, _ in life.fresh if entry.taught is None]
    return Lesson(
        id=f"{life.cast.stream}/{life.cast.number}/{page}",
        topic=f"page {page + 1}" if page >= 0 else "the last pages",
        source="\n\n".join(texts),
        demonstrations=tuple(
            replace(entry.taught, prompt=life.notes.before(entry.taught.prompt))
            for entry, _ in life.fresh
            if entry.taught is not None
        ),
        effort=next(effort for effort in _MOST_FIRST if any(act.effort == effort for _, act in life.fresh)),
    )


def _asked(entry: Entry, material: Material) -> bool:
    return any(is_about(question, entry) for question in material.questions)


def is_about(question: Question, entry: Entry) -> bool:
    """Whether what is asked stands there."""
    if entry.taught is not None:
        return question.text == entry.taught.prompt
    return question.answer.lower() in entry.text.lower()


def _account(marks: Sequence[Mark], life: _Life, damage: float) -> Account:
    return Account(
        right=sum(mark.right for mark in marks) / len(marks),
        gold_logprob=math.fsum(mark.gold for mark in marks) / len(marks),
        likely=math.fsum(math.exp(mark.gold) for mark in marks) / len(marks),
        spends=tuple(life.spends),
        useful=life.useful,
        damage=damage,
        studies=len(life.lessons),
    )


def turn_of(page: int, place: int) -> str:
    """The name of the act on an entry."""
    return f"{page}/{place}"
