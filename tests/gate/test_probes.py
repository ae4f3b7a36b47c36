"""Measurements of candidates, against planted answers and figures summed by hand."""

from __future__ import annotations

import math
import threading
from importlib.resources import files

import pytest
import torch
import torch.nn.functional as F

from liveoak.adapters import Slot
from liveoak.config import GateSettings
from liveoak.engine import Completion, Decoder, Engine, Request
from liveoak.engine import Sequence as Tokens
from liveoak.errors import LiveoakError
from liveoak.gate import Gate, judge
from liveoak.gate.probes import PROMPTS
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import Example
from liveoak.learning.update import Update
from liveoak.records import QA, Message, Origin, Sampling
from liveoak.signals import imitation

QUESTIONS = (QA(question="Where is the key?", answer="oak"), QA(question="Who knocks?", answer="Runa"))


@pytest.fixture(scope="module")
def gate(engine: Engine, decoder: Decoder) -> Gate:
    return Gate(engine, decoder, GateSettings())


@pytest.fixture(scope="module")
def taught(engine: Engine) -> Slot:
    """Gives one answer to whatever it is asked: right once, and bad for all else."""
    slot = engine.bank.new_slot(rank=8)
    update = Update(engine, slot, {}, AdamSettings())
    rendered = engine.tokenizer.render(
        [Message(role="user", content=QUESTIONS[0].question), Message(role="assistant", content="An oak!")],
        origins=[None, Origin.DEMONSTRATED],
    )
    places = [place for place, weight in enumerate(imitation(rendered).weights) if weight]
    example = Example(
        signal="imitation",
        ids=rendered.ids[: places[-1]],
        wanted=tuple(place - 1 for place in places),
        credit=(1.0,) * len(places),
        targets=tuple(rendered.ids[place] for place in places),
    )
    for _ in range(60):
        update.step([example], 1e-2)
    slot.freeze()
    return slot


@pytest.fixture(scope="module")
def harmful(engine: Engine) -> Slot:
    """Expects one letter everywhere."""
    slot = engine.bank.new_slot(rank=4)
    update = Update(engine, slot, {}, AdamSettings())
    text = files("liveoak.gate").joinpath("general.txt").read_text(encoding="utf-8")
    pieces = [engine.tokenizer.encode(text[start : start + 60]) for start in range(0, 480, 60)]
    whole = tuple(range(60))
    examples = [
        Example(signal="imitation", ids=ids, wanted=whole, credit=(1.0,) * 60, targets=(ord("z"),) * 60)
        for ids in pieces
    ]
    for _ in range(12):
        update.step(examples, 2e-2)
    slot.freeze()
    return slot


def scaled(engine: Engine, size: float) -> Slot:
    slot = engine.bank.new_slot(rank=4)
    slot.master.copy_(torch.randn(slot.master.shape, generator=torch.Generator().manual_seed(1)) * size)
    slot.publish()
    return slot


def by_name(gate: Gate, served: Slot | None, candidate: Slot, **asked: tuple[QA, ...]):
    return {probe.name: probe for probe in gate.probe(served, candidate, **{"held_out": (), "earlier": (), **asked})}


def test_recall_counts_planted_answers(gate: Gate, taught: Slot):
    assert gate.recall(taught, QUESTIONS) == 0.5
    assert gate.recall(taught, QUESTIONS[:1]) == 1.0
    assert gate.recall(None, QUESTIONS) == 0.0


def test_a_fresh_slot_changes_nothing(engine: Engine, gate: Gate):
    fresh = engine.bank.new_slot(rank=4)
    assert gate.retention(fresh) == 0.0
    assert gate.divergence(fresh) == 0.0
    assert gate.retention(None) == gate.divergence(None) == 0.0


def test_retention_is_the_change_of_the_mean_loss_on_every_token(engine: Engine, gate: Gate):
    slot = scaled(engine, 0.05)
    text = files("liveoak.gate").joinpath("general.txt").read_text(encoding="utf-8")
    costs: dict[bool, list[float]] = {True: [], False: []}
    for paragraph in text.split("\n\n"):
        ids = engine.tokenizer.encode(paragraph.strip())[:160]
        for learned in (True, False):
            with torch.inference_mode():
                tokens = Tokens(ids=ids, slot=slot if learned else None, wanted=tuple(range(len(ids) - 1)))
                logits = engine.logits([tokens])
                costs[learned] += F.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none").tolist()
    by_hand = sum(costs[True]) / len(costs[True]) - sum(costs[False]) / len(costs[False])
    assert abs(by_hand) > 0.01
    assert gate.retention(slot) == pytest.approx(by_hand, abs=1e-5)
    assert by_name(gate, None, slot)["retention"].n == len(costs[True])


def test_divergence_is_the_mean_kl_over_the_priors_own_replies(engine: Engine, decoder: Decoder, gate: Gate):
    slot = scaled(engine, 0.05)
    terms: list[float] = []
    for prompt in PROMPTS:
        start = engine.tokenizer.render([Message(role="user", content=prompt)], add_generation_prompt=True).ids
        (reply,) = decoder.generate(
            [Request(ids=start, slot=None, sampling=Sampling(temperature=0, max_tokens=24, exact=True))]
        )
        ids = (*start, *(token.id for token in reply.drawn))[:-1]
        wanted = tuple(range(len(start) - 1, len(ids)))
        with torch.inference_mode():
            prior, current = (
                engine.logits([Tokens(ids=ids, slot=which, wanted=wanted)]).log_softmax(-1) for which in (None, slot)
            )
        terms += (prior.exp() * (prior - current)).sum(-1).tolist()
    assert gate.divergence(slot) == pytest.approx(sum(terms) / len(terms), rel=1e-3)
    assert gate.divergence(slot) > 0


def test_damage_grows_with_the_change_and_is_refused(engine: Engine, decoder: Decoder, harmful: Slot):
    # A prior whose logits are small cannot be made much worse than it is: the bound is tighter than the usual one.
    gate = Gate(engine, decoder, GateSettings(max_retention_nats=0.05, max_kl_prior=0.01))
    small, large = by_name(gate, None, scaled(engine, 0.005)), by_name(gate, None, harmful)
    assert small["retention"].passed and small["kl_prior"].passed
    assert not large["retention"].passed and not large["kl_prior"].passed
    verdict = judge(tuple(large.values()), enabled=True)
    assert not verdict.kept
    assert len(verdict.reasons) == 2


def test_which_probes_there_are_and_their_limits(engine: Engine, decoder: Decoder, gate: Gate, taught: Slot):
    everything = by_name(gate, None, taught, held_out=QUESTIONS[:1], earlier=QUESTIONS)
    assert list(everything) == ["recall", "earlier_recall", "retention", "kl_prior"]
    assert (everything["recall"].before, everything["recall"].after, everything["recall"].n) == (0.0, 1.0, 1)
    assert everything["recall"].limit == 0.0 and everything["recall"].passed
    assert everything["earlier_recall"].limit == pytest.approx(-0.2)
    assert list(by_name(gate, None, taught)) == ["retention", "kl_prior"]

    # The same questions from the other side: what is served knows one of two, the candidate none.
    forgetful = by_name(gate, taught, engine.bank.new_slot(rank=4), held_out=QUESTIONS[:1], earlier=QUESTIONS)
    assert (forgetful["earlier_recall"].before, forgetful["earlier_recall"].after) == (0.5, 0.0)
    assert forgetful["earlier_recall"].limit == pytest.approx(0.3)
    assert not forgetful["earlier_recall"].passed
    assert not forgetful["recall"].passed

    patient = Gate(engine, decoder, GateSettings(max_forgetting=0.5, min_recall_gain=-1))
    allowed = by_name(patient, taught, engine.bank.new_slot(rank=4), held_out=QUESTIONS[:1], earlier=QUESTIONS)
    assert allowed["earlier_recall"].passed and allowed["recall"].passed

    greedy = Gate(engine, decoder, GateSettings(min_recall_gain=0.6))
    assert not by_name(greedy, taught, taught, held_out=QUESTIONS[:1])["recall"].passed


def test_a_candidate_that_is_no_number_is_never_served(engine: Engine, gate: Gate):
    broken = engine.bank.new_slot(rank=4)
    broken.master.fill_(math.nan)
    broken.publish()
    assert not judge(gate.probe(None, broken, (), ()), enabled=True).kept
    with pytest.raises(LiveoakError, match="weights are damaged"):
        gate.probe(None, broken, QUESTIONS, ())


def test_many_questions_leave_room_for_other_requests(engine: Engine):
    """A request that comes while the gate asks two hundred questions does not stand behind them all."""
    decoder = Decoder(engine)
    gate = Gate(engine, decoder, GateSettings())
    prompt = engine.tokenizer.render([Message(role="user", content="Hi")], add_generation_prompt=True).ids
    asking = threading.Thread(target=gate.recall, args=(None, [QUESTIONS[0]] * 200))
    asking.start()
    while decoder.running < 8:
        pass
    sampling = Sampling(temperature=0, max_tokens=2)
    ticket = decoder.submit(Request(ids=prompt, slot=None, sampling=sampling, asker="ann"))
    done: Completion = ticket.result()
    assert asking.is_alive(), "the reply came before the gate was through"
    assert len(done.drawn) == 2
    asking.join()
