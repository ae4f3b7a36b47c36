"""The learner opened up: one recipe, one passage, one fresh slot, without a server, a gate or a record around it.

Knows the engine, the study and the probes. Knows nothing of arms, intervals or files.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from liveoak.adapters import Slot, load_snapshot
from liveoak.config import Settings
from liveoak.engine import Decoder, Engine, Request, Scheduler, only_team
from liveoak.engine import Sequence as Tokens
from liveoak.gate import Gate, temper
from liveoak.lab.exam import MAX_TOKENS
from liveoak.learning.course import Studied as Learned
from liveoak.learning.general import anchors
from liveoak.learning.objective import Example
from liveoak.learning.reader import Reader
from liveoak.learning.recipe import Recipe
from liveoak.learning.study import Study
from liveoak.records import Lesson, Message, Origin, Sampling
from liveoak.runtime.device import compile_steps, load_engine

_PARAGRAPH_TOKENS = 96
_TOGETHER = 4
"""Sequences scored at once, so that their logits stay small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Studied:
    """A candidate and what it cost."""

    slot: Slot
    steps: int
    seconds: float
    share: float
    """Of the change, after tempering."""
    tokens_trained: int
    tokens_processed: int


class Workbench:
    """One prior and everything needed to write a passage into a slot and look at what came of it."""

    def __init__(self, settings: Settings, engine: Engine, general: Sequence[str]) -> None:
        self._settings, self._engine = settings, engine
        self._decoder = Decoder(engine, kind="study")
        self._gate = Gate(self._engine, self._decoder, settings.gate, settings.cache)
        self._general = tuple(engine.tokenizer.encode(text)[:_PARAGRAPH_TOKENS] for text in general)

    @property
    def fingerprint(self) -> str:
        """Of the prior."""
        return self._engine.prior.fingerprint

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(self._engine.device)

    @property
    def dtype(self) -> str:
        """In which number format."""
        return str(self._engine.dtype).removeprefix("torch.")

    def study(self, lesson: Lesson, recipe: Recipe, steps: int | None = None, slow: Slot | None = None) -> Studied:
        """Write a lesson into a fresh slot, or into a copy of `slow`. Raises as `Study.study`."""
        return self._write(recipe, slow, lambda study, slot: study.study(lesson, slot, steps=steps))

    def read(self, lesson: Lesson, recipe: Recipe, window: int, slow: Slot | None = None) -> Studied:
        """The same window after window, of so many tokens each. Raises as `Reader.read`."""
        encode = self._engine.tokenizer.encode
        return self._write(recipe, slow, lambda study, slot: Reader(study, encode, window).read([lesson], slot).studied)

    def _write(self, recipe: Recipe, slow: Slot | None, write: Callable[[Study, Slot], Learned]) -> Studied:
        study = Study(self._engine, self._decoder, recipe, self._anchors)
        slot = recipe.fresh(self._engine.bank, self._engine.tokenizer) if slow is None else slow.fork()
        slot.forget_steps()
        began = time.perf_counter()
        start = slot.master.clone()
        done = write(study, slot)
        share = temper(self._engine, self._gate, slot, start, None, self._settings.gate)
        return Studied(
            slot=slot,
            steps=done.steps,
            seconds=time.perf_counter() - began,
            share=share,
            tokens_trained=done.tokens_trained,
            tokens_processed=done.tokens_processed,
        )

    def load(self, folder: Path) -> Slot:
        """Weights from a snapshot."""
        return load_snapshot(self._engine.bank, folder, optimizer=False)

    def tokens(self, text: str) -> int:
        """How many the text has."""
        return len(self._engine.tokenizer.encode(text))

    def answers(self, slot: Slot | None, prompts: Sequence[str]) -> list[str]:
        """Greedy replies of at most `MAX_TOKENS`."""
        return self.replies(slot, prompts, Sampling(temperature=0.0, max_tokens=MAX_TOKENS))

    def replies(self, slot: Slot | None, prompts: Sequence[str], sampling: Sampling) -> list[str]:
        """One reply to each prompt, from an empty context."""
        render = self._engine.tokenizer.render
        requests = [
            Request(
                ids=render([Message(role="user", content=prompt)], add_generation_prompt=True).ids,
                slot=slot,
                sampling=sampling,
            )
            for prompt in prompts
        ]
        return [reply.text for reply in self._decoder.generate(requests)]

    def gold_logprob(self, slot: Slot | None, prompts: Sequence[str], answers: Sequence[str]) -> float:
        """Mean over the prompts of the mean log-probability of the true answer's tokens, the turn's end left out."""
        sequences = [self._answered(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
        return math.fsum(-cost for cost in self._costs(slot, sequences)) / len(sequences)

    def retention(self, slot: Slot) -> float:
        """Rise of the loss on the general text over the prior's, in nats per token."""
        sequences = [(ids, 1) for ids in self._general]
        sizes = [len(ids) - 1 for ids in self._general]
        after = self._costs(slot, sequences)
        changes = [(new - old) * size for new, old, size in zip(after, self._frozen_costs, sizes, strict=True)]
        return math.fsum(changes) / sum(sizes)

    def kl_prior(self, slot: Slot) -> float:
        """KL(prior || slot) on the gate's everyday prompts, in nats per token."""
        return self._gate.divergence(slot)

    @cached_property
    def _anchors(self) -> Sequence[Example]:
        return anchors(self._engine, self._decoder, self._settings.cache)

    @cached_property
    def _frozen_costs(self) -> list[float]:
        return self._costs(None, [(ids, 1) for ids in self._general])

    def _answered(self, prompt: str, answer: str) -> tuple[tuple[int, ...], int]:
        """The tokens of prompt and answer, and where the answer begins."""
        rendered = self._engine.tokenizer.render(
            [Message(role="user", content=prompt), Message(role="assistant", content=answer)],
            origins=[None, Origin.DEMONSTRATED],
        )
        span = [span for span in rendered.spans if span.origin is Origin.DEMONSTRATED][-1]
        return rendered.ids[: span.end - 1], span.start

    def _costs(self, slot: Slot | None, sequences: Sequence[tuple[Sequence[int], int]]) -> list[float]:
        """For each sequence, nats per token from the given place on."""
        found: list[float] = []
        for start in range(0, len(sequences), _TOGETHER):
            some = sequences[start : start + _TOGETHER]
            batch = [
                Tokens(ids=tuple(ids[:-1]), slot=slot, wanted=tuple(range(first - 1, len(ids) - 1)))
                for ids, first in some
            ]
            logprobs = self._engine.infer(lambda batch=batch: self._engine.logits(batch).log_softmax(-1))
            targets = torch.tensor([token for ids, first in some for token in ids[first:]], device=logprobs.device)
            costs = -logprobs.gather(1, targets.unsqueeze(1)).squeeze(1)
            parts = costs.split([len(ids) - first for ids, first in some])
            found.extend(float(part.mean()) for part in parts)
        return found


@contextlib.contextmanager
def open_workbench(settings: Settings, general: Sequence[str]) -> Generator[Workbench]:
    """A workbench; torch's number of threads is as before afterwards."""

    def load(scheduler: Scheduler) -> Engine:
        engine = load_engine(settings, scheduler)
        compile_steps(engine, settings.compile, settings.cache)
        return engine

    with only_team(settings.team) as scheduler:
        yield Workbench(settings, scheduler.run(lambda: load(scheduler)), general)
