"""The experiments on lives with made-up cells: what is counted, compared and claimed, by hand."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from liveoak.config import Settings
from liveoak.lab.lives import bits, drift, prior_or_scratch, stages_or_stream
from liveoak.lab.lives.grid import Done
from liveoak.lab.lives.levers import Levers
from liveoak.lab.lives.life import Life
from liveoak.lab.order import Order
from liveoak.lab.report import write_report
from liveoak.lab.results import Results
from liveoak.runtime.bit_meter import KINDS
from liveoak.worlds import RuledWorld, seeds

Made = Callable[[str, Life], dict[str, float]]


def run(module: Any, made: Made, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int = 3) -> Results:
    def instead(name: str, order: Order, cells: Mapping[str, tuple[str, Life]], work: object) -> Done:
        return Done(figures={part: made(arm, life) for part, (arm, life) in cells.items()}, failed=())

    monkeypatch.setattr(module, "run_lives", instead)
    return module.experiment(Order(settings=Settings(home=folder), count=count, folder=folder, tell=print))


def rising(until: int, life: Life, best: float = 1.0) -> dict[str, float]:
    """A life whose score is 0 (in nim -1) until some number of episodes, and the best from then on."""
    rounds = range(life.together, life.episodes + 1, life.together)
    scores = {f"score@{at}": best if at > until else -float(life.world == "nim") for at in rounds}
    return scores | {"exam@0": 0.0, f"exam@{life.episodes}": best, "cell_seconds": 1.0}


def test_what_somebody_else_did_is_held_to_the_goal_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def made(arm: str, life: Life) -> dict[str, float]:
        slow = arm != "both" or life.world == "nim"
        return rising(240 if slow else 32, life)

    results = run(bits, made, tmp_path, monkeypatch)
    assert results.config["unsolved"] == []
    assert results.arms["nim, both"]["episodes_ratio"].value == 1
    assert not results.config["claims"]["nim: both need at most half the episodes of reward alone"]
    assert results.metrics["episodes_ratio_both_vs_reward"].value == 1
    assert results.config["worst_world"] == "nim"
    assert results.metrics["episodes_ratio_where_named"].value < 0.5


def test_the_ratio_is_that_of_the_worst_world_that_somebody_solves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def made(arm: str, life: Life) -> dict[str, float]:
        # A score is the mean of 96 episodes: of six rounds here, of which four are enough for 60 % of the way.
        until = {"reward": 240, "both": 80 if life.world == "journey" else 32}.get(arm, 240)
        if life.world == "nim":
            until = life.episodes
        silent = life.world == "bandit" or (life.world == "rooms" and "advice" not in life.options)
        found = rising(life.episodes if silent and arm == "both" else until, life)
        if arm == bits.PEER:
            return found
        read = {f"{kind}@{at}": nats for kind in KINDS for at, nats in ((0, 9.0), (life.episodes, 2.0))}
        # More than outcomes hold, which is no wonder but where rewards alone are learned from.
        learned = {f"bits_{kind}": 0.5 for kind in KINDS} if arm != "reward" or life.world == "nim" else {}
        return found | read | learned | {"outcome_bits": 0.25}

    results = run(bits, made, tmp_path, monkeypatch)
    assert results.arms["rooms without advice, both"]["episodes_ratio"].value > 0.5, "told, but no part of the goal"
    # journey: thresholds lie at 0.6 of 1, reached with four rounds of six: 80 + 64 against 240 + 64.
    assert results.metrics["episodes_ratio_both_vs_reward"].value == pytest.approx(144 / 304)
    assert results.metrics["episodes_ratio_where_named"].value == pytest.approx(144 / 304)
    assert results.config["worst_world"] == "journey"
    assert results.config["unsolved"] == ["nim"], "nobody gets there, so that nothing is measured"
    assert not results.config["claims"]["nim: both need at most half the episodes of reward alone"]
    assert {"rooms, foretold", "journey, advice"} <= results.arms.keys()
    assert "bandit, foretold" not in results.arms, "where nothing is said of what was right, it is `both`"
    assert results.arms["rooms, both"]["episodes_ratio"].value < results.arms["journey, both"]["episodes_ratio"].value
    assert results.metrics["bits_answers"].value == pytest.approx(0.5)
    assert results.config["claims"]["journey: both need at most half the episodes of reward alone"]
    assert not results.config["claims"]["journey: the naive loss ends lower than both"]
    assert f"bandit, {bits.PEER}" in results.arms and f"rooms, {bits.PEER}" not in results.arms
    page, plot = write_report(results, tmp_path)
    for kind in ("the world's answers", "an expert's choices", "how episodes end"):
        assert f"journey: bits learned of {kind}" in html.unescape(page.read_text())
    assert plot.stat().st_size > 1000
    bound = {
        world: results.config["claims"][f"{world}: reward alone learns no more bits than outcomes hold"]
        for world in ("nim", "rooms")
    }
    assert bound == {"nim": False, "rooms": True}


def test_the_peer_and_reward_alone_live_the_same_life():
    cells, names = bits.lives(range(1), quick=False)
    by_arm = {arm: cells[part] for part, (world, arm, _) in names.items() if world == "bandit"}
    assert by_arm[bits.PEER] == by_arm["reward"] != by_arm["both"]
    ruled = [life for life in bits.lives(range(3), quick=True)[0].values() if life.world != "nim"]
    assert {life.options["rule"] for life in ruled} == {0, 1, 2}


def test_where_curves_cross_is_counted_and_never_is_the_whole_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def made(arm: str, life: Life) -> dict[str, float]:
        begins = {"nothing": 0.0, "expert": 0.9, "mediocre": 0.4, "expert, then as it is": 0.9}[arm]
        ends = {"nothing": 0.8, "expert": 1.0, "mediocre": 0.7, "expert, then as it is": 0.9}[arm]
        return rising(64, life) | {
            "exam@0": begins,
            f"exam@{life.episodes // 2}": (begins + ends) / 2,
            f"exam@{life.episodes}": ends,
        }

    results = run(prior_or_scratch, made, tmp_path, monkeypatch)
    mediocre, expert = results.arms["rooms, mediocre"], results.arms["rooms, expert"]
    assert mediocre["crossed"].value == 1 and mediocre["episodes_to_cross"].value == 480
    assert expert["crossed"].value == 0 and expert["episodes_to_cross"].value == 480
    assert results.metrics["crossed"].value == pytest.approx(0.5)
    assert results.arms["rooms, nothing"]["solver_share"].value == pytest.approx(0.8)
    assert results.config["claims"]["rooms: living adds to an expert's demonstrations"]
    assert not results.config["claims"]["rooms: mediocre demonstrations end no lower than an expert's"]
    near = {arm: results.config["claims"][f"rooms: {arm} ends near the solver"] for arm in ("expert", "nothing")}
    assert near == {"expert": True, "nothing": False}, "0.8 is less than 0.8 of the way from guessing to 1"


def test_a_mean_that_one_seed_lifts_is_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def made(arm: str, life: Life) -> dict[str, float]:
        lifted = arm == "expert" and life.seed == 0
        return rising(64, life) | {f"exam@{life.episodes}": 0.9 if lifted else 0.5 + 0.01 * life.seed}

    claims = run(prior_or_scratch, made, tmp_path, monkeypatch).config["claims"]
    assert not claims["rooms: living adds to an expert's demonstrations"]
    assert not claims["rooms: an expert's demonstrations end higher than nothing"]
    assert claims["rooms: mediocre demonstrations end no lower than an expert's"]


def test_stages_share_the_episodes_of_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cells, names = stages_or_stream.lives(range(1), quick=False)
    for world, options in stages_or_stream.PLACES.items():
        lengths = {life.episodes for part, life in cells.items() if names[part][0] == world}
        assert lengths == {options[1]}
    staged = next(life for part, life in cells.items() if names[part][1] == "stages")
    first, second = (stage.settings for stage in staged.stages)
    assert first is not None and second is not None
    assert not first.reward and first.transition == "answers"
    assert second.reward and second.transition == "off"

    def made(arm: str, life: Life) -> dict[str, float]:
        return rising({"reward": 640, "stages": 960, "stream": 320, "adaptive": 320}[arm], life)

    results = run(stages_or_stream, made, tmp_path, monkeypatch)
    # In rooms guessing is so good that the threshold takes three rounds of three, and the ratio is the worse one.
    assert results.metrics["episodes_ratio"].value == pytest.approx((320 + 96) / (640 + 96))
    assert results.arms["journey, adaptive"]["episodes_ratio"].value == pytest.approx((320 + 64) / (640 + 64))
    assert results.arms["journey, stages"]["episodes_ratio"].value > 1
    assert all(results.config["claims"].values())


def test_a_stream_is_measured_phase_by_phase():
    every = 128
    scores = [0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1]
    cell = {f"score@{32 * (place + 1)}": float(score) for place, score in enumerate(scores)}
    assert drift.phase_scores(cell, 1, every) == [0, 1, 1, 1]
    assert drift.steps_to([0, 1, 1, 1], 0.6) == 96
    assert drift.steps_to([0, 0, 0, 1], 0.6) == 128, "not reached: the whole phase"
    assert drift.recovery(cell, 0.6, every) == pytest.approx((96 + 128 + 96) / 3)


def test_what_a_stream_kept_and_lost_by_hand():
    every = 128
    scores = {f"score@{32 * (place + 1)}": float(place % 4 > 1) for place in range(16)}
    rows = [[0.8, 0.1, 0.8, 0.1], [0.2, 0.7, 0.2, 0.7], [0.9, 0.1, 0.9, 0.1], [0.1, 0.6, 0.1, 0.6]]
    stream = scores | {
        f"task{task}@stage{stage}": value for stage, row in enumerate(rows) for task, value in enumerate(row)
    }
    fresh = {f"score@{32 * place}": 1.0 for place in range(1, 5)} | {"task3@stage0": 0.9, "exam@0": 0.3}
    found = drift.stream_figures({0: stream}, {0: fresh}, 0.6, every)
    assert found["average_score"].value == pytest.approx(0.35)
    assert found["forgetting"].value == pytest.approx((0.8 + 0.1 + 0.8) / 3)
    assert found["backward_transfer"].value == pytest.approx((-0.7 - 0.1 - 0.8) / 3)
    assert found["intransigence"].value == pytest.approx(0.9 - 0.6)
    assert found["forward_transfer"].value == pytest.approx(0.1 - 0.3)
    assert found["plasticity_loss"].value == pytest.approx(128 - 96)


def drifting(arm: str, life: Life, forgotten: Mapping[str, list[float]]) -> dict[str, float]:
    """A stream that learned each phase to 0.9 and kept of the first three what `forgotten` left of them."""
    rounds = range(life.together, life.episodes + 1, life.together)
    scores = {f"score@{at}": 0.7 for at in rounds} | {"exam@0": 0.3}
    if arm == drift.FRESH:
        return scores | {"task3@stage0": 0.9}
    end = 0.9 - forgotten[arm][life.seed]
    return scores | {
        f"task{task}@stage{stage}": end if task < stage == 3 else 0.9 for task in range(4) for stage in range(4)
    }


def test_forgetting_is_compared_by_seed_and_a_mean_alone_is_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    forgotten = {arm: [0.2, 0.4, 0.6] for arm in drift.REMEDIES}
    # By 0.1 in every seed, though seeds differ by more; and by 0.1 in the mean, of one seed alone.
    forgotten |= {"renewed": [0.1, 0.3, 0.5], "replay": [0.2, 0.4, 0.3]}
    results = run(drift, lambda arm, life: drifting(arm, life, forgotten), tmp_path, monkeypatch)
    assert results.arms["levers, renewed"]["forgetting_over_plain"].value == pytest.approx(-0.1)
    assert results.arms["levers, replay"]["forgetting_over_plain"].value == pytest.approx(-0.1)
    claims = results.config["claims"]
    assert claims["renewed forgets less than the plain stream"]
    assert not claims["replay forgets less than the plain stream"]
    assert not claims["renewed learns the last rules sooner than the plain stream"]
    assert not claims["the plain stream lost plasticity"] and claims["anchor costs no score"]
    assert "plain forgets less than the plain stream" not in claims


def test_the_last_phase_was_never_met_before():
    """Its rules are other than those of all phases before on every colour, so that nothing met is of use."""
    made = RuledWorld(Levers(every=40, stream=3, course=drift.COURSE))
    good: list[dict[str, str]] = []
    for phase in range(drift.PHASES):
        told: dict[str, str] = {}
        for seed in seeds("train", 40, start=phase * 40):
            colour = made.reset(seed).split()[0]
            told[colour] = made.expert() or ""
        good.append(told)
    assert good[0] == good[2] != good[1], "the rules come back once"
    assert all(good[3][colour] != earlier[colour] for earlier in good[:3] for colour in earlier)


def test_phases_are_whole_rounds_and_who_begins_fresh_begins_with_the_last():
    for quick, every in ((True, drift.QUICK_EVERY), (False, drift.EVERY)):
        cells, names = drift.lives(range(1), quick=quick)
        plain = next(life for part, life in cells.items() if names[part][1] == "plain")
        fresh = next(life for part, life in cells.items() if names[part][1] == "fresh")
        assert every % drift.TOGETHER == 0 and plain.episodes == drift.PHASES * every
        assert plain.options["every"] * plain.group == every, "the world counts seeds, of which a group shares one"
        assert fresh.begun == (drift.PHASES - 1) * every
        assert plain.examined <= plain.options["every"], "an exam on one phase stays in it"
