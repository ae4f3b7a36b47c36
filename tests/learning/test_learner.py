"""The learner of a stream, over a prior of a few thousand parameters."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_priors import tiny_engine

from liveoak.adapters import digest
from liveoak.engine import Engine
from liveoak.errors import BadSettings, LearningError, StorageError
from liveoak.learning.arms import ARMS, LearnerSettings
from liveoak.learning.learner import Learner
from liveoak.learning.lived import Lived
from liveoak.learning.scoring import answer_loss, costs, demonstration_loss
from liveoak.records import Origin, Rendered, Span
from liveoak.signals import Acted, Balance, BalanceSettings, Episode, RewardSettings, Source
from liveoak.signals.balance import Recent

SMALL = LearnerSettings(rank=4, rate=1e-2, parts=1)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return tiny_engine()


def lived(number: int, *, action: int = 65, seen: int = 97, worth: float | None = 0.0, logprob: float = -5.0) -> Lived:
    """Asked 10 11, the agent says one token, and the world answers with two, of which the second is always 46."""
    ids = (10, 11, action, 258, seen, 46)
    spans = (
        Span(origin=Origin.GIVEN, start=0, end=2),
        Span(origin=Origin.ACTED, start=2, end=3),
        Span(origin=Origin.SCAFFOLD, start=3, end=4),
        Span(origin=Origin.OBSERVED, start=4, end=6),
    )
    acted = Acted(turn=f"t{number}", places=(2,), logprobs=(logprob,), reward=worth)
    episode = Episode(id=str(number), rendered=Rendered(ids=ids, spans=spans), acted=(acted,))
    return Lived(episode=episode, world="w", group="0")


def shown(number: int, action: int) -> Lived:
    one = lived(number, action=action, worth=None)
    spans = tuple(replace(s, origin=Origin.DEMONSTRATED) if s.start == 2 else s for s in one.episode.rendered.spans)
    rendered = replace(one.episode.rendered, spans=spans)
    return replace(one, episode=Episode(id=f"s{number}", rendered=rendered, acted=()))


def pair() -> list[Lived]:
    return [lived(0, action=65, seen=97, worth=1.0), lived(1, action=66, seen=98, worth=0.0)]


def chance(engine: Engine, learner: Learner, one: Lived, place: int) -> float:
    """-log p of one token."""
    return costs(engine, learner.slot, [one], [[place]])[0][place]


def test_the_report_counts_what_was_credited(engine: Engine):
    report = Learner(engine, replace(SMALL, transition="answers")).learn(pair())
    assert report.credited == {"reward": 2, "transition": 4}
    assert (report.steps, report.groups, report.silent, report.reward) == (1, 1, (), 0.5)
    assert report.weights == {"w": 0.3}
    # Two sequences of 5 tokens, each run once for both signals.
    assert report.processed == 10


def test_reward_makes_what_was_better_likelier_and_transition_what_followed(engine: Engine):
    learner = Learner(engine, SMALL)
    one, other = pair()
    before = [chance(engine, learner, one, place) for place in (2, 4)] + [chance(engine, learner, other, 2)]
    fresh = [replace(e, episode=replace(e.episode, acted=_as_sampled(engine, learner, e))) for e in (one, other)]
    learner.learn(fresh)
    after = [chance(engine, learner, one, place) for place in (2, 4)] + [chance(engine, learner, other, 2)]
    assert after[0] < before[0]
    assert after[1] < before[1]
    assert after[2] > before[2]


def _as_sampled(engine: Engine, learner: Learner, one: Lived) -> tuple[Acted, ...]:
    logprob = -chance(engine, learner, one, 2)
    return (replace(one.episode.acted[0], logprobs=(logprob,)),)


def test_a_group_without_variance_says_so_and_teaches_what_followed(engine: Engine):
    same = [lived(0, worth=1.0), lived(1, worth=1.0)]
    alone = Learner(engine, replace(SMALL, transition="off"))
    report = alone.learn(same)
    assert report.silent == ("all 2 rewarded episodes were worth the same",)
    assert (report.steps, alone.slot.steps) == (0, 0)
    both = Learner(engine, SMALL)
    assert both.learn(same).steps == both.slot.steps == 1


def test_episodes_are_compared_by_group_or_by_world(engine: Engine):
    apart = [replace(one, group=str(number)) for number, one in enumerate(pair())]
    assert len(Learner(engine, replace(SMALL, transition="off")).learn(apart).silent) == 2
    assert Learner(engine, replace(SMALL, transition="off", compare="world")).learn(apart).silent == ()


def test_naive_drowns_actions_in_one_mean(engine: Engine):
    """Two actions beside four observed tokens have a third of the weight; with a mean of its own, reward has all."""
    learner = Learner(engine, replace(SMALL, transition="naive"))
    learner.learn(pair())
    update = learner._update  # pyright: ignore[reportPrivateUsage]
    assert update.alphas["reward"] == pytest.approx(1 / 3)
    assert update.alphas["transition"] == pytest.approx(2 / 3)
    own = Learner(engine, SMALL)
    own.learn(pair())
    assert "reward" not in own._update.alphas  # pyright: ignore[reportPrivateUsage]


def test_demonstrations_are_imitated_and_what_followed_them_is_learned(engine: Engine):
    learner = Learner(engine, replace(ARMS["imitation"], rank=4, rate=1e-2, parts=1, transition="answers"))
    examples = [shown(n, 70) for n in range(4)]
    before = demonstration_loss(engine, learner.slot, examples), answer_loss(engine, learner.slot, examples)
    for _ in range(8):
        report = learner.learn(examples)
    after = demonstration_loss(engine, learner.slot, examples), answer_loss(engine, learner.slot, examples)
    assert report.credited == {"imitation": 4, "transition": 8}
    assert before[0] is not None and after[0] is not None and before[1] is not None and after[1] is not None
    assert after[0] < before[0] / 2
    assert after[1] < before[1] / 2
    assert report.reward is None


def test_nothing_is_selected_before_the_reference_knows_more(engine: Engine):
    """At first both know nothing, so that nothing is left to learn by the measure; then the reference leads."""
    settings = replace(ARMS["selected"], rank=4, rate=1e-2, parts=1, reward=False, balance=None)
    learner = Learner(engine, settings)
    assert learner.reference is not None
    first = learner.learn(pair())
    assert first.credited == {}
    assert (learner.slot.steps, learner.reference.steps) == (0, 1)
    for _ in range(6):
        last = learner.learn(pair())
    assert last.credited["transition"] > 0
    assert learner.slot.steps > 0


def test_the_past_is_repeated_without_its_rewards(engine: Engine):
    settings = replace(SMALL, replay=1.0, remembered=8)
    learner = Learner(engine, settings)
    first = learner.learn(pair())
    second = learner.learn([lived(2, action=80, seen=100, worth=None)])
    assert learner.memory.past.seen == 3
    assert first.processed == 10
    assert second.processed == 10, "the fresh episode and one of the past"
    assert second.credited == {"transition": 2}, "credit is counted of what is fresh"


def test_old_actions_are_learned_from_by_their_own_weights(engine: Engine):
    """Recorded as far likelier than they are: the truncated weight is exp(-6), not a ratio that is clipped."""
    old = [lived(n, action=65 + n, worth=float(n), logprob=0.0) for n in range(2)]
    learner = Learner(engine, replace(SMALL, transition="off"))
    costs_now = [chance(engine, learner, one, 2) for one in old]
    report = learner.learn(old, stale=True)
    # Credit is -1 and 1; the loss is -credit * p_start / p_old, for the ratio to the start is 1.
    expected = (torch.tensor([-1.0, 1.0]) * -torch.tensor(costs_now).neg().exp()).mean()
    assert report.losses["reward"] == pytest.approx(float(expected), rel=1e-3)


def test_the_anchor_holds_the_agents_own_actions(engine: Engine):
    free, held = (Learner(engine, replace(SMALL, anchor=anchor, rate=3e-3)) for anchor in (0.0, 100.0))
    for learner in (free, held):
        for _ in range(10):
            report = learner.learn(pair())
    assert "anchor" in report.losses
    prior = costs(engine, None, pair(), [[2], [2]])
    moved = [
        sum(abs(chance(engine, learner, one, 2) - was[2]) for one, was in zip(pair(), prior, strict=True))
        for learner in (free, held)
    ]
    assert moved[1] < moved[0] / 3


def test_what_foretelling_weighs_is_found_in_each_world(engine: Engine):
    """In one world the same answers follow the actions that pay, in the other they are noise."""
    quick = BalanceSettings(steps=2, margin=0.0)
    learner = Learner(engine, replace(SMALL, balance=quick, parts=2, passes=2))
    for number in range(6):
        first = [lived(2 * number + n, action=65 + n, seen=97, worth=float(n == 0)) for n in range(2)]
        other = [
            replace(lived(40 + 2 * number + n, action=65 + n, seen=100 + (number + n) % 7, worth=0.5), world="other")
            for n in range(2)
        ]
        report = learner.learn([*first, *other])
        assert set(report.weights) == {"w", "other"}
        assert all(0 <= weight <= quick.most for weight in report.weights.values())
    balances = learner.memory.balances
    assert min(balances["w"].seen, balances["other"].seen) > 8
    assert balances["w"].told_other != balances["other"].told_other


def test_a_balanced_step_without_weight_is_that_of_reward_alone(engine: Engine):
    """So that foretelling that has gained nothing yet has changed nothing yet."""
    never = BalanceSettings(steps=10**6)
    both, alone = (
        Learner(engine, settings, seed=5)
        for settings in (replace(SMALL, balance=never), replace(SMALL, transition="off", balance=None))
    )
    for learner in (both, alone):
        report = learner.learn(pair())
        assert report.steps
    assert torch.equal(both.slot.master, alone.slot.master)
    assert "transition" in both.learn(pair()).losses, "what was foretold is told all the same"


def test_where_rewards_tell_nothing_what_is_observed_is_learned(engine: Engine):
    """A group without variance teaches through the other signals, balanced or not."""
    learner = Learner(engine, replace(SMALL, balance=BalanceSettings(), rate=1e-2))
    alike = [lived(0, worth=1.0), lived(1, worth=1.0)]
    reports = [learner.learn(alike) for _ in range(4)]
    assert all(report.silent and report.steps for report in reports)
    assert reports[-1].losses["transition"] < reports[0].losses["transition"]


def test_a_balanced_update_that_diverges_says_so(engine: Engine):
    learner = Learner(engine, replace(SMALL, balance=BalanceSettings(), parts=2))
    learner.learn(pair())
    learner.slot.master.fill_(math.nan)
    engine.run(learner.slot.publish)
    with pytest.raises(LearningError, match="diverged"):
        learner.learn(pair())


def test_a_balanced_step_is_the_sum_of_its_parts(engine: Engine):
    """With the weight at its bound, the gradient followed is doing's and `most` of foretelling's: the fixed way's."""
    given = Recent(weights=9.0, squares=9.0, total=9e9, total_of_squares=9e18)
    ones = Recent(weights=9.0, squares=9.0, total=9.0, total_of_squares=9.0)
    sure = Balance(
        settings=BalanceSettings(margin=0.0), seen=9, told_other=given, done_other=ones, told_told=ones, done_done=ones
    )
    settings = replace(SMALL, weight=0.3, parts=1)
    fixed, found = (Learner(engine, replace(settings, balance=one), seed=5) for one in (None, sure.settings))
    found.memory = replace(found.memory, balances={"w": sure})
    for learner in (fixed, found):
        learner.learn(pair())
    assert torch.allclose(found.slot.master, fixed.slot.master, rtol=0, atol=1e-5)
    assert not torch.equal(found.slot.master, Learner(engine, settings, seed=5).slot.master)


def test_of_a_contest_what_won_is_imitated_whoever_won(engine: Engine):
    """The agent won by 65 and lost by 66, to a rival who did 70. What is imitated gains most."""
    rival = shown(9, 70)
    won, lost = (replace(one, contested=True, beside=(rival,)) for one in pair())
    settings = replace(SMALL, reward=False, transition="off", advice=False, winners=1.0)
    gained: dict[bool, list[float]] = {}
    for rivals in (True, False):
        learner = Learner(engine, replace(settings, rivals=rivals))
        places = ((won, 2), (lost, 2), (rival, 2))
        before = [chance(engine, learner, one, place) for one, place in places]
        report = learner.learn([won, lost])
        assert set(report.losses) == {"winners"} and report.reward == 0.5
        likelier = [was - chance(engine, learner, one, place) for (one, place), was in zip(places, before, strict=True)]
        gained[rivals] = likelier
        assert likelier[0] > max(0, likelier[1])
    assert gained[True][2] > 2 * gained[False][2]
    # Nothing of it where nobody plays against the agent.
    assert Learner(engine, settings).learn(pair()).steps == 0


def test_what_it_is_sure_to_do_is_not_imitated_once_more(engine: Engine):
    won, lost = (replace(one, contested=True) for one in pair())
    settings = replace(SMALL, rate=3e-2, reward=False, transition="off", advice=False, winners=1.0)
    learner = Learner(engine, replace(settings, sure=1.0))
    likely = 0.0
    for _ in range(40):
        learner.learn([won, lost])
        likely = math.exp(-chance(engine, learner, won, 2))
        if likely > 0.1:
            break
    assert 0.1 < likely < 0.999
    for sure, steps in ((likely - 0.01, 0), (likely + 0.01, 1)):
        again = Learner(engine, replace(settings, sure=sure), slot=learner.slot, memory=learner.memory)
        assert min(1, again.learn([won, lost]).steps) == steps
    with pytest.raises(BadSettings, match="probability"):
        replace(settings, sure=0.0)


BALANCED = replace(ARMS["both"], balance=BalanceSettings(steps=2, margin=0.0))
VALUED = replace(ARMS["reward"], rewarded=RewardSettings(baseline="value"))
CONTESTING = replace(ARMS["winners"], winners=0.5)


@pytest.mark.parametrize(
    "arm", [BALANCED, ARMS["selected"], VALUED, CONTESTING], ids=["both", "selected", "value", "winners"]
)
def test_a_learner_goes_on_from_where_it_was_kept(engine: Engine, tmp_path: Path, arm: LearnerSettings):
    settings = replace(arm, rank=4, rate=1e-2, replay=1.0, remembered=3)

    def rounds(learner: Learner, start: int, end: int) -> list[str]:
        for number in range(start, end):
            episodes = [
                lived(4 * number + n, action=65 + n, seen=97 + n, worth=float(n == number % 4)) for n in range(4)
            ]
            if arm is CONTESTING:
                rival = replace(shown(number, 71 + number), group="r")
                episodes = [replace(one, contested=True, beside=(rival,)) for one in episodes]
            by = "ann" if number % 2 else "ben"
            learner.learn([*episodes, replace(shown(number, 70), source=Source(author=by, kind="trace"))])
        return [digest(slot) for slot in (learner.slot, learner.reference) if slot is not None]

    whole = Learner(engine, settings, seed=3)
    first = Learner(engine, settings, seed=3)
    rounds(whole, 0, 3), rounds(first, 0, 3)
    first.save(tmp_path / "kept")
    again = Learner.resume(engine, settings, tmp_path / "kept", seed=3)
    assert again.memory == first.memory
    assert len(again.memory.standing.records) == 2
    assert bool(again.memory.values) == (arm is VALUED)
    assert bool(again.memory.wins.own.kept) == bool(again.memory.wins.rivals.kept) == (arm is CONTESTING)
    assert rounds(again, 3, 6) == rounds(whole, 3, 6)
    assert again.memory == whole.memory
    with pytest.raises(StorageError, match="exists"):
        first.save(tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("damage", ["memory", "weights", "missing"])
def test_a_damaged_folder_is_told(engine: Engine, tmp_path: Path, damage: str):
    learner = Learner(engine, SMALL)
    learner.learn(pair())
    learner.save(tmp_path / "kept")
    if damage == "memory":
        path = tmp_path / "kept" / "memory.json"
        told = json.loads(path.read_text())
        path.write_text(json.dumps({**told, "content": told["content"].replace('"calls": 1', '"calls": 2')}))
    elif damage == "weights":
        path = tmp_path / "kept" / "slot" / "adapter.safetensors"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    else:
        (tmp_path / "kept" / "memory.json").unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        Learner.resume(engine, SMALL, tmp_path / "kept")


def test_an_update_that_diverged_is_told_and_changes_nothing(engine: Engine):
    learner = Learner(engine, SMALL)
    before = digest(learner.slot)
    broken = [lived(0, worth=1.0), lived(1, action=66, worth=0.0, logprob=float("nan"))]
    with pytest.raises(LearningError):
        learner.learn(broken)
    assert learner.slot.steps == 0
    assert digest(learner.slot) == before


@pytest.mark.parametrize(
    "bad",
    [
        {"rate": 0.0},
        {"rank": 0},
        {"replay": -1.0},
        {"reward": False, "transition": "off", "imitation": False, "advice": False},
    ],
)
def test_settings_that_mean_nothing_are_refused(bad: dict[str, object]):
    with pytest.raises(BadSettings):
        LearnerSettings(**bad)  # type: ignore[arg-type]
