"""Real lives, very short: what is measured of them, and that equal cells are equal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liveoak.adapters import digest
from liveoak.errors import WorldError
from liveoak.lab.lives.life import Figures, Life, Stage, as_config, live
from liveoak.lab.lives.tables import curve_of, within_outcomes
from liveoak.learning.arms import ARMS
from liveoak.runtime.bit_meter import KINDS
from liveoak.runtime.living import Living, Round
from liveoak.worlds import Step


class Mute:
    """A world that does not know what is best in it."""

    name, instructions, rewards, turns = "mute", "Say anything.", (0.0, 1.0), 1

    def reset(self, seed: int) -> str:
        return "well?"

    def step(self, action: str) -> Step:
        return Step(observation="so.", reward=0.0, done=True)


def mute() -> Mute:
    return Mute()


SHORT = Life(
    world="bandit",
    options={"pulls": 1, "rule": 3},
    stages=(Stage(settings=replace(ARMS["both"], rate=3e-3), episodes=64),),
    seed=1,
    together=16,
    readings=2,
    exhibited=4,
    examined=8,
)


@pytest.fixture(scope="module")
def lived() -> Figures:
    return live(SHORT)


def test_a_life_has_scores_exams_and_readings(lived: Figures):
    assert list(curve_of(lived, "score")) == [16, 32, 48, 64]
    assert list(curve_of(lived, "exam")) == [0, 32, 64]
    for kind in ("answers", "choices", "endings"):
        assert list(curve_of(lived, kind)) == [0, 32, 64]
    assert lived["failed"] == 0
    assert 0 < lived["outcome_bits"] <= 1, "one pull is won or lost"


def test_bits_are_those_of_the_readings(lived: Figures):
    answers = curve_of(lived, "answers")
    assert lived["bits_answers"] == pytest.approx((answers[0] - answers[64]) / 0.6931471805599453 / 64)
    assert lived["bits_answers"] > 0.1, "a machine's answers can be foretold but for whether it paid"
    assert curve_of(lived, "endings") == pytest.approx(answers), "an episode of one answer ends with it"


def test_who_learns_from_outcomes_alone_learns_no_more_than_they_hold(lived: Figures):
    """At every reading and of every kind: not so who learns from answers too, whose bits are mostly spelling."""
    rewarded = live(replace(SHORT, stages=(Stage(settings=replace(ARMS["reward"], rate=3e-3), episodes=128),)))
    assert within_outcomes(rewarded) and not within_outcomes(lived)
    for kind in KINDS:
        read = curve_of(rewarded, kind)
        assert list(read) == [0, 64, 128] and read[0] != read[128], "something was learned"
        for episodes, nats in read.items():
            assert (read[0] - nats) / 0.6931471805599453 <= rewarded["outcome_bits"] * episodes


def test_a_choice_among_four_costs_at_most_about_two_bits_at_first(lived: Figures):
    """Among possible actions alone: over the whole vocabulary it would cost eight."""
    assert 0.5 < curve_of(lived, "choices")[0] / 0.6931471805599453 < 4


def test_equal_cells_are_equal(lived: Figures):
    again = live(SHORT)
    assert {**again, "cell_seconds": 0} == {**lived, "cell_seconds": 0}
    assert as_config(SHORT) == as_config(replace(SHORT)) != as_config(replace(SHORT, seed=2))


def test_who_learns_nothing_knows_as_much_afterwards():
    frozen = live(replace(SHORT, stages=(Stage(settings=None, episodes=32),)))
    assert frozen["bits_answers"] == 0 and frozen["bits_choices"] == 0
    assert len(curve_of(frozen, "score")) == 2


def test_demonstrations_come_before_the_first_reading():
    shown = live(replace(SHORT, stages=(Stage(settings=SHORT.stages[0].settings, episodes=0),), shown=64))
    plain = live(replace(SHORT, stages=(Stage(settings=None, episodes=0),)))
    assert curve_of(shown, "choices")[0] < curve_of(plain, "choices")[0]


def test_who_learns_in_stages_goes_on_from_the_same_weights():
    first, second = replace(ARMS["transition"], rate=3e-3), replace(ARMS["reward"], rate=3e-3)
    stages = (Stage(settings=first, episodes=32), Stage(settings=second, episodes=32))
    staged = live(replace(SHORT, stages=stages, readings=4, exams_of=(0, 64)))
    answers = curve_of(staged, "answers")
    assert answers[32] < 0.9 * answers[0]
    assert answers[64] < 0.9 * answers[0], "what the first stage taught is still there after one without it"
    assert {f"task{task}@stage{stage}" for task in (0, 1) for stage in (0, 1)} <= set(staged)


def test_a_stage_without_settings_lives_on_with_the_weights_as_they_are(monkeypatch: pytest.MonkeyPatch):
    """After a stage that learned, which is where a learner is left over that could go on."""
    weights: list[str] = []
    lived_round = Living.round

    def told(self: Living) -> Round:
        done = lived_round(self)
        assert self.slot is not None
        weights.append(digest(self.slot))
        return done

    monkeypatch.setattr(Living, "round", told)
    stages = (SHORT.stages[0], Stage(settings=None, episodes=64))
    staged = live(replace(SHORT, stages=(replace(stages[0], episodes=32), stages[1]), readings=3))
    assert weights[0] != weights[1] and weights[1:] == [weights[1]] * 5
    for kind in ("answers", "choices", "endings"):
        read = curve_of(staged, kind)
        assert read[0] != read[32] == read[64] == read[96]


def test_a_softened_adapter_stays_nearer_to_the_prior():
    shrunk = live(replace(SHORT, keep=0.5))
    assert curve_of(shrunk, "answers")[64] > curve_of(live(SHORT), "answers")[64]


def test_who_is_renewed_learns_all_the_same():
    """What is drawn anew is the least useful of the adapter: it changes the life, and most of what it learns stays."""
    plain, renewed = live(replace(SHORT, readings=1)), live(replace(SHORT, readings=1, renew=1.0))
    learned, left = plain["bits_answers"], renewed["bits_answers"]
    assert left == learned, "nothing of an adapter of four rounds has had time to become useful"
    longer = replace(SHORT, readings=1, renew=0.25, stages=(replace(SHORT.stages[0], episodes=13 * 16),))
    left = live(longer)["bits_answers"]
    learned = live(replace(longer, renew=0.0))["bits_answers"]
    assert left != learned and left > 0.5 * learned


def test_a_world_without_an_expert_cannot_be_metered():
    with pytest.raises(WorldError, match="no expert"):
        live(replace(SHORT, world="test_life:mute", options={}))
