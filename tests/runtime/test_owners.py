"""Two authors, one of whom may teach: what belongs to whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from small_life import Heard, chat, lesson, user

from liveoak.errors import NotAllowed, NotFound
from liveoak.records import Proof
from liveoak.runtime import Runtime

ANN, BOB, TEACHER = "ann", "bob", "local"


@pytest.fixture
def learned(runtime: Runtime) -> Proof:
    """What ann's session learned."""
    return runtime.learn(lesson("l1"), session="s", author=ANN)


@pytest.mark.parametrize("other", [BOB, TEACHER])
def test_a_sessions_versions_do_not_exist_for_others(runtime: Runtime, learned: Proof, other: str):
    pinned = f"agent@{learned.version}"
    first = runtime.current().id
    unknown = _message(lambda: runtime.ask(chat("Hi", model="agent@0000dead0000", author=other)))
    tries: list[Callable[[], object]] = [
        lambda: runtime.ask(chat("Hi", model=pinned, author=other)),
        lambda: runtime.score([user("Hi")], "Ho", model=pinned, author=other),
        lambda: runtime.version(learned.version, author=other),
    ]
    for attempt in tries:
        assert _message(attempt).replace(learned.version, "0000dead0000") == unknown
    for attempt in (
        lambda: runtime.chat(chat("Hi", session="s", author=other), Heard()),
        lambda: runtime.learn(lesson("l2"), session="s", author=other),
        lambda: runtime.score([user("Hi")], "Ho", session="s", author=other),
        lambda: runtime.versions("s", author=other),
        lambda: runtime.current("s", author=other),
        lambda: runtime.rollback(first, "s", author=other),
        lambda: runtime.rollback(learned.version, "other", author=other),
        lambda: runtime.forget("s", author=other),
        lambda: runtime.notes("s", author=other),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert runtime.current("s", author=ANN).id == learned.version
    assert runtime.current().id == first


def test_their_author_pins_rolls_back_and_forgets(runtime: Runtime, learned: Proof):
    first = runtime.current().id
    assert runtime.ask(chat("Hi", model=f"agent@{learned.version}", author=ANN)).version == learned.version
    assert runtime.rollback(None, "s", ANN).id == first
    assert runtime.rollback(learned.version, "s", ANN).id == learned.version
    assert runtime.forget("s", ANN).id == first


def test_what_everybody_is_served_is_for_teachers(runtime: Runtime):
    taught = runtime.learn(lesson("l1"))
    own = runtime.learn(lesson("l2"), session="s", author=ANN)
    for attempt in (
        lambda: runtime.learn(lesson("l3"), author=ANN),
        lambda: runtime.rollback(author=ANN),
        lambda: runtime.rollback(taught.parent, author=ANN),
        lambda: runtime.promote(own.version, author=ANN),
        lambda: runtime.promote(taught.parent, author=ANN),
    ):
        with pytest.raises(NotAllowed, match="'teachers'"):
            attempt()
    assert runtime.current().id == taught.version
    with pytest.raises(NotFound):
        runtime.promote(own.version, author=TEACHER)
    with pytest.raises(NotFound):
        runtime.rollback(own.version, author=TEACHER)
    assert runtime.rollback(author=TEACHER).id == taught.parent


def test_what_a_teacher_promotes_is_everybodys_with_its_ancestors(start: Callable[..., Runtime]):
    runtime = start(teachers=(ANN,))
    one = runtime.learn(lesson("l1"), session="s", author=ANN)
    two = runtime.learn(lesson("l2"), session="s", author=ANN)
    with pytest.raises(NotFound):
        runtime.version(one.version, author=BOB)
    runtime.promote(two.version, author=ANN)
    three = runtime.learn(lesson("l3"), session="s", author=ANN)
    for version in (one, two):
        assert runtime.ask(chat("Hi", model=f"agent@{version.version}", author=BOB)).version == version.version
    with pytest.raises(NotFound):
        runtime.ask(chat("Hi", model=f"agent@{three.version}", author=BOB))
    assert [version.id for version in runtime.versions(author=BOB)] == [one.parent, one.version, two.version]
    runtime.rollback(author=ANN)
    assert runtime.version(two.version, author=BOB).id == two.version, "it was everybody's and stays so"


def test_a_record_is_erased_by_its_author_or_a_teacher(start: Callable[..., Runtime]):
    runtime = start()
    for name in ("s", "t"):
        runtime.ask(chat("Hi", session=name, author=ANN))
    with pytest.raises(NotFound):
        runtime.erase("s", author=BOB)
    assert len(runtime.experience.turns("s")) == 2
    runtime.erase("s", author=ANN)
    runtime.erase("t", author=TEACHER)
    assert runtime.experience.sessions() == []
    with pytest.raises(NotFound, match="erased"):
        runtime.erase("s", author=ANN)
    assert runtime.erase("s", author=TEACHER) == (), "who was cut off may ask again"


def _message(attempt: Callable[[], object]) -> str:
    with pytest.raises(NotFound) as caught:
        attempt()
    return str(caught.value)
