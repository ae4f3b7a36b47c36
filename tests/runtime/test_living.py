"""Living in a world: seeds, groups, failures, demonstrations, exams."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest
from hostile_worlds import FAULTS, Fragile, Misleading
from tiny_priors import tiny_engine

from liveoak.adapters import digest
from liveoak.engine import Decoder, Engine
from liveoak.errors import BadSettings, LearningError
from liveoak.learning.arms import ARMS, LearnerSettings
from liveoak.learning.demonstrating import EXPERT
from liveoak.learning.learner import Learner, Report
from liveoak.learning.lived import Lived
from liveoak.records import Origin
from liveoak.runtime.diary import round_line
from liveoak.runtime.living import Living, LivingSettings
from liveoak.signals import Source
from liveoak.worlds import world

SMALL = LivingSettings(together=8, group=2, window=300)
QUICK = LearnerSettings(rank=4, rate=1e-3, parts=1)


@pytest.fixture(scope="module")
def engine() -> Generator[Engine]:
    made = tiny_engine()
    yield made
    made.close()


def living(engine: Engine, learner: Learner | None = None, fault: str = "", **settings: object) -> Living:
    chosen = replace(SMALL, **settings)  # type: ignore[arg-type]
    return Living(engine, Decoder(engine), lambda: Fragile(fault), learner, chosen, seed=5)


def test_episodes_are_lived_in_the_order_of_the_seeds_and_in_groups(engine: Engine):
    with living(engine, Learner(engine, QUICK)) as life:
        rounds = list(life.rounds(13))
    attempts = [attempt for done in rounds for attempt in done.attempts]
    assert [attempt.number for attempt in attempts] == list(range(16))
    assert [attempt.seed for attempt in attempts[:6]] == [0, 0, 2, 2, 4, 4]
    assert all(attempt.seed == 2 * (attempt.number // 2) for attempt in attempts)
    for attempt in attempts:
        assert attempt.failure is None and attempt.lived is not None
        assert attempt.lived.group == str(attempt.seed)
        assert len(attempt.deeds) == 2 and {deed.said for deed in attempt.deeds} <= {"a", "b"}
        assert attempt.score == attempt.lived.worth == sum(0.5 for deed in attempt.deeds if deed.said == "a")
        assert attempt.ending == f"you did {attempt.deeds[-1].said}"
        assert attempt.deeds[1].seen == f"you did {attempt.deeds[0].said}"
        # What was recorded as sampled stands where it stands in the tokens.
        ids = attempt.lived.episode.rendered.ids
        assert [ids[turn.places[0]] for turn in attempt.lived.episode.acted] == [ord(d.said) for d in attempt.deeds]
    assert rounds[0].score == sum(attempt.score for attempt in rounds[0].attempts) / 8


def test_equal_seeds_live_equal_lives(engine: Engine):
    def lived() -> tuple[list[object], str]:
        learner = Learner(engine, QUICK)
        with living(engine, learner) as life:
            said = [[d.said for d in a.deeds] for done in life.rounds(24) for a in done.attempts]
        return list(map(tuple, said)), digest(learner.slot)

    assert lived() == lived()


@pytest.mark.parametrize("fault", [*FAULTS, "reset"])
def test_an_episode_whose_world_fails_is_recorded_and_the_rest_goes_on(engine: Engine, fault: str):
    causes = {
        "raises": "out of coal",
        "hangs": "0.3",
        "nan": "nan",
        "bytes": "bytes",
        "reward": "7.0 is out of range",
        "endless": "after its 2 turns",
        "reset": "no such episode",
    }
    learner = Learner(engine, QUICK)
    with living(engine, learner, fault, seconds=0.3) as life:
        first = life.round()
        sound = [attempt for attempt in first.attempts if attempt.seed < 4]
        failed = [attempt for attempt in first.attempts if attempt.seed >= 4]
        assert all(attempt.failure is None for attempt in sound)
        for attempt in failed:
            assert attempt.failure is not None and causes[fault] in attempt.failure
            assert attempt.lived is None
            assert len(attempt.deeds) == (0 if fault == "reset" else 1), "what came before it is still told"
        assert first.report is not None and first.report.credited["transition"] > 0
        assert first.score == sum(attempt.score for attempt in sound) / 4
        # All seeds of the second round fail: nothing is learned, and the life is not over.
        second = life.round()
        assert second.score is None and second.report is None and second.failure is None
        assert all(attempt.failure for attempt in second.attempts)


def test_a_learner_that_fails_does_not_end_the_life(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    learner = Learner(engine, QUICK)
    real = learner.learn

    def diverges_once(episodes: list[Lived]) -> Report:
        if learner.memory.calls == 1:
            learner.memory = replace(learner.memory, calls=2)
            raise LearningError("the update diverged")
        return real(episodes)

    monkeypatch.setattr(learner, "learn", diverges_once)
    with living(engine, learner) as life:
        rounds = [life.round() for _ in range(3)]
    assert [done.failure for done in rounds] == [None, "the update diverged", None]
    assert [done.report is not None for done in rounds] == [True, False, True]


def test_a_frozen_agent_learns_nothing_and_an_exam_neither(engine: Engine):
    learner = Learner(engine, QUICK)
    with living(engine, learner) as life:
        before = digest(learner.slot)
        taken = life.exam(5)
        assert [attempt.seed for attempt in taken] == [1, 3, 5, 7, 9]
        assert digest(learner.slot) == before and learner.memory.calls == 0
        again = life.exam(5)
        assert [[d.said for d in a.deeds] for a in again] == [[d.said for d in a.deeds] for a in taken]
        assert [a.score for a in again] == [a.score for a in taken]
        assert life.rounds_lived == 0
    with living(engine) as frozen:
        done = frozen.round()
        assert done.report is None and frozen.slot is None and done.score is not None


def test_who_rests_lives_on_with_what_was_learned_and_learns_no_more(engine: Engine):
    learner = Learner(engine, QUICK, seed=2)
    fresh = digest(learner.slot)
    with living(engine, learner) as life:
        assert life.round().report is not None
        learned = digest(learner.slot)
        life.rest()
        assert life.slot is learner.slot and life.learner is None
        assert life.round().report is None
    assert digest(learner.slot) == learned != fresh


def test_demonstrations_are_part_of_each_round(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    learner = Learner(engine, ARMS["both"])
    given: list[Lived] = []
    real = learner.learn

    def heard(episodes: list[Lived], **more: bool) -> Report:
        given.extend(episodes)
        return real(episodes, **more)

    monkeypatch.setattr(learner, "learn", heard)
    settings = replace(SMALL, shown=3, together=4, group=2)
    with Living(engine, Decoder(engine), lambda: world("switches", rule=0, switches=2), learner, settings) as life:
        done = life.round()
    assert len(given) == 7
    shown = [one for one in given if not one.episode.acted]
    assert [one.group for one in shown] == ["0", "2", "0"]
    assert all(any(span.origin is Origin.DEMONSTRATED for span in one.episode.rendered.spans) for one in shown)
    assert all(one.source == EXPERT for one in shown)
    assert done.report is not None and done.report.credited["imitation"] > 0
    assert set(done.report.standing) == {EXPERT}
    line = round_line(done, 0.0)
    assert line["standing"] == {"expert/trace": done.report.standing[EXPERT]} and line["refused"] == []
    assert done.failure is None


def test_a_world_without_an_expert_shows_nothing_and_is_lived_in(engine: Engine):
    with living(engine, Learner(engine, QUICK), shown=1) as life:
        done = life.round()
    assert done.failure is not None and "no expert to imitate" in done.failure
    assert done.report is not None and done.report.steps == 1


def test_rewards_of_a_wider_range_are_learned_from_in_range(engine: Engine):
    wide = Fragile(rewards=(-10.0, 20.0))
    with Living(
        engine, Decoder(engine), lambda: wide, Learner(engine, QUICK), replace(SMALL, together=1, group=1)
    ) as life:
        attempt = life.round().attempts[0]
    assert attempt.lived is not None and attempt.lived.worth == pytest.approx(attempt.score / 20)


@pytest.mark.parametrize(
    "bad", [{"together": 8, "group": 3}, {"group": 0}, {"window": 0}, {"shown": 9}, {"skill": 1.5}, {"seconds": 0}]
)
def test_settings_of_a_life_that_mean_nothing_are_refused(bad: dict[str, object]):
    with pytest.raises(BadSettings):
        replace(SMALL, **bad)  # type: ignore[arg-type]


def test_a_window_that_nobody_has_room_for_is_refused(engine: Engine):
    with pytest.raises(BadSettings, match="room for 512"):
        living(engine, window=600)


def test_what_the_world_names_is_learned_where_heeding_it_paid(engine: Engine):
    """`rooms` says which door was right; whoever took it fared better, so that it is believed at once."""
    learner = Learner(engine, replace(ARMS["advice"], rank=4, parts=1, compare="world"))
    settings = replace(SMALL, together=32, window=400)
    with Living(engine, Decoder(engine), lambda: world("rooms", rooms=4, advice=True), learner, settings) as life:
        rounds = list(life.rounds(64))
    told = Source(author="rooms", kind="advice")
    reports = [done.report for done in rounds if done.report is not None]
    assert all(report.standing[told] > 0 and not report.refused for report in reports)
    for done, report in zip(rounds, reports, strict=True):
        missed = 0
        for attempt in done.attempts:
            assert attempt.lived is not None
            named = [deed.split()[0] for deed in (*(d.seen for d in attempt.deeds[1:]), attempt.ending)]
            heeded = [turn.heeded for turn in attempt.lived.episode.acted]
            assert heeded == [deed.said == right for deed, right in zip(attempt.deeds, named, strict=True)]
            wrong = [
                (deed.seen, right) for deed, right, did in zip(attempt.deeds, named, heeded, strict=True) if not did
            ]
            assert len(attempt.advised) == len(wrong)
            for one, (seen, right) in zip(attempt.advised, wrong, strict=True):
                text = engine.tokenizer.decode(one.episode.rendered.ids)
                assert seen in text and text.rstrip().removesuffix("<|im_end|>").endswith(right) and one.source == told
            missed += len(wrong)
        # What heeded is held, too; of a door's name, its first letter says which.
        acted = [turn for a in done.attempts if a.lived is not None for turn in a.lived.episode.acted]
        followed = sum(turn.heeded is True for turn in acted)
        assert missed and followed and all(len(turn.places) == 1 for turn in acted)
        assert report.credited["advice"] == missed + followed
    assert "advice" not in _report_of(engine, "foretold").credited


def test_names_that_nobody_fared_better_by_are_not_followed(engine: Engine):
    learner = Learner(engine, replace(ARMS["advice"], rank=4, parts=1, compare="world"))
    settings = replace(SMALL, together=32)
    with Living(engine, Decoder(engine), Misleading, learner, settings) as life:
        rounds = list(life.rounds(64))
    assert all(any(attempt.advised for attempt in done.attempts) for done in rounds)
    for done in rounds:
        assert done.report is not None
        assert "advice" not in done.report.credited and any("advice of" in why for why in done.report.refused)


def _report_of(engine: Engine, arm: str) -> Report:
    learner = Learner(engine, replace(ARMS[arm], rank=4, parts=1, compare="world"))
    with Living(engine, Decoder(engine), lambda: world("rooms", rooms=4, advice=True), learner, SMALL) as life:
        report = life.round().report
    assert report is not None
    return report


def test_what_a_rival_did_in_sight_is_learned_where_it_won(engine: Engine):
    """A game whose answers are its record: the board that the opponent met, its move, and the board after."""
    learner = Learner(engine, replace(ARMS["reward"], rank=4, parts=1, compare="world", winners=2.0))
    settings = replace(SMALL, together=16, window=400)

    def nim():
        return world("nim", heaps=3, stones=2, opponent="perfect", record=True)

    with Living(engine, Decoder(engine), nim, learner, settings) as life:
        done = life.round()
    assert done.report is not None and done.report.losses["winners"] > 0
    moved = lost = 0
    for attempt in done.attempts:
        assert attempt.lived is not None and attempt.lived.contested and attempt.advised == ()
        answers = [*(deed.seen for deed in attempt.deeds[1:]), attempt.ending]
        replied = [answer.split("\n")[:2] for answer in answers if "\n" in answer]
        assert len(attempt.lived.beside) == len(replied)
        for one, (board, move) in zip(attempt.lived.beside, replied, strict=True):
            text = engine.tokenizer.decode(one.episode.rendered.ids)
            assert board in text and text.rstrip().removesuffix("<|im_end|>").endswith(move)
            assert any(span.origin is Origin.DEMONSTRATED for span in one.episode.rendered.spans)
        moved += len(replied)
        lost += len(replied) * (attempt.score < 0)
    kept = learner.memory.wins
    assert (kept.own.seen, kept.rivals.seen) == (sum(attempt.score > 0 for attempt in done.attempts), lost)
    assert 0 < lost < moved and kept.own.seen


def test_who_does_not_play_against_the_agent_is_no_rival(engine: Engine):
    learner = Learner(engine, replace(ARMS["reward"], rank=4, parts=1, winners=2.0))
    with living(engine, learner) as life:
        done = life.round()
    assert done.report is not None and "winners" not in done.report.losses
    assert all(attempt.lived is not None and not attempt.lived.contested for attempt in done.attempts)
