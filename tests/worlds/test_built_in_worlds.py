"""Episodes worked out by hand, and what each built-in world promises of its rules."""

from __future__ import annotations

import itertools
import random
import statistics
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from liveoak.worlds import RuledWorld, Step, answered, expert, guessing, make_handbook, play, seeds, world
from liveoak.worlds.built_in import Bandit, Drift, HandbookPages, Journey, Ledger, Noisy, Rooms, Study, Switches
from liveoak.worlds.built_in.bandit import COLOURS, Machine
from liveoak.worlds.built_in.journey import PLACES, TOOLS
from liveoak.worlds.built_in.rooms import Walking
from liveoak.worlds.built_in.switches import Lamps


def test_switches_by_hand():
    rules = Switches(switches=3, slack=1, rule=0)
    # b works lamp 3 and c lamp 2; two lamps differ, and one action may be wasted.
    state = Lamps(lamps="010", wanted="001", wiring=(0, 2, 1), left=3)
    assert (rules.expert(state), rules.value(state)) == ("b", 1.0)
    state, step = rules.play(state, "a")
    assert step == Step(observation="lamps 110 wanted 001", reward=0.0, done=False)
    assert rules.value(state) == 0.0
    state, step = rules.play(state, "c")
    assert step == Step(observation="lamps 100 wanted 001", reward=0.0, done=False)
    state, step = rules.play(state, "a")
    assert step == Step(observation="lamps 000 wanted 001", reward=0.0, done=True)
    won = Lamps(lamps="011", wanted="001", wiring=(0, 2, 1), left=2)
    assert rules.play(won, "c")[1] == Step(observation="lamps 001 wanted 001", reward=1.0, done=True)


def test_switches_hold_out_wirings_and_with_one_wiring_tasks():
    wirings = {split: {begun(Switches(), seed).wiring for seed in seeds(split, 400)} for split in ("train", "held_out")}
    assert (len(wirings["train"]), len(wirings["held_out"])) == (18, 6)
    assert not wirings["train"] & wirings["held_out"]
    ruled = Switches(rule=7)
    lived = {split: [begun(ruled, seed) for seed in seeds(split, 400)] for split in ("train", "held_out")}
    assert {state.wiring for states in lived.values() for state in states} == {(1, 0, 3, 2)}
    tasks = {split: {(state.lamps, state.wanted) for state in states} for split, states in lived.items()}
    assert not tasks["train"] & tasks["held_out"]


def begun(rules: Any, seed: int) -> Any:
    return rules.begin(seed)[0]


def test_knowing_the_wiring_is_worth_much():
    known = world("switches", rule=3, slack=0)
    guessed = [play(known, seed, guessing(random.Random(seed))).score for seed in seeds("train", 300)]
    assert statistics.mean(guessed) < 0.25
    assert {play(known, seed, expert).score for seed in seeds("train", 100)} == {1.0}


def test_rooms_by_hand():
    # hall -> (bath, attic), attic -> (attic, hall), bath -> (bath, bath): rooms 0 attic, 1 bath, 2 hall in this test.
    rules = Rooms(rooms=3, doors=2, slack=0)
    house = ((1, 2), (1, 0), (0, 1))
    state = Walking(room=0, goal=1, doors=house, left=2)
    assert (rules.expert(state), rules.value(state)) == ("red", 1.0)
    state, step = rules.play(state, "blue")
    assert step == Step(observation="in the cellar. find the bath.", reward=0.0, done=False)
    assert (rules.expert(state), rules.value(state)) == ("blue", 1.0)
    assert rules.play(state, "red")[1] == Step(observation="in the attic. find the bath.", reward=0.0, done=True)
    assert rules.play(state, "blue")[1] == Step(observation="in the bath. find the bath.", reward=1.0, done=True)


def test_advice_in_rooms_names_the_door_that_was_right_whichever_was_taken():
    rules = Rooms(rooms=3, doors=2, advice=True)
    state = Walking(room=0, goal=1, doors=((1, 2), (1, 0), (0, 1)), left=2)
    assert rules.play(state, "red")[1].observation == "red was right. in the bath. find the bath."
    state, step = rules.play(state, "blue")
    assert step == Step(observation="red was right. in the cellar. find the bath.", reward=0.0, done=False)
    assert rules.play(state, "red")[1].observation == "blue was right. in the attic. find the bath."


@pytest.mark.parametrize("rooms", [3, 6, 10])
@pytest.mark.parametrize("doors", [2, 3])
def test_every_room_of_every_house_is_reached_in_time(rooms: int, doors: int):
    for rule in range(20):
        rules = Rooms(rooms=rooms, doors=doors, slack=0, rule=rule)
        house = rules.house(0)
        assert house == rules.house(1)
        assert all(len(leads) == doors and room not in leads for room, leads in enumerate(house))
        for seed in range(30):
            state = begun(rules, seed)
            assert 1 <= state.left <= rules.about.turns
            assert rules.value(state) == 1.0


def test_journey_by_hand():
    rules = Journey(miles=2, rule=0, tells=True)
    state = next(state for state in (begun(rules, seed) for seed in range(40)) if state.place == "desert")
    # Rule 0 gives the tools in their order to the places in theirs.
    assert (PLACES[1], TOOLS[1]) == ("desert", "lamp")
    assert rules.expert(state) == "lamp"
    packed, step = rules.play(state, "boat")
    assert (step.reward, step.done, step.observation.endswith("2 to go.")) == (0.0, False, True)
    assert rules.value(packed) == 0.0
    right, _ = rules.play(state, "lamp")
    rested, _ = rules.play(right, "rest")
    assert rules.value(rested) == 1.0
    walked, _ = rules.play(rested, "walk")
    assert rules.play(walked, "walk")[1] == Step(observation="at the desert. the lamp helped.", reward=1.0, done=True)
    assert rules.play(walked, "rest")[1] == Step(observation="too late.", reward=0.0, done=True)
    for _ in range(2):
        packed, step = rules.play(packed, "walk")
    assert step == Step(observation="at the desert. the boat was no use.", reward=0.0, done=True)


def test_advice_on_a_journey_names_the_tool_of_the_place_to_whoever_arrives():
    rules = Journey(miles=1, rule=0, advice=True, tells=True)
    state = next(state for state in (begun(rules, seed) for seed in range(40)) if state.place == "desert")
    packed, step = rules.play(state, "boat")
    assert step.observation.endswith("1 to go.")
    step = rules.play(packed, "walk")[1]
    assert step == Step(observation="lamp helps here. at the desert. the boat was no use.", reward=0.0, done=True)
    rested, _ = rules.play(packed, "rest")
    assert rules.play(rested, "rest")[1] == Step(observation="too late.", reward=0.0, done=True)


def test_further_tools_can_be_packed_and_help_nowhere():
    few, many = Journey(miles=1, rule=7), Journey(miles=1, rule=7, tools=8)
    for seed in range(40):
        state = begun(many, seed)
        assert many.expert(state) == few.expert(begun(few, seed)) in TOOLS[:4]
        assert set(many.actions(state)) - set(few.actions(state)) == {"axe", "map", "net", "skis"}
    assert "Pack rope, lamp, boat or tent, then walk." in few.about.instructions
    assert len({tool[0] for tool in TOOLS}) == 8, "the first letter tells which"


def test_a_silent_journey_says_nothing_of_its_outcome():
    def end(tool: str) -> Step:
        lived = world("journey", rule=5)
        lived.reset(8)
        actions = [tool, *["walk"] * 4]
        return [lived.step(action) for action in actions][-1]

    ends = [end(tool) for tool in TOOLS[:4]]
    assert sorted(step.reward for step in ends) == [0.0, 0.0, 0.0, 1.0]
    assert len({step.observation for step in ends}) == 1


def test_journeys_of_all_rules_differ_and_every_tool_helps_somewhere():
    def rule(number: int) -> tuple[str, ...]:
        helps = {}
        for seed in range(60):
            state = begun(Journey(rule=number), seed)
            helps[state.place] = Journey(rule=number).expert(state)
        return tuple(helps[place] for place in PLACES)

    rules = {rule(number) for number in range(24)}
    assert rules == set(itertools.permutations(TOOLS[:4]))


def test_ledger_by_hand():
    lived = world("ledger", pages=2, entries=2, questions=4)
    pages = [lived.reset(6), lived.step("next").observation]
    entries = dict(entry.split() for page in pages for entry in page.rstrip(".").split(", "))
    assert len(entries) == 4
    step, score, windows = lived.step("anything"), 0.0, list[int]()
    asked = []
    while not step.done:
        asked.append(step.observation.rstrip("?"))
        right = entries[asked[-1]]
        wrong = "1" if right != "1" else "2"
        step = lived.step(right if len(asked) != 2 else wrong)
        score += step.reward
        windows.append(step.info["window"])
    assert (sorted(asked), score, step.observation) == (sorted(entries), 0.75, "the end.")
    assert windows == [2, 2, 2, 2]


def test_names_of_a_ledger_belong_to_one_split():
    def names(split: Any) -> set[str]:
        sources = (Ledger().material(seed) for seed in seeds(split, 200))
        return {question.text for material in sources for question in material.questions}

    assert len(names("train")) > 300
    assert not names("train") & names("held_out")


def test_the_handbook_world_tells_every_fact_and_asks_for_it():
    lived: Any = world("handbook", facts=5, per_page=2)
    book = make_handbook(11, 5)
    pages = [lived.reset(11), lived.step("next").observation, lived.step("next").observation]
    assert " ".join(pages) == " ".join(fact.sentence for fact in book.facts)
    step = lived.step("next")
    asked: dict[str, str] = {}
    while not step.done:
        asked[step.observation] = lived.expert()
        step = lived.step(f"I think it is {lived.expert()}.")
        assert step.reward == pytest.approx(1 / 5)
    assert asked == {fact.exam_question: fact.answer for fact in book.facts}


def test_a_reply_that_recites_everything_is_not_an_answer():
    lived: Any = world("handbook", facts=30, per_page=30)
    everything = lived.reset(0)
    lived.step("next")
    score = 0.0
    while True:
        step = lived.step(everything)
        score += step.reward
        if step.done:
            break
    assert answered(everything, make_handbook(0, 30).facts[0].answer)
    assert score <= 3 / 30


@pytest.mark.parametrize("choices", [0, 3])
def test_of_chosen_sentences_half_are_asked_about_and_their_order_tells_nothing(choices: int):
    made = HandbookPages(facts=6, per_page=4, chosen=True, wording="taught", choices=choices).material(4)
    assert [len(part) for part in made.parts] == [4, 4, 4]
    assert [" ".join(entry.text for entry in part) for part in made.parts] == list(made.pages)
    entries = [entry for part in made.parts for entry in part]
    taught = [entry.taught for entry in entries if entry.taught is not None]
    assert len(taught) == 12 == len({entry.text for entry in entries})
    asked = {question.text: question.answer for question in made.questions}
    facts = [one.prompt in asked for one in taught]
    assert sum(facts) == 6 and facts[::2] != facts[1::2]
    for entry, one in zip(entries, taught, strict=True):
        assert one.reply.lower() in entry.text.lower()
        assert one.reply == asked.get(one.prompt, entry.text)
    places = [
        tuple(entry.taught is not None and entry.taught.reply != entry.text for part in other.parts for entry in part)
        for other in (HandbookPages(chosen=True, wording="taught").material(seed) for seed in range(8))
    ]
    assert len(set(places)) > 4


def test_prose_pages_hold_the_whole_handbook_and_choices_the_answer():
    pages = HandbookPages(facts=8, prose=400).material(4).pages
    assert all(len(page) <= 400 for page in pages)
    assert " ".join(" ".join(pages).split()) == " ".join(make_handbook(4, 8).text.split())
    for question in HandbookPages(facts=8, choices=4).material(4).questions:
        assert len(set(question.choices)) == 4
        assert question.answer in question.choices
        assert all(choice in question.text for choice in question.choices)


def test_bandit_by_hand():
    rules = Bandit(levers=3, pulls=4)
    state = Machine(seed=0, colour="red", pays=(0.2, 0.8, 0.4), left=3)
    assert (rules.expert(state), rules.value(state)) == ("b", pytest.approx(3 * 0.8 / 4))
    regrets = [rules.play(state, lever)[1].info["regret"] for lever in "abc"]
    assert regrets == pytest.approx([0.6 / 4, 0.0, 0.4 / 4])
    for lever in "abc":
        after, step = rules.play(state, lever)
        told = {0.25: "paid", 0.0: "kept it"}[step.reward]
        assert step.observation == f"red machine. {lever} {told}."
        advised = Bandit(levers=3, pulls=4, advice=True).play(state, lever)[1]
        assert advised == replace(step, observation=f"b pays best. {step.observation}")
        assert (after.left, step.done) == (2, False)


def test_levers_pay_as_often_as_stated_and_the_expert_regrets_nothing():
    rules, lived = Bandit(rule=2), world("bandit", rule=2)
    for colour in COLOURS:
        wins, pulls = Counter[str](), Counter[str]()
        pays = rules.pays(colour, 0)
        assert sorted(pays)[-1] == 0.8 and sorted(pays)[-2] <= 0.4
        for seed in range(600):
            state = Machine(seed=seed, colour=colour, pays=pays, left=1)
            for lever in "abcd":
                pulls[lever] += 1
                wins[lever] += rules.play(state, lever)[1].reward > 0
        # Four standard errors of a share over 600 draws.
        assert [wins[lever] / pulls[lever] for lever in "abcd"] == pytest.approx(pays, abs=4 * (0.25 / 600) ** 0.5)
    deeds = [step for seed in range(50) for _, step in play(lived, seed, expert).deeds]
    assert sum(step.info["regret"] for step in deeds) == 0.0
    tables = {tuple(Bandit(rule=None).pays("red", seed)) for seed in range(30)}
    assert len(tables) > 15
    assert len({tuple(Bandit(rule=1).pays("red", seed)) for seed in range(30)}) == 1


def test_drift_changes_its_rules_on_time_and_brings_them_back():
    rules = Drift(every=3, cycle=2)
    wirings = [begun(rules, seed).lamps.wiring for seed in seeds("train", 12)]
    assert wirings == [wirings[0]] * 3 + [wirings[3]] * 3 + [wirings[0]] * 3 + [wirings[3]] * 3
    assert wirings[0] != wirings[3]
    held_out = [begun(rules, seed).lamps.wiring for seed in seeds("held_out", 12)]
    assert held_out == wirings
    phases = [begun(Drift(every=1), seed).lamps.wiring for seed in seeds("train", 25)]
    assert len(set(phases[:24])) == 24
    assert phases[24] == phases[0]
    other = [begun(Drift(every=1, stream=1), seed).lamps.wiring for seed in seeds("train", 24)]
    assert other != phases[:24]


def test_drift_tells_labs_the_phase_and_agents_nothing():
    lived = world("drift", every=2)
    for count, seed in enumerate(seeds("train", 6)):
        opening = lived.reset(seed)
        assert opening.startswith("lamps ")
        assert lived.step("a").info["phase"] == count // 2


def test_snow_is_where_it_is_said_to_be_and_beyond_learning():
    lived: Any = world("noisy", snow=8, tv=24)
    snow: list[str] = []
    for seed in range(200):
        lived.reset(seed)
        plain: RuledWorld[Lamps] = RuledWorld(Switches(rule=0))
        plain.reset(seed)
        for action in ("tv", "a"):
            step = lived.step(action)
            start, end = step.info["noise"]
            assert (end, end - start) == (len(step.observation), 24 if action == "tv" else 8)
            told = step.observation[: start - 1]
            assert told == ("tv:" if action == "tv" else plain.step("a").observation)
            snow.append(step.observation[start:end])
            if step.done:
                break
    letters = Counter("".join(snow))
    total, kinds = sum(letters.values()), len(letters)
    # Chi-squared of an even draw over 20 letters: 19 degrees of freedom, mean 19, standard deviation 6.2.
    chi = sum((count - total / kinds) ** 2 / (total / kinds) for count in letters.values())
    assert kinds == 20
    assert chi < 19 + 5 * 6.2
    assert len(set(snow)) == len(snow)


def test_watching_is_limited_and_costs_nothing():
    lived: Any = world("noisy", watching=2)
    lived.reset(0)
    value = lived.value()
    for _ in range(2):
        assert "tv" in lived.actions()
        assert lived.step("tv").reward == 0.0
    assert "tv" not in lived.actions()
    assert lived.value() == value
    assert lived.step("tv").info == {"bad": True}


def test_bad_actions_are_told_what_is_possible_and_three_are_forgiven():
    lived: Any = world("switches")
    lived.reset(0)
    lamps = lived.value(), lived.expert()
    for bad in ("open the door", "e", ""):
        step = lived.step(bad)
        assert step == Step(observation="cannot. can: a b c d", reward=0.0, done=False, info={"bad": True})
    assert (lived.value(), lived.expert()) == lamps
    assert lived.step("?") == Step(observation="cannot. over.", reward=0.0, done=True, info={"bad": True})
    game = world("nim")
    game.reset(0)
    assert [game.step("pass").reward for _ in range(4)] == [0.0, 0.0, 0.0, -1.0]


def test_case_and_spaces_around_an_action_do_not_matter():
    lived, other = world("switches"), world("switches")
    lived.reset(1)
    other.reset(1)
    assert lived.step(" A\n") == other.step("a")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Switches(switches=7), "switches = 7: expected 2 to 6"),
        (lambda: Switches(slack=-1), "slack = -1"),
        (lambda: Switches(switches=3, rule=6), "rule = 6: expected 0 to 5"),
        (lambda: Rooms(rooms=2), "rooms = 2"),
        (lambda: Journey(tools=9), "tools = 9"),
        (lambda: Rooms(doors=4), "doors = 4"),
        (lambda: Rooms(slack=-1), "slack = -1"),
        (lambda: Journey(miles=0), "miles = 0"),
        (lambda: Journey(rule=24), "rule = 24: expected 0 to 23"),
        (lambda: Ledger(entries=0), "3 pages of 0 entries"),
        (lambda: Ledger(questions=10), "questions = 10: expected 1 to 9"),
        (lambda: HandbookPages(facts=0), "facts = 0"),
        (lambda: HandbookPages(per_page=0), "per_page = 0"),
        (lambda: HandbookPages(prose=50), "prose = 50"),
        (lambda: HandbookPages(chosen=True), "chosen"),
        (lambda: HandbookPages(chosen=True, wording="taught", prose=400), "chosen"),
        (lambda: HandbookPages(choices=7), "choices = 7"),
        (lambda: HandbookPages(wording="oral"), "wording = 'oral'"),
        (lambda: Bandit(levers=9), "levers = 9"),
        (lambda: Bandit(pulls=0), "pulls = 0"),
        (lambda: Drift(every=0), "every = 0"),
        (lambda: Drift(cycle=25), "cycle = 25: expected 2 to 24"),
        (lambda: Noisy(snow=-1), "snow = -1"),
    ],
)
def test_impossible_options_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_study_may_have_any_source():
    assert Study(source=Ledger()).about.name == "ledger"
