"""Worlds by name, with options as a command line gives them, and others' worlds."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from liveoak.errors import BadSettings, NotFound, Unavailable
from liveoak.worlds import RuledWorld, registry, world, worlds
from liveoak.worlds.built_in import Bandit, Journey, Ledger, Study, Switches
from liveoak.worlds.foreign.library import library
from liveoak.worlds.games import Match


def test_every_entry_has_a_line_and_every_built_in_one_a_world_of_its_name():
    names = [entry.name for entry in worlds()]
    assert len(names) == len(set(names)) >= 17
    for entry in worlds():
        assert entry.about
        if entry.needs is not None:
            with pytest.raises(BadSettings, match=f"missing a required argument: '{entry.needs}'"):
                world(entry.name)
        elif entry.factory.startswith("liveoak.worlds.built_in") or entry.factory.startswith("liveoak.worlds.games"):
            assert world(entry.name).name == entry.name
            assert entry.extra is None


def test_options_reach_the_rules_and_texts_are_converted():
    made: Any = world("switches", switches="3", slack="0", rule="5")
    assert made.rules == Switches(switches=3, slack=0, rule=5)
    assert world("journey", tells="true").rules == Journey(tells=True)
    assert world("bandit", rule=None).rules == Bandit(rule=None)
    assert world("ledger", pages=2).rules == Study(source=Ledger(pages=2))
    game: Any = world("nim", heaps="2", opponent="perfect")
    assert isinstance(game.rules, Match)
    assert (game.rules.game.heaps, game.rules.opponent) == (2, "perfect")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("switches", {"lamps": 3}, r"world 'switches': .*'lamps'; its options are: .*slack = 3"),
        ("switches", {"switches": "many"}, r"world 'switches': switches .*integer.*'many'"),
        ("switches", {"switches": 9}, r"world 'switches': .*switches = 9: expected 2 to 6"),
        ("nim", {"opponent": "evil"}, r"world 'nim': opponent .*'evil'"),
        ("nim", {"heaps": 7}, r"world 'nim': .*heaps = 7: expected 1 to 4"),
    ],
)
def test_wrong_options_are_told(name: str, options: dict[str, Any], message: str):
    with pytest.raises(BadSettings, match=message):
        world(name, **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("swiches", "did you mean switches"),
        ("zzz", "`liveoak live --list` lists"),
        ("no.such.module:make", "cannot be imported"),
        ("liveoak.worlds:no_such", "cannot be imported"),
        ("liveoak.worlds.handbook:MOST_FACTS", "expected a function or class"),
    ],
)
def test_unknown_worlds_are_told(name: str, message: str):
    with pytest.raises(NotFound, match=message):
        world(name)


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("others_worlds")
    module.harbour = lambda *, ships: RuledWorld(Switches(switches=ships))
    module.quay = Switches
    module.Shed = type("Shed", (), {"name": "shed"})
    monkeypatch.setitem(sys.modules, "others_worlds", module)
    points = [
        EntryPoint(name="harbour", value="others_worlds:harbour", group="liveoak.worlds"),
        EntryPoint(name="switches", value="others_worlds:harbour", group="liveoak.worlds"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "liveoak.worlds" else [])


@pytest.mark.usefixtures("others")
def test_others_offer_worlds_by_entry_point_and_by_path():
    assert [entry.name for entry in worlds()].count("switches") == 1
    assert worlds()[-1].name == "harbour"
    assert world("harbour", ships=2).rules == Switches(switches=2)
    assert world("others_worlds:harbour", ships=3).rules == Switches(switches=3)
    assert world("others_worlds:quay", switches="2").rules == Switches(switches=2)
    # A name of ours is not taken over.
    assert world("switches").rules == Switches()


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("options", [{}, {"ships": 2}])
def test_a_class_that_declares_no_options_is_told_how_to(options: dict[str, Any]):
    with pytest.raises(BadSettings, match=r"the class Shed, which is no dataclass.*name a function"):
        world("others_worlds:Shed", **options)


def test_a_missing_library_says_what_to_install():
    with pytest.raises(Unavailable, match=r"needs no_such_library.*pip install 'liveoak\[worlds\]'"):
        library("no_such_library.part", world="lake")


def test_a_world_without_its_library_is_unavailable(monkeypatch: pytest.MonkeyPatch):
    for name in ("gymnasium", "minigrid", "reasoning_gym", "textworld_express", "verifiers.v1"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("frozenlake", "taxi", "minigrid", "reasoning-gym", "textworld-express"):
        with pytest.raises(Unavailable, match=f"world '{name}' needs"):
            world(name)
    with pytest.raises(Unavailable, match=r"pip install 'liveoak\[verifiers\]'"):
        world("verifiers", taskset="any")


def test_java_is_asked_for_where_there_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "textworld_express", ModuleType("textworld_express"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match="needs Java"):
        world("textworld-express")
