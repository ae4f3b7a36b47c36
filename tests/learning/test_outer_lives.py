"""Lives on the prior of random weights: what is read, learned, noted, paid for and credited."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from liveoak.adapters import Slot
from liveoak.engine import Decoder, Engine, only_team
from liveoak.errors import BadSettings
from liveoak.learning.adam import AdamSettings
from liveoak.learning.general import as_prior
from liveoak.learning.objective import ANCHOR, Example
from liveoak.learning.outer.beginning import BeginningSettings, begin
from liveoak.learning.outer.credit import Lot, exams_together, lot_of
from liveoak.learning.outer.life import Cast, LifeSettings, Lives, Outcome, Sight
from liveoak.learning.outer.outer import Outer
from liveoak.learning.outer.policies import FIXED, always, at_random, mediocre
from liveoak.learning.outer.pricing import Prices, Spend
from liveoak.learning.outer.settings import OuterSettings
from liveoak.learning.outer.tools import LEARN, NOTE, PLAIN, SKIP, Act
from liveoak.learning.outer.work import Here
from liveoak.learning.outer.worth import Crowding, Held, held_of, rewarded
from liveoak.learning.recipe import Recipe
from liveoak.learning.update import Gradient, Update, descend
from liveoak.priors import load_prior
from liveoak.signals import RewardSettings
from liveoak.worlds import Entry, seed_of
from liveoak.worlds.built_in.ledger import Ledger

LEDGER = Ledger(pages=2, entries=3, questions=2, kinds=3)
RECIPE = Recipe(rank=4, rate=5e-3, batch=4, pieces=0, anchors=0, other_words=False)


@pytest.fixture(scope="module")
def engine() -> Generator[Engine]:
    with only_team(1) as scheduler:
        prior = load_prior("scratch", cache=Path("unused"), dtype=torch.float32)
        yield scheduler.run(lambda: Engine(prior, scheduler))


@pytest.fixture
def slow(engine: Engine) -> Slot:
    """Weights that have learned something, so that a change of them shows."""
    slot = engine.bank.new_slot(rank=4, seed=3)
    slot.master += 0.02 * torch.randn(slot.master.shape, generator=torch.Generator().manual_seed(1))
    slot.publish()
    return slot


def lives(engine: Engine, **settings: object) -> Lives:
    given = LifeSettings(steps=30, **settings)  # pyright: ignore[reportArgumentType]
    return Lives(engine, Decoder(engine, kind="study"), given, RECIPE)


def outer_of(lives: Lives, slow: Slot, settings: OuterSettings, prices: Prices | None = None) -> Outer:
    return Outer(lives.engine, slow, Here(lives, LEDGER.material, prices or Prices(), settings), settings)


def cast(streams: int, each: int = 1) -> list[Cast]:
    made = {stream: LEDGER.material(seed_of("train", stream)) for stream in range(streams)}
    return [Cast(stream=s, number=n, material=made[s]) for s in range(streams) for n in range(each)]


def knows(sight: Sight):
    return LEARN if sight.asked else SKIP


def test_a_ledger_of_kinds_tells_on_every_page_what_is_asked():
    made = LEDGER.material(0)
    asked = made.announced.removeprefix("exam: ")
    assert [len(page) for page in made.parts] == [3, 3]
    assert all(question.text.startswith(asked) for question in made.questions)
    assert all(page.startswith(made.announced) for page in made.pages)
    told = {entry.taught.prompt: entry.taught.reply for page in made.parts for entry in page if entry.taught}
    assert all(told[question.text] == question.answer for question in made.questions)


def test_what_is_learned_is_known_with_an_empty_context_and_slow_weights_stay(engine: Engine, slow: Slot):
    before = slow.master.clone()
    wise, idle = (lives(engine).live(cast(2), slow, policy) for policy in (knows, always("skip")))
    assert torch.equal(slow.master, before)
    assert slow.gradient is None
    assert all(one.fast is None for one in idle)
    for one, other in zip(wise, idle, strict=True):
        assert one.account.useful == 2
        assert one.account.right == 1.0, "thirty steps on two entries"
        assert one.account.gold_logprob > other.account.gold_logprob + 1
        assert one.account.count("learn") == 2


def test_lives_are_what_they_are_alone(engine: Engine, slow: Slot):
    both = lives(engine).live(cast(2), slow, knows)
    alone = lives(engine).live(cast(2)[1:], slow, knows)[0]
    assert both[1].acts == alone.acts
    assert both[1].account.gold_logprob == pytest.approx(alone.account.gold_logprob, abs=1e-3)


def test_acts_are_drawn_from_the_slow_weights_by_seed(engine: Engine, slow: Slot):
    first, again = (lives(engine).live(cast(1, 2), slow) for _ in range(2))
    assert [one.acts for one in first] == [one.acts for one in again]
    assert all(len(one.acts) == 6 for one in first)
    assert {act for one in first for act in one.acts} <= {"learn", "note", "skip"}


def test_no_page_is_seen_from_another(engine: Engine, slow: Slot):
    lived = lives(engine).live(cast(1), slow)[0].lived
    assert len(lived.windows) == 2
    first = lived.episode.rendered.ids[: lived.windows[1]]
    second = lived.episode.rendered.ids[lived.windows[1] :]
    texts = [engine.tokenizer.decode(part) for part in (first, second)]
    pages = cast(1)[0].material.parts
    assert all(entry.text in texts[0] and entry.text not in texts[1] for entry in pages[0])
    assert all(entry.text in texts[1] for entry in pages[1])
    acted = [place for turn in lived.episode.acted for place in turn.places]
    seen = engine.tokenizer.decode(first[: max(place for place in acted if place < lived.windows[1])])
    assert not any(entry.text in seen for entry in pages[1]), "the page turns after the last act"


def test_notes_stand_before_the_question_and_are_bounded(engine: Engine, slow: Slot):
    one = lives(engine, note_room=25).live(cast(1), slow, always("note"))[0]
    assert one.account.tokens("note") <= 25
    assert 1 <= one.account.count("note") < 6
    assert one.acts.count("skip") == 6 - one.account.count("note"), "what does not fit is passed over"


def test_an_act_has_its_price_and_the_points_of_what_is_asked_about_it(engine: Engine, slow: Slot):
    prices = Prices(trained=1.0, noted=0.5, dense=0.5)
    one = lives(engine).live(cast(1), slow)[0]
    worth = [turn.reward for turn in rewarded(one, prices).episode.acted]
    assert sum(value or 0.0 for value in worth) == pytest.approx(one.account.reward(prices))
    asked = {question.text: mark for question, mark in zip(one.cast.material.questions, one.marks, strict=True)}
    entries = [entry for page in one.cast.material.parts for entry in page]
    for act, value, spend, entry in zip(one.acts, worth, one.account.spends, entries, strict=True):
        price = {"learn": 1.0, "note": 0.5, "skip": 0.0}[act] * spend.tokens / 100
        mark = asked.get(entry.taught.prompt if entry.taught else "")
        points = (0.5 * mark.right + 0.5 * math.exp(mark.gold)) / 2 if mark else 0.0
        assert value == pytest.approx(points - price)


def learning(one: Outcome, places: set[int], rights: tuple[bool, bool]) -> Outcome:
    """The same life, had it learned these of its six entries, of ten tokens each, and answered so."""
    spends = tuple(
        Spend(verb="learn", tokens=10) if place in places else Spend(verb="skip", tokens=0) for place in range(6)
    )
    marks = tuple(replace(mark, right=right) for mark, right in zip(one.marks, rights, strict=True))
    return replace(one, account=replace(one.account, spends=spends), marks=marks)


def test_what_lessons_take_from_each_other_is_told_from_lives_that_learned_more_and_less():
    few, all_of_them = Held(share=0.25, points=0.9), Held(share=0.75, points=0.4)
    told = Crowding()
    assert told.slope == 0.0
    told.add([few, all_of_them])
    # Shares and points apart from their means by a quarter each: -0.125 over 0.125 and two lives' doubt.
    assert told.slope == pytest.approx(-0.125 / (0.125 + 2 * 0.05**2))
    assert Crowding(told.sums).slope == told.slope
    alike = Crowding()
    alike.add([few, Held(share=0.25, points=0.1)])
    assert alike.slope == pytest.approx(0.0), "they differ in nothing that could be the cause"
    for _ in range(50):
        told.add([Held(share=0.2, points=0.3), Held(share=0.8, points=0.9)])
    assert told.slope > 0.9, "what was long ago counts little"
    told.add([])
    assert told.slope > 0.9


def test_an_act_of_learning_pays_for_what_it_took_from_other_lessons(engine: Engine, slow: Slot):
    one = lives(engine).live(cast(1), slow)[0]
    assert one.tokens == sum(
        len(engine.tokenizer.encode(entry.text)) for page in one.cast.material.parts for entry in page
    )
    prompts = {question.text for question in one.cast.material.questions}
    entries = [entry for page in one.cast.material.parts for entry in page]
    asked = {place for place, entry in enumerate(entries) if entry.taught and entry.taught.prompt in prompts}
    first = min(asked)
    for learned in ({*asked}, set(range(6)), {first, *(set(range(6)) - asked)}):
        life = learning(one, learned, (True, False))
        paid, unpaid = (
            [turn.reward or 0.0 for turn in rewarded(life, Prices(), price).episode.acted] for price in (-0.6, 0.0)
        )
        took = [having - without for having, without in zip(paid, unpaid, strict=True)]
        others = [len((asked & learned) - {place}) for place in range(6)]
        assert took == pytest.approx(
            [-0.6 * 10 / one.tokens * others[place] / 2 * (place in learned) for place in range(6)]
        )
        held = held_of(life, Prices())
        assert held is not None
        assert held.share == pytest.approx(10 * len(learned) / one.tokens)
        assert held.points == pytest.approx(0.5 if asked <= learned else float(questions_about(one, first)[0] == 0))
    assert held_of(learning(one, set(range(6)) - asked, (True, True)), Prices()) is None, "what it knew was guessed"


@pytest.mark.parametrize("crowds", [True, False])
def test_each_round_pays_what_earlier_rounds_showed(engine: Engine, slow: Slot, crowds: bool):
    paid: list[float] = []

    class Told(Here):
        def lots(self, slow: Slot, streams: Sequence[int], crowding: float) -> list[Lot]:
            paid.append(crowding)
            (lot,) = super().lots(slow, streams, crowding)
            return [replace(lot, held=(Held(share=0.2, points=1.0), Held(share=0.8, points=0.0)))]

    settings = OuterSettings(streams=1, lives=2, crowds=crowds)
    quick = Lives(engine, Decoder(engine, kind="study"), LifeSettings(steps=1), RECIPE)
    outer = Outer(engine, slow.fork(), Told(quick, LEDGER.material, Prices(), settings), settings)
    outer.round()
    shown = outer.crowding.slope
    assert shown < -1
    outer.round()
    assert paid == [0.0, shown if crowds else 0.0]


def questions_about(one: Outcome, place: int) -> list[int]:
    """The numbers of the questions that ask about an entry."""
    entries = [entry for page in one.cast.material.parts for entry in page]
    told = entries[place].taught
    return [number for number, asked in enumerate(one.cast.material.questions) if told and asked.text == told.prompt]


def test_points_for_nothing_that_was_read_come_with_the_last_act(engine: Engine, slow: Slot):
    other = LEDGER.material(seed_of("train", 5)).questions
    made = replace(LEDGER.material(0), questions=other)
    one = lives(engine).live([Cast(stream=0, number=0, material=made)], slow)[0]
    worth = [turn.reward for turn in rewarded(one, Prices(dense=1.0)).episode.acted]
    assert worth[:-1] == [0.0] * 5
    assert worth[-1] == pytest.approx(one.account.likely)


def test_lots_of_several_places_say_what_one_says(engine: Engine, slow: Slot):
    prices, settings = Prices(trained=1.0), RewardSettings()
    outcomes = lives(engine).live(cast(3, 3), slow)
    parts = [outcomes[:3], outcomes[3:6], outcomes[6:]]
    one = lot_of(engine, outcomes, prices, settings, exams=True)
    many = [lot_of(engine, part, prices, settings, exams=True) for part in parts]
    assert one.acts == tuple(act for lot in many for act in lot.acts)
    whole, added = exams_together([one]), exams_together(many)
    assert whole is not None
    assert added is not None
    assert whole.flat.norm() > 0
    assert float((whole.flat - added.flat).norm() / whole.flat.norm()) < 1e-5
    assert slow.gradient is None


def test_the_exams_gradient_is_of_the_questions_as_they_were_put(engine: Engine, slow: Slot):
    def first_noted(sight: Sight) -> Act:
        return NOTE if sight.chance < 0.4 else LEARN

    outcomes = [one for one in lives(engine).live(cast(4), slow, first_noted) if one.fast is not None]
    assert any(text.startswith("notes: ") for one in outcomes for text in one.asked)
    lot = lot_of(engine, outcomes, Prices(), RewardSettings(), exams=True)
    assert lot.exams is not None
    # Answers are digits, one token each.
    marked = sum(-one.account.gold_logprob for one in outcomes)
    assert lot.exams.losses == {"exam": pytest.approx(marked, rel=1e-4)}


def test_an_outer_loop_without_decisions_learns_from_exams_alone(engine: Engine, slow: Slot):
    settings = OuterSettings(streams=2, lives=1, decides=False, exam=1.0)
    quick = Lives(engine, Decoder(engine, kind="study"), LifeSettings(steps=2), RECIPE)
    outer = outer_of(quick, slow.fork(), settings)
    done = outer.round()
    assert [one.count("learn") for one in done.accounts] == [6, 6]
    assert (set(done.losses), done.steps, done.failures) == ({"exam"}, 1, ())
    with pytest.raises(BadSettings, match="lives >= 2"):
        OuterSettings(lives=1)
    with pytest.raises(BadSettings, match="exam > 0 where nothing is decided"):
        OuterSettings(decides=False)


def test_following_the_exams_gradient_makes_the_next_study_go_further(engine: Engine, slow: Slot):
    told = cast(6)
    quick = Lives(engine, Decoder(engine, kind="study"), LifeSettings(steps=4), RECIPE)

    def likely(slot: Slot) -> float:
        return sum(one.account.gold_logprob for one in quick.live(told, slot, knows)) / len(told)

    before = likely(slow)
    for _ in range(8):
        lot = lot_of(engine, quick.live(told, slow, knows), Prices(), RewardSettings(), exams=True)
        gradient = exams_together([lot])
        assert gradient is not None
        descend(Update(engine, slow, {}, AdamSettings()), gradient, 1e-3)
    assert likely(slow) > before + 0.2


def test_what_a_life_ended_with_is_held_to_the_prior_by_so_much(engine: Engine, slow: Slot):
    """The gradient of both is that of the exam and so many times that of the anchors, at each life's fast weights."""
    outcomes = lives(engine).live(cast(4), slow, knows)

    def told(one: Cast) -> list[Example]:
        return [as_prior(engine, tuple(range(65, 75 + one.number)), (3, 5))]

    def gradient(anchor: float, held: bool = True) -> Gradient:
        to = told if held else None
        lot = lot_of(engine, outcomes, Prices(), RewardSettings(), exams=True, held=to, anchor=anchor)
        found = exams_together([lot])
        assert found is not None
        return found

    bare, once, twice = gradient(0.0, held=False), gradient(1.0), gradient(2.0)
    assert set(bare.losses) == {"exam"} and set(once.losses) == {"exam", ANCHOR}
    assert once.losses["exam"] == pytest.approx(bare.losses["exam"]) and once.losses[ANCHOR] > 0
    added = once.flat - bare.flat
    assert added.norm() > 0 and torch.allclose(twice.flat - bare.flat, 2 * added, rtol=1e-3, atol=1e-6)


def test_learning_becomes_rarer_where_it_is_dear_and_commoner_where_it_is_paid_for(engine: Engine):
    rates = {}
    for name, prices in {"dear": Prices(trained=30.0), "free": Prices(noted=30.0)}.items():
        slot = engine.bank.new_slot(rank=4, seed=0)
        begin(lives(engine), slot, LEDGER.material, BeginningSettings(steps=20, skill=0.0))
        # No study: what is to be seen is the sign of the credit.
        bare = Lives(engine, Decoder(engine, kind="study"), LifeSettings(steps=1), RECIPE)
        outer = outer_of(bare, slot, OuterSettings(streams=2, lives=4, rate=5e-4), prices)
        told = [sum(one.count("learn") for one in done.accounts) / 8 for done in outer.rounds(6)]
        rates[name] = (told[0], told[-1])
    assert rates["dear"][1] < 0.5 * rates["dear"][0]
    assert rates["free"][1] > rates["dear"][1]


def test_a_round_in_which_nothing_had_credit_changes_nothing_and_says_why(engine: Engine, slow: Slot):
    outer = outer_of(lives(engine, acts=(SKIP,)), slow, OuterSettings(streams=1, lives=2, rate=1e-3))
    before = slow.master.clone()
    done = outer.round()
    assert (done.steps, done.losses) == (0, {})
    assert done.failures == ("none of 2 episodes was rewarded",)
    assert torch.equal(slow.master, before)


def test_policies_do_what_their_names_say():
    def sight(chance: float, asked: bool) -> Sight:
        return Sight(announced="", entry=Entry(text="x"), acts=PLAIN, asked=asked, chance=chance)

    assert {name: policy(sight(0.5, True)).verb for name, policy in FIXED.items()} == {
        "always learn": "learn",
        "never learn": "skip",
        "notes only": "note",
        "random": "note",
    }
    assert [at_random(sight(chance, True)).verb for chance in (0.0, 0.34, 0.99)] == ["learn", "note", "skip"]
    knowing = mediocre(0.4)
    assert [knowing(sight(0.39, asked)).verb for asked in (True, False)] == ["learn", "skip"]
    assert [knowing(sight(0.41, asked)).verb for asked in (True, False)] == ["learn", "learn"]
