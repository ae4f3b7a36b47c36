"""Replies that go first in the midst of a lesson's pass: neither feels the other by a bit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny_priors import BFLOAT16, FLOAT32, PANELS, PANELS16, Way, new_engine, some_ids, stirred
from torch import Tensor

from liveoak.adapters import Slot
from liveoak.engine import Completion, Decoder, Engine, Request, Scheduler, Sequence, Shares, Ticket
from liveoak.records import Sampling


class AStepABreath(Shares):
    """Replies are due at every breath, and for one step."""

    def served(self, seconds: float, *, contested: bool) -> None:
        self.serving_is_due = False

    def studied(self, seconds: float, *, contested: bool) -> None:
        self.serving_is_due = True


class Interrupting:
    """A decoder that notes in the midst of what it was let in."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder, self.places = decoder, set[str]()

    def step(self) -> bool:
        route = self.decoder.engine.bank.route
        if torch._C._current_graph_task_id() != -1:  # type: ignore[attr-defined]
            self.places.add("backward")
        elif route is not None:
            self.places.add("forward" if torch.is_grad_enabled() else "scoring")
        before = (route, torch.is_grad_enabled(), torch.is_inference_mode_enabled())
        more = self.decoder.step()
        assert before == (self.decoder.engine.bank.route, torch.is_grad_enabled(), torch.is_inference_mode_enabled())
        return more


def engine_of(way: Way, family: str) -> Engine:
    return new_engine(way, family, Scheduler(threads=1, shares=AStepABreath()))


def batch_of(slot: Slot) -> list[Sequence]:
    parts = [some_ids(length, length) for length in (17, 17, 5, 30)]
    return [Sequence(ids=ids[:-1], slot=slot, wanted=tuple(range(len(ids) - 1))) for ids in parts]


def learned(engine: Engine, slot: Slot) -> tuple[Tensor, Tensor]:
    """Logits and gradients of one pass."""
    targets = torch.tensor([token for sequence in batch_of(slot) for token in (*sequence.ids[1:], 0)])
    slot.train()
    assert slot.gradient is not None
    slot.gradient.zero_()

    def work() -> Tensor:
        logits = engine.logits(batch_of(slot))
        F.cross_entropy(logits, targets).backward()
        return logits.detach().clone()

    logits = engine.run(work)
    gradient = slot.gradient.clone()
    slot.freeze()
    return logits, gradient


def requests(slots: list[Slot | None]) -> list[Request]:
    return [
        Request(
            ids=some_ids(6 + place, place),
            slot=slot,
            sampling=Sampling(temperature=1.0, seed=place, max_tokens=12),
        )
        for place, slot in enumerate(slots)
    ]


def told(completion: Completion) -> list[tuple[int, float]]:
    return [(drawn.id, drawn.logprob) for drawn in completion.drawn]


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3", "mistral", "qwen3"])
@pytest.mark.parametrize("way", [FLOAT32, BFLOAT16, PANELS, PANELS16], ids=str)
def test_a_lesson_and_replies_in_its_midst_are_the_same_as_apart(family: str, way: Way) -> None:
    engine = engine_of(way, family)
    slot = stirred(engine.bank, seed=1)
    slots = [None, stirred(engine.bank, seed=2), stirred(engine.bank, seed=3)]
    logits, gradient = learned(engine, slot)
    scores = engine.infer(lambda: engine.logits(batch_of(slot)).clone())
    apart = [told(completion) for completion in Decoder(engine).generate(requests(slots))]

    decoder = Decoder(engine)
    interrupting = Interrupting(decoder)
    tickets: list[Ticket] = []
    engine.scheduler.serve(interrupting)

    def lesson() -> tuple[Tensor, Tensor]:
        # Asked for in the computing thread, so that no reply is over before the lesson begins.
        tickets.extend(decoder.submit(request) for request in requests(slots))
        engine.scheduler.wake()
        return learned(engine, slot)

    again, same = engine.run(lesson)
    scored = engine.infer(lambda: engine.logits(batch_of(slot)).clone())
    together = [told(ticket.result()) for ticket in tickets]
    assert torch.equal(again, logits)
    assert torch.equal(same, gradient)
    assert torch.equal(scored, scores)
    assert gradient.abs().max() > 0
    assert together == apart
    assert {"forward", "backward"} <= interrupting.places


@pytest.mark.parametrize("way", [FLOAT32, PANELS], ids=str)
def test_replies_go_first_within_a_score_and_within_a_lessons_own_questions(way: Way) -> None:
    engine = engine_of(way, "llama")
    slot = stirred(engine.bank, seed=1)
    asked = requests([slot, None])
    alone = [told(completion) for completion in Decoder(engine).generate(asked)]
    served, own = Decoder(engine), Decoder(engine, kind="study")
    interrupting = Interrupting(served)
    engine.scheduler.serve(interrupting)

    def questions() -> list[Completion]:
        tickets.extend(served.submit(request) for request in asked)
        engine.scheduler.wake()
        return own.generate(asked)

    tickets: list[Ticket] = []
    found = engine.run(questions)
    assert [told(completion) for completion in found] == alone
    assert [told(ticket.result()) for ticket in tickets] == alone
    assert interrupting.places == {"scoring"}
