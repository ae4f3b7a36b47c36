from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_samples import a_session, a_verdict, a_version, versions
from sqlalchemy import select

from liveoak.errors import Conflict, NotFound, UserError
from liveoak.experience import Experience, HeadMove
from liveoak.experience.schema import lineage
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


def lessons_of_versions(draw: st.DrawFn) -> list[tuple[str | None, tuple[str, ...]]]:
    """For each version its parent, an earlier one of the two agents', and its lessons: the parent's or some of them,
    and others."""
    made: list[tuple[str | None, tuple[str, ...]]] = []
    for number in range(draw(st.integers(1, 8))):
        above = draw(st.none() | st.integers(0, number - 1)) if number else None
        before = () if above is None else made[above][1][: draw(st.integers(0, 9))]
        own = tuple(draw(st.lists(st.sampled_from("abcdef"), max_size=3)))
        made.append((None if above is None else f"v{above}", before + own))
    return made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.composite(lessons_of_versions)(), agents=st.lists(st.sampled_from(("oak", "oak", "elm")), min_size=8))
def test_whatever_a_version_shares_with_its_parent_its_lessons_are_its_own(
    experience: Experience, made: list[tuple[str | None, tuple[str, ...]]], agents: list[str]
) -> None:
    tag = f"#{next(_numbers)}"
    for lesson in "abcdef":
        session = f"{lesson}{tag}"
        experience.add_session(a_session(session))
        experience.add_lesson(Lesson(id=session, topic="t"), session=session, author="ann", created=5.0)
    wanted = [
        a_version(
            f"v{number}{tag}",
            parent=None if parent is None else f"{parent}{tag}",
            agent=f"{agent}{tag}",
            lessons=tuple(f"{lesson}{tag}" for lesson in lessons),
        )
        for number, ((parent, lessons), agent) in enumerate(zip(made, agents, strict=False))
    ]
    for version in wanted:
        experience.add_version(version)
        experience.add_version(version)
    for version in wanted:
        assert experience.version(version.id) == version
        line = experience.line(version.id)
        assert line == [one for one in wanted if one in line] and line[-1] == version
        assert [one.id for one in line[:-1]] == [one.parent for one in line[1:]]
    for agent in ("oak", "elm"):
        assert experience.versions(f"{agent}{tag}") == [one for one in wanted if one.agent == f"{agent}{tag}"]
    for lesson in "abcdef":
        saw = tuple(one.id for one in wanted if f"{lesson}{tag}" in one.lessons)
        assert experience.erase(f"{lesson}{tag}").versions == saw
        assert [experience.version(one.id) for one in wanted] == wanted


def test_a_chain_is_as_long_in_the_record_as_it_is(experience: Experience) -> None:
    """Not as long as the square of it."""
    names = [f"l{number}" for number in range(40)]
    teach(experience, *names)
    for number in range(40):
        parent = f"v{number - 1}" if number else None
        experience.add_version(a_version(f"v{number}", parent=parent, lessons=tuple(names[: number + 1])))
    assert experience.version("v39").lessons == tuple(names)
    assert [len(version.lessons) for version in experience.line("v20")] == list(range(1, 22))
    with experience._database.read() as connection:
        assert len(connection.execute(select(lineage)).all()) == 40


def test_it_tells_which_ids_no_version_has(experience: Experience) -> None:
    many = [f"v{number}" for number in range(1100)]
    for id in (many[0], many[700], many[1099]):
        experience.add_version(a_version(id))
    assert experience.unrecorded(many) == set(many) - {many[0], many[700], many[1099]}
    with pytest.raises(NotFound, match="version 'v1'"):
        experience.line("v1")
