"""A harmful demonstrator beside a helpful one: who gains nothing loses weight, and is refused."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from liveoak.adapters import digest
from liveoak.engine import Decoder, Engine, Request
from liveoak.engine import Sequence as Tokens
from liveoak.learning.arms import LearnerSettings
from liveoak.learning.learner import Learner, Report
from liveoak.learning.lived import Lived
from liveoak.learning.trying import agreement, heeding
from liveoak.priors import load_prior
from liveoak.records import Credit, Origin, Rendered, Sampling, Span
from liveoak.signals import Acted, Episode, Source, StandingSettings

ASKED = (104, 111, 63)
GOOD, BAD = range(128), range(128, 256)
"""Actions by what they are worth: 1 or 0."""
ANN, BEN = (Source(author=name, kind="trace") for name in ("ann", "ben"))
IMITATION = LearnerSettings(rank=4, rate=2e-3, parts=1, reward=False, transition="off", compare="world")


def test_agreement_is_a_correlation_and_few_episodes_are_hardly_believed():
    worths = (1.0, 0.0, 0.0, -1.0)
    assert agreement(worths, [2 * worth - 7 for worth in worths], 16) == pytest.approx(0.5)
    assert agreement(worths, [-worth for worth in worths], 48) == pytest.approx(-0.75)
    assert agreement(worths, (1.0, 0.0, -2.0, 1.0), 16) == pytest.approx(0.0)
    # Centred they are (1, 0, 0, -1) and (1, 1, -1, -1): 2 / (sqrt(2) * 2), and 1 of 17 parts of it.
    assert agreement(worths, (3.0, 3.0, 1.0, 1.0), 1) == pytest.approx(0.5**0.5 / 17)


def test_who_heeded_and_fared_better_speaks_for_the_advice():
    def one(worth: float | None, *heeded: bool | None) -> tuple[Lived, Credit]:
        acted = tuple(
            Acted(turn=str(n), places=(3 + n,), logprobs=(-1.0,), reward=worth, heeded=did)
            for n, did in enumerate(heeded)
        )
        ids = (*ASKED, *range(65, 65 + len(heeded)))
        spans = (Span(origin=Origin.GIVEN, start=0, end=3), Span(origin=Origin.ACTED, start=3, end=len(ids)))
        episode = Episode(id="e", rendered=Rendered(ids=ids, spans=spans), acted=acted)
        weights = (0.0, 0.0, 0.0, *[worth or 0.0] * len(heeded))
        return Lived(episode=episode, world="w", group="g"), Credit(signal="reward", weights=weights)

    def gain(*those: tuple[Lived, Credit]) -> float | None:
        return heeding([lived for lived, _ in those], [credit for _, credit in those])

    # A perfect correlation, of two episodes among sixteen that say nothing.
    assert gain(one(1.0, True), one(-1.0, False)) == pytest.approx(2 / 18)
    assert gain(one(1.0, True, None), one(-1.0, None, False)) == pytest.approx(2 / 18), "what was not named is no part"
    assert gain(one(1.0, False), one(-1.0, True)) == pytest.approx(-2 / 18)
    assert gain(one(1.0, True, False), one(-1.0, True, False)) == pytest.approx(0.0)
    assert gain(one(1.0, True), one(-1.0, True)) is None, "all heeded"
    assert gain(one(1.0, True), one(1.0, False)) is None, "rewards tell nothing"
    assert gain(one(None, True), one(None, False)) is None, "nobody rewarded"
    assert gain(one(1.0, None), one(-1.0, None)) is None
    assert gain() is None


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


def live(engine: Engine, learner: Learner, round_: int, count: int = 64) -> list[Lived]:
    requests = [
        Request(ids=ASKED, slot=learner.slot, sampling=Sampling(max_tokens=1, seed=count * round_ + number))
        for number in range(count)
    ]
    found: list[Lived] = []
    for number, done in enumerate(Decoder(engine).generate(requests)):
        (drawn,) = done.drawn
        acted = Acted(turn=f"turn_{number}", places=(3,), logprobs=(drawn.logprob,), reward=float(drawn.id in GOOD))
        found.append(_one(str(number), drawn.id, Origin.ACTED, (acted,)))
    return found


def show(source: Source, actions: Sequence[int], round_: int, count: int = 32) -> list[Lived]:
    rng = random.Random(f"{source.author}/{round_}")
    return [
        replace(_one(f"{source.author}{number}", action, Origin.DEMONSTRATED, ()), source=source)
        for number, action in enumerate(rng.sample(actions, count))
    ]


def _one(id: str, action: int, origin: Origin, acted: tuple[Acted, ...]) -> Lived:
    spans = (Span(origin=Origin.GIVEN, start=0, end=3), Span(origin=origin, start=3, end=4))
    rendered = Rendered(ids=(*ASKED, action), spans=spans)
    return Lived(episode=Episode(id=id, rendered=rendered, acted=acted), world="w", group=id)


def mass(engine: Engine, learner: Learner) -> float:
    """The probability of an action that is rewarded."""
    with torch.inference_mode():
        logits = engine.logits([Tokens(ids=ASKED, slot=learner.slot, wanted=(2,))])
    return float(logits.softmax(-1)[0, : GOOD.stop].sum())


def lived_through(engine: Engine, settings: LearnerSettings, rounds: int = 12) -> tuple[Learner, list[Report]]:
    learner = Learner(engine, settings)
    reports = [
        learner.learn([*live(engine, learner, round_), *show(ANN, GOOD, round_), *show(BEN, BAD, round_)])
        for round_ in range(rounds)
    ]
    return learner, reports


def test_who_does_harm_is_refused_and_who_helps_is_kept(engine: Engine):
    """Both are imitated at first. Without rewards as a signal, only whom to imitate is learned from them."""
    learner, reports = lived_through(engine, IMITATION)
    first, last = reports[0], reports[-1]
    assert first.credited == {"imitation": 64} and first.refused == ()
    assert last.credited == {"imitation": 32}, "what one of the two showed has no credit any more"
    (why,) = last.refused
    assert "traces of 'ben' has gained -0." in why
    assert last.standing[BEN] == 0
    assert all(report.standing[ANN] > 0.5 for report in reports)
    known = learner.memory.standing
    assert known.gain(BEN) < 0 < known.gain(ANN)
    assert (last.groups, last.silent) == (0, ())
    trusting, told = lived_through(engine, replace(IMITATION, standing=None))
    assert all(report.standing == {} and report.refused == () for report in told)
    assert mass(engine, learner) > 0.6 > 0.55 > mass(engine, trusting)


def test_whom_nobody_can_judge_is_imitated_as_ever(engine: Engine):
    """Neither without rewards nor with rewards that are all alike is anything known of anybody."""
    learner = Learner(engine, IMITATION)
    lived = live(engine, learner, 0)
    unrewarded, alike = (
        [
            replace(one, episode=replace(one.episode, acted=(replace(one.episode.acted[0], reward=worth),)))
            for one in lived
        ]
        for worth in (None, 1.0)
    )
    nobody = [replace(one, source=None) for one in show(BEN, BAD, 0)]
    for others in ([], unrewarded, alike):
        report = learner.learn([*others, *show(BEN, BAD, 0), *nobody])
        assert report.standing == {BEN: 1} and report.credited == {"imitation": 64}
    assert learner.memory.standing.records == {}


def test_trying_somebody_changes_no_weight(engine: Engine):
    """All who could be imitated are refused at once, so that nothing is learned though everybody is tried."""
    learner = Learner(engine, replace(IMITATION, standing=StandingSettings(expected=1, refused=0.99)))
    before = digest(learner.slot)
    report = learner.learn([*live(engine, learner, 0), *show(BEN, BAD, 0)])
    assert len(report.refused) == 1 and report.steps == 0
    assert digest(learner.slot) == before
    assert learner.memory.standing.records[BEN].count == 1
