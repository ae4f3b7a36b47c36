"""What the agent would have said that had read how the episode ended, as what the agent is to say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_priors import tiny_engine

from liveoak.adapters import Slot, digest
from liveoak.engine import Engine
from liveoak.engine import Sequence as Tokens
from liveoak.errors import BadSettings
from liveoak.learning.arms import ARMS, LearnerSettings
from liveoak.learning.demonstrating import demonstrated
from liveoak.learning.distilling import distilled, forewarned, looking_back
from liveoak.learning.learner import Learner
from liveoak.learning.lived import Lived
from liveoak.learning.memory import load_state
from liveoak.learning.transcript import Layout, Transcript
from liveoak.records import Origin
from liveoak.signals import imitation
from liveoak.worlds import world

ALONE = replace(ARMS["distillation"], rank=4, rate=1e-2, parts=1)
HINT = "the answer is y"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return tiny_engine()


def lived(engine: Engine, *, told: str = HINT, turns: int = 1, window: int = 300) -> Lived:
    """An agent that says `x` each turn, and ends each turn itself."""
    transcript = Transcript(Layout(engine.tokenizer), "rules", "start", window=window)
    for number in range(turns):
        transcript.act(f"t{number}", [ord("x"), 258], [-1.0, -1.0], [True, True])
        transcript.observe("seen", reward=1.0, over=number == turns - 1)
    return transcript.lived("e", world="w", group="g", told=told)


def leaning(engine: Engine) -> Slot:
    """A slot that is not the prior."""
    slot = engine.bank.new_slot(rank=4, seed=1)
    for _, b in slot.matrices(slot.master):
        b.copy_(0.5 * torch.randn(b.shape, generator=torch.Generator().manual_seed(2)))
    slot.publish()
    return slot


def test_what_became_of_an_episode_in_words():
    assert looking_back([("left", 0.0, "a wall."), ("up", 0.5, "a key."), ("wait", 0.0, "over.")]) == (
        "An earlier reply: left\nSaid of it: a wall.\n"
        "An earlier reply: up\nRewarded with +0.50, from -1 to 1.\nSaid of it: a key.\n"
        "An earlier reply: wait\nRewarded with +0.00, from -1 to 1.\nSaid of it: over."
    )


def test_the_target_is_the_teachers_distribution_with_the_hint(engine: Engine):
    teacher, student = leaning(engine), engine.bank.new_slot(rank=4)
    one = lived(engine)
    ((example,),) = distilled(engine, student, teacher, [one])
    ids = one.episode.rendered.ids
    assert (example.signal, example.ids, example.credit) == ("distillation", ids[:-1], (1.0, 1.0))
    places = [place + 1 for place in example.wanted]
    assert [ids[place] for place in places] == [ord("x"), 258]
    question = engine.tokenizer.encode("start")
    start = next(p for p in range(len(ids)) if ids[p : p + len(question)] == tuple(question))
    more = tuple(engine.tokenizer.encode(f"{HINT}\n\n"))
    above = (*ids[:start], *more, *ids[start : places[-1]])
    wanted = tuple(place + len(more) - 1 for place in places)
    logs = engine.infer(lambda: engine.logits([Tokens(ids=above, slot=teacher, wanted=wanted)]).log_softmax(-1))
    assert example.top is not None
    assert torch.allclose(logs.gather(1, example.top.ids), example.top.logprobs, atol=1e-4)
    assert example.top.ids[0, 0] == logs[0].argmax()


def test_nothing_is_distilled_where_nothing_was_told_or_it_changes_nothing(engine: Engine):
    slot = engine.bank.new_slot(rank=4)
    untold = lived(engine, told=" ")
    assert distilled(engine, slot, leaning(engine), [untold]) == [[]]
    report = Learner(engine, ALONE).learn([untold])
    assert (report.steps, report.credited) == (0, {})
    shown = forewarned(
        engine.tokenizer, next(demonstrated(Layout(engine.tokenizer), world("switches"), [0], told=True))
    )
    assert distilled(engine, slot, leaning(engine), [replace(shown, told=HINT)]) == [[]], "nobody acted in it"


def test_a_window_without_room_for_what_was_told_is_left_out(engine: Engine):
    long = "z" * engine.prior.context_length
    slot = engine.bank.new_slot(rank=4)
    found = distilled(engine, slot, leaning(engine), [lived(engine, told=long), lived(engine)])
    assert [len(examples) for examples in found] == [0, 1]


def test_each_window_is_taught_by_itself(engine: Engine):
    one = lived(engine, turns=6, window=150)
    assert len(one.windows) > 1
    (examples,) = distilled(engine, engine.bank.new_slot(rank=4), leaning(engine), [one])
    assert len(examples) == len(one.windows)
    assert sum(len(example.wanted) for example in examples) == 12, "an act that is carried over is taught once"


def test_the_student_comes_to_say_what_the_teacher_says_that_knows_more(engine: Engine):
    teacher = leaning(engine)
    before = digest(teacher)
    learner = Learner(engine, ALONE, teacher=teacher)
    episodes = [lived(engine)]
    losses = [learner.learn(episodes) for _ in range(15)]
    assert losses[0].credited == {"distillation": 2} and set(losses[0].losses) == {"distillation"}
    assert losses[-1].losses["distillation"] < losses[0].losses["distillation"] / 3
    assert learner.teacher is teacher and digest(teacher) == before, "the teacher does not follow"


def test_the_teacher_stands_still_or_is_renewed_in_steps(engine: Engine):
    def teachers(renewed: int | None, calls: int) -> tuple[list[str], list[str]]:
        learner = Learner(engine, replace(ALONE, renewed=renewed), slot=leaning(engine))
        taught: list[str] = []
        students: list[str] = []
        for number in range(calls):
            students.append(digest_of(learner.slot))
            learner.learn([lived(engine, told=f"{HINT} {number}")])
            assert learner.teacher is not None and learner.teacher is not learner.slot
            taught.append(digest_of(learner.teacher))
        return taught, students

    taught, students = teachers(None, 4)
    assert taught == [students[0]] * 4
    taught, students = teachers(2, 5)
    assert len(set(students)) == 5
    assert taught == [students[0], students[0], students[2], students[2], students[4]]


def digest_of(slot: Slot) -> str:
    """Of the weights alone."""
    return str(hash(slot.master.numpy().tobytes()))


@pytest.mark.parametrize("renewed", [None, 2])
def test_a_learner_goes_on_with_its_teacher(engine: Engine, tmp_path: Path, renewed: int | None):
    settings = replace(ALONE, renewed=renewed, replay=1.0)

    def rounds(learner: Learner, start: int, end: int) -> str:
        for number in range(start, end):
            learner.learn([lived(engine, told=f"{HINT} {number}")])
        return digest(learner.slot)

    whole, first = (Learner(engine, settings, slot=leaning(engine)) for _ in range(2))
    rounds(whole, 0, 3), rounds(first, 0, 3)
    first.save(tmp_path / "kept")
    assert load_state(engine.bank, tmp_path / "kept")[2] is not None
    again = Learner.resume(engine, settings, tmp_path / "kept")
    assert again.memory == first.memory
    assert rounds(again, 3, 5) == rounds(whole, 3, 5)


def test_it_has_a_mean_of_its_own_beside_other_signals(engine: Engine):
    """Two tokens beside many: its loss is that of the two alone, whatever else is learned in the same step."""
    teacher = leaning(engine)
    alone = Learner(engine, ALONE, teacher=teacher).learn([lived(engine)])
    beside = Learner(engine, replace(ALONE, transition="answers"), teacher=teacher).learn([lived(engine)])
    assert set(beside.losses) == {"distillation", "transition"}
    assert beside.losses["distillation"] == pytest.approx(alone.losses["distillation"], rel=1e-4)


def test_demonstrations_by_somebody_who_knew_more_are_imitated_token_by_token(engine: Engine):
    layout = Layout(engine.tokenizer)
    (one,) = demonstrated(layout, world("bandit", pulls=1, levers=2, advice=True), [4], told=True)
    assert one.told.startswith("An earlier reply: ") and "pays best" in one.told
    (plain,) = demonstrated(layout, world("bandit", pulls=1, levers=2, advice=True), [4])
    assert plain.told == "" and plain.episode == one.episode
    warned = forewarned(engine.tokenizer, one)
    assert warned.told == ""
    text = engine.tokenizer.decode(warned.episode.rendered.ids)
    assert text.count(f"{one.told}\n\n") == 1 and text.replace(f"{one.told}\n\n", "") == engine.tokenizer.decode(
        one.episode.rendered.ids
    )
    assert sum(imitation(warned.episode.rendered).weights) == sum(imitation(one.episode.rendered).weights) > 0
    assert sum(s.end - s.start for s in warned.episode.rendered.spans if s.origin is Origin.OBSERVED) == sum(
        s.end - s.start for s in one.episode.rendered.spans if s.origin is Origin.OBSERVED
    )


def test_windows_of_a_forewarned_episode_begin_where_they_did(engine: Engine):
    one = lived(engine, turns=6, window=150)
    warned = forewarned(engine.tokenizer, one)
    size = len(engine.tokenizer.encode(f"{HINT}\n\n"))
    assert warned.windows == tuple(start + number * size for number, start in enumerate(one.windows))
    assert len(warned.episode.rendered.ids) == len(one.episode.rendered.ids) + size * len(one.windows)


@pytest.mark.parametrize("renewed", [1, 0, -2])
def test_a_teacher_that_follows_is_refused(renewed: int):
    with pytest.raises(BadSettings, match="follows its student"):
        LearnerSettings(distillation=True, renewed=renewed)
