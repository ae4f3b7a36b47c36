"""Our side: the engine, through what it offers to all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from liveoak.adapters import Slot
from liveoak.engine import Completion, Decoder, Drawn, Engine, Request, only_team
from liveoak.engine import Sequence as Tokens
from liveoak.errors import LearningError
from liveoak.lab.bench import jobs
from liveoak.lab.bench.profiling import profiled
from liveoak.lab.bench.soaking import Soak
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import Example
from liveoak.learning.update import Stride, Update, step_together
from liveoak.priors import load_prior
from liveoak.records import Message, Sampling
from liveoak.runtime.device import compile_steps

_ADAM = AdamSettings(beta2=0.999)
"""As AdamW's defaults have it, which every side trains with."""
_TOGETHER = 8
"""Lines scored at once."""
_REPLY = 32
"""Tokens of a reply beside which a lesson is trained."""


class Ours:
    """Answers jobs with one engine and one decoder."""

    def __init__(self, setup: jobs.Setup) -> None:
        self._open = ExitStack()
        scheduler = self._open.enter_context(only_team(setup.threads))
        prior = scheduler.run(
            lambda: load_prior(
                setup.prior,
                cache=Path(setup.cache),
                dtype=getattr(torch, setup.dtype),
                device=setup.device,
                accept_licence=setup.accept_licence,
            )
        )
        self._ends = tuple(sorted(prior.tokenizer.stop_ids))
        # Replies in a bench have a fixed length: nothing that is drawn ends one.
        prior.tokenizer.stop_ids = frozenset()
        self._engine = Engine(prior, scheduler)
        compile_steps(self._engine, setup.compile, Path(setup.cache))
        self._decoder = Decoder(self._engine, max_running=512, cache_tokens=_cache_tokens(setup))
        scheduler.serve(self._decoder)
        self._slots: dict[int, list[Slot]] = {}

    def describe(self, _: jobs.Nothing) -> jobs.Shape:
        engine = self._engine
        head = engine.model.get_output_embeddings().weight
        embedding = engine.model.get_input_embeddings().weight
        targets = engine.bank.layout.targets
        config = engine.model.config.get_text_config()
        heads = int(config.num_attention_heads)
        size = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
        tied = embedding.data_ptr() == head.data_ptr()
        read = [p for p in engine.model.parameters() if p is not embedding or tied]
        return jobs.Shape(
            linear=sum(target.inputs * target.outputs for target in targets),
            head=head.numel(),
            vocabulary=int(head.shape[0]),
            layers=int(config.num_hidden_layers),
            attention_width=heads * size,
            adapter_per_rank=engine.bank.layout.size(1),
            weight_bytes=sum(map(_least_bytes, read)),
            linears=tuple(sorted({(target.inputs, target.outputs) for target in targets})),
        )

    def tokenise(self, job: jobs.Texts) -> jobs.Tokens:
        tokenizer = self._engine.tokenizer
        end = self._ends[0]
        return jobs.Tokens(
            lines=tuple((*tokenizer.encode(line), end) for line in job.lines),
            chats=tuple(
                tokenizer.render([Message(role="user", content=chat)], add_generation_prompt=True).ids
                for chat in job.chats
            ),
        )

    def train(self, job: jobs.TrainJob) -> jobs.Trained:
        slots = [self._engine.bank.new_slot(rank=job.rank, seed=seed) for seed in range(len(job.lessons))]
        began = self._now()
        self._study(slots, job)
        seconds = self._now() - began
        loss = None
        if job.evaluate:
            found = [self._loss(slot, lesson) for slot, lesson in zip(slots, job.lessons, strict=True)]
            loss = sum(found) / len(found)
        return jobs.Trained(seconds=seconds, loss=loss)

    def _study(self, slots: Sequence[Slot], job: jobs.TrainJob) -> None:
        """Each lesson in its slot, all in the same passes; one with fewer steps leaves the others to go on."""
        updates = [Update(self._engine, slot, {}, _ADAM) for slot in slots]
        batches = [_batches(lesson, job.by) for lesson in job.lessons]
        for step in range(job.passes * max(map(len, batches))):
            strides = [
                Stride(update=update, examples=own[step % len(own)], rate=_rate(job, step, job.passes * len(own)))
                for update, own in zip(updates, batches, strict=True)
                if step < job.passes * len(own)
            ]
            for done in step_together(strides):
                if isinstance(done, LearningError):
                    raise done
        for slot in slots:
            slot.freeze()

    def _loss(self, slot: Slot, lesson: tuple[jobs.Line, ...]) -> float:
        """Nats per token of the lesson's own lines."""

        def cost(some: Sequence[jobs.Line]) -> float:
            batch = [Tokens(ids=line[:-1], slot=slot, wanted=tuple(range(len(line) - 1))) for line in some]
            logprobs = self._engine.logits(batch).log_softmax(-1)
            targets = torch.tensor([token for line in some for token in line[1:]], device=logprobs.device)
            return -float(logprobs.gather(1, targets.unsqueeze(1)).sum())

        pieces = [lesson[start : start + _TOGETHER] for start in range(0, len(lesson), _TOGETHER)]
        total = self._engine.infer(lambda: sum(cost(piece) for piece in pieces))
        return total / sum(len(line) - 1 for line in lesson)

    def decode(self, job: jobs.DecodeJob) -> jobs.Decoded:
        slots = self._adapters(job.adapters, job.rank)
        times: list[list[float]] = [[] for _ in job.prompts]
        requests = [
            Request(
                ids=prompt,
                slot=slots[place % len(slots)] if slots else None,
                sampling=Sampling(temperature=0, max_tokens=job.tokens),
            )
            for place, prompt in enumerate(job.prompts)
        ]
        began = self._now()
        replies(self._engine, self._decoder, requests, lambda place: times[place].append(time.perf_counter() - began))
        return jobs.Decoded(times=tuple(map(tuple, times)))

    def _adapters(self, count: int, rank: int) -> list[Slot]:
        """Slots with random weights, made once."""
        made = self._slots.setdefault(rank, [])
        while len(made) < count:
            slot = self._engine.bank.new_slot(rank=rank, seed=len(made))
            generator = torch.Generator().manual_seed(len(made))
            slot.master.copy_(torch.randn(slot.master.shape, generator=generator) * 0.01)
            slot.publish()
            made.append(slot)
        return made[:count]

    def together(self, job: jobs.TogetherJob) -> jobs.Together:
        """Replies alone, training alone, then both at once."""
        alone = _Replies(self._engine, self._decoder, job)
        alone.run_for(job.seconds)
        trained_alone = self._train_for(job, job.seconds)
        both = _Replies(self._engine, self._decoder, job)
        thread = threading.Thread(target=both.run_for, args=(job.seconds,))
        thread.start()
        trained_serving = self._train_for(job, job.seconds)
        thread.join()
        return jobs.Together(
            gaps_alone=tuple(alone.gaps),
            gaps_learning=tuple(both.gaps),
            replies_alone=alone.rate,
            replies_learning=both.rate,
            train_alone=trained_alone,
            train_serving=trained_serving,
        )

    def _train_for(self, job: jobs.TogetherJob, seconds: float) -> float:
        """Tokens a second of training on the lesson again and again."""
        slot = self._engine.bank.new_slot(rank=job.rank)
        update = Update(self._engine, slot, {}, _ADAM)
        examples = _batches(job.lesson, "lesson")[0]
        tokens = sum(len(example.ids) for example in examples)
        steps, began = 0, self._now()
        while not steps or self._now() - began < seconds:
            update.step(examples, 1e-4)
            steps += 1
        return steps * tokens / (self._now() - began)

    def profile(self, job: jobs.ProfileJob) -> jobs.Profile:
        shape = self.describe(jobs.Nothing())
        if job.train is not None:
            train = job.train
            return profiled(lambda: self.train(train), shape, train.rank, self._engine.device)
        assert job.decode is not None, "a profile is of training or of decoding"
        decode = job.decode
        return profiled(lambda: self.decode(decode), shape, decode.rank, self._engine.device)

    def soak(self, job: jobs.SoakJob) -> jobs.Soaked:
        return Soak(self._engine, self._decoder, job, [_batches(lesson, "lesson")[0] for lesson in job.lessons]).run()

    def _now(self) -> float:
        if self._engine.device.type == "cuda":
            self._engine.run(torch.cuda.synchronize)
        return time.perf_counter()


def _least_bytes(weight: torch.Tensor) -> int:
    """That it takes to read the weight: float32 may be bfloat16's numbers."""
    return (weight.numel() * 2) if torch.equal(weight, weight.bfloat16().to(weight.dtype)) else weight.nbytes


class _Replies:
    """The same prompts answered again and again, with the gaps between the tokens of a reply."""

    def __init__(self, engine: Engine, decoder: Decoder, job: jobs.TogetherJob) -> None:
        self._engine, self._decoder, self._prompts = engine, decoder, job.prompts
        self._last: dict[int, float] = {}
        self.gaps: list[float] = []
        self.rate = 0.0

    def run_for(self, seconds: float) -> None:
        sampling = Sampling(temperature=0, max_tokens=_REPLY)
        requests = [Request(ids=prompt, slot=None, sampling=sampling) for prompt in self._prompts]
        began, tokens = time.perf_counter(), 0
        while not tokens or time.perf_counter() - began < seconds:
            self._last.clear()
            done = replies(self._engine, self._decoder, requests, self._heard)
            tokens += sum(len(one.drawn) for one in done)
        self.rate = tokens / (time.perf_counter() - began)

    def _heard(self, place: int) -> None:
        now = time.perf_counter()
        if place in self._last:
            self.gaps.append(now - self._last[place])
        self._last[place] = now


def replies(
    engine: Engine, decoder: Decoder, requests: Sequence[Request], heard: Callable[[int], None]
) -> list[Completion]:
    """Replies as they are served; `heard` is told the place of the request that a token came for."""

    def listener(place: int) -> Callable[[Drawn, str], None]:
        return lambda token, text: heard(place)

    tickets = [decoder.submit(request, listener(place)) for place, request in enumerate(requests)]
    engine.scheduler.wake()
    return [ticket.result() for ticket in tickets]


def _batches(lesson: Sequence[jobs.Line], by: str) -> list[list[Example]]:
    """What each optimizer step of one pass over a lesson is given."""
    examples = [_example(line) for line in lesson]
    return [examples] if by == "lesson" else [[example] for example in examples]


def _rate(job: jobs.TrainJob, step: int, steps: int) -> float:
    return job.rate * (1 - step / steps) if job.decay else job.rate


def _example(line: jobs.Line) -> Example:
    places = len(line) - 1
    return Example(
        signal="imitation", ids=line[:-1], wanted=tuple(range(places)), credit=(1.0,) * places, targets=line[1:]
    )


def _cache_tokens(setup: jobs.Setup) -> int:
    """Room for 256 replies on an accelerator, for a few dozen on a processor."""
    return 196_608 if setup.device == "cuda" else 16_384
