"""The whole way with a real (untrained) prior: sampled by the decoder, credited, learned by the update."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine, Request
from liveoak.engine import Sequence as Tokens
from liveoak.learning.adam import AdamSettings
from liveoak.learning.crediting import credited
from liveoak.learning.objective import Example, losses, normalisers, total
from liveoak.learning.update import Update
from liveoak.priors import load_prior
from liveoak.records import Origin, Rendered, Sampling, Span
from liveoak.signals import Acted, Episode, reward, transition

ASKED = (104, 111, 63)
"""What the world says first."""
ANSWERS = (200, 201)
"""What it says after a rewarded action, and after any other. As actions they would earn nothing."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


def rewarded(action: int) -> bool:
    return action < 128


def live(decoder: Decoder, slot: Slot | None, count: int, seed: int) -> list[Episode]:
    """Episodes of one action, recorded as the decoder gives it, and the world's answer."""
    requests = [
        Request(ids=ASKED, slot=slot, sampling=Sampling(max_tokens=1, seed=seed * count + number))
        for number in range(count)
    ]
    episodes: list[Episode] = []
    for number, done in enumerate(decoder.generate(requests)):
        (drawn,) = done.drawn
        good = rewarded(drawn.id)
        spans = (
            Span(origin=Origin.GIVEN, start=0, end=3),
            Span(origin=Origin.ACTED, start=3, end=4),
            Span(origin=Origin.OBSERVED, start=4, end=5),
        )
        acted = Acted(turn=f"turn_{number}", places=(3,), logprobs=(drawn.logprob,), reward=float(good))
        ids = (*ASKED, drawn.id, ANSWERS[0] if good else ANSWERS[1])
        episodes.append(Episode(id=str(number), rendered=Rendered(ids=ids, spans=spans), acted=(acted,)))
    return episodes


def examples_of(group: list[Episode]) -> list[Example]:
    made = [credited(one.rendered, credit, one.acted) for one, credit in zip(group, reward(group).credits, strict=True)]
    made += [credited(one.rendered, transition(one)) for one in group]
    return sorted((example for example in made if example is not None), key=lambda example: example.ids)


def mass(engine: Engine, slot: Slot | None) -> float:
    """The probability of an action that is rewarded."""
    with torch.inference_mode():
        logits = engine.logits([Tokens(ids=ASKED, slot=slot, wanted=(2,))])
    return float(logits.softmax(-1)[0, :128].sum())


def test_what_the_decoder_recorded_is_what_the_update_starts_from(engine: Engine):
    """At the first step every ratio is 1, so that the reward term is minus the mean advantage: 0 in a group."""
    group = live(Decoder(engine), None, 16, seed=0)
    made = [example for example in examples_of(group) if example.signal == "reward"]
    with torch.inference_mode():
        logits = engine.logits([Tokens(ids=one.ids, wanted=one.wanted) for one in made])
        found = total(losses(made, logits), normalisers(made), {})
    expected = -sum(credit for one in made for credit in one.credit) / len(made)
    assert found.item() == pytest.approx(expected, abs=1e-4)
    assert max(abs(credit) for one in made for credit in one.credit) > 0.3


@pytest.mark.parametrize("seed", range(2))
def test_a_prior_that_knows_nothing_learns_what_to_do_and_what_follows(engine: Engine, seed: int):
    """Though what follows pulls away from what to do, through the weights that both share."""
    decoder = Decoder(engine)
    slot = engine.bank.new_slot(rank=4)
    update = Update(engine, slot, {"transition": 0.1}, AdamSettings())
    before = mass(engine, None)
    followed: list[float] = []
    for round_ in range(10):
        examples = examples_of(live(decoder, slot, 48, seed=1000 * seed + round_))
        followed += [update.step(examples, 5e-3).losses["transition"] for _ in range(2)]
    assert 0.3 < before < 0.7
    assert mass(engine, slot) > 0.75
    assert mass(engine, None) == before
    assert followed[0] > 5
    assert followed[-1] < 1
