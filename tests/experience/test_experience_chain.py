from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from record_samples import a_session, a_verdict, a_version, versions

from liveoak.errors import Conflict, NotFound, UserError
from liveoak.experience import Experience, HeadMove
from liveoak.records import Lesson, Version


def teach(experience: Experience, *ids: str) -> None:
    for id in ids:
        experience.add_lesson(Lesson(id=id, topic="t"), session=None, author="ann", created=5.0)


def test_a_version_keeps_its_lineage_in_order(experience: Experience) -> None:
    teach(experience, "a", "b", "c")
    first = a_version("v0")
    second = a_version("v1", parent="v0", lessons=("c", "a", "b"), verdict=a_verdict())
    experience.add_version(first)
    experience.add_version(second)
    experience.add_version(second)
    assert experience.version("v1") == second
    assert experience.versions("oak") == [first, second]
    assert experience.versions("elm") == []


def test_a_version_never_changes(experience: Experience) -> None:
    teach(experience, "a", "b")
    experience.add_version(a_version(lessons=("a", "b")))
    with pytest.raises(Conflict, match="lineage"):
        experience.add_version(a_version(lessons=("b", "a")))
    with pytest.raises(Conflict, match="prior"):
        experience.add_version(a_version(lessons=("a", "b"), prior="q"))


def test_a_version_of_unknown_experience_is_not_recorded(experience: Experience) -> None:
    teach(experience, "a")
    with pytest.raises(NotFound, match="lesson 'gone'"):
        experience.add_version(a_version(lessons=("a", "gone")))
    with pytest.raises(NotFound, match="session 'gone'"):
        experience.add_version(a_version(session="gone"))
    assert experience.versions("oak") == []


def test_a_version_whose_lesson_was_erased_while_it_was_studied_is_not_recorded(experience: Experience) -> None:
    experience.add_session(a_session())
    experience.add_lesson(Lesson(id="l", topic="t"), session="s", author="ann", created=5.0)
    experience.erase("s")
    with pytest.raises(NotFound, match="erased"):
        experience.add_version(a_version(lessons=("l",)))
    with pytest.raises(NotFound, match="erased"):
        experience.add_version(a_version(session="s"))


def test_heads_are_a_history(experience: Experience) -> None:
    experience.add_session(a_session())
    for id in ("v0", "v1"):
        experience.add_version(a_version(id))
    experience.add_version(a_version("f", session="s"))
    assert experience.head("oak") is None
    experience.move_head("oak", None, "v0", "the prior", 1.0)
    experience.move_head("oak", None, "v1", "lesson l", 2.0)
    experience.move_head("oak", "s", "f", "learned in session", 2.5)
    experience.move_head("oak", None, "v0", "rolled back", 3.0)
    assert experience.head("oak") == "v0"
    assert experience.head("oak", "s") == "f"
    assert experience.head("elm") is None
    assert [(move.version, move.why) for move in experience.heads("oak")] == [
        ("v0", "the prior"),
        ("v1", "lesson l"),
        ("v0", "rolled back"),
    ]
    experience.clear_head("oak", "s")
    experience.clear_head("oak", "s")
    assert experience.head("oak", "s") is None
    cleared = HeadMove(agent="oak", session="s", version=None, why="cleared", created=1000.0)
    assert experience.heads("oak", "s")[1:] == [cleared]
    assert experience.head("oak") == "v0"


def test_a_head_moves_only_to_what_may_be_served(experience: Experience) -> None:
    for id, agent in [("v0", "oak"), ("v1", "oak"), ("e0", "elm")]:
        experience.add_version(a_version(id, agent=agent))
    experience.retire_version("v1", "learned from erased session s")
    with pytest.raises(Conflict, match=r"retired .learned from erased session s"):
        experience.move_head("oak", None, "v1", "roll back", 1.0)
    with pytest.raises(Conflict, match="agent 'elm'"):
        experience.move_head("oak", None, "e0", "mistake", 1.0)
    with pytest.raises(NotFound):
        experience.move_head("oak", None, "nothing", "mistake", 1.0)
    with pytest.raises(NotFound):
        experience.move_head("oak", "nobody", "v0", "mistake", 1.0)
    assert experience.heads("oak") == []


def test_retiring(experience: Experience) -> None:
    experience.add_version(a_version())
    assert experience.retired("v0") is None
    experience.retire_version("v0", "first")
    experience.retire_version("v0", "second")
    assert experience.retired("v0") == "first"
    assert experience.version("v0") == a_version()
    experience.add_version(a_version())
    for ask in (lambda: experience.retired("x"), lambda: experience.retire_version("x", "y")):
        with pytest.raises(NotFound, match="version 'x'"):
            ask()
    with pytest.raises(UserError, match="reason"):
        experience.retire_version("v0", "")


_numbers = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions)
def test_versions_come_back(experience: Experience, version: Version) -> None:
    version = replace(version, id=f"{version.id}#{next(_numbers)}")
    experience.add_version(version)
    experience.add_version(version)
    assert experience.version(version.id) == version
    assert version in experience.versions(version.agent)
