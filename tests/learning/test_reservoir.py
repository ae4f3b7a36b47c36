"""The bounded memory of the past."""

from __future__ import annotations

from collections import Counter

from liveoak.learning.lived import Lived
from liveoak.learning.reservoir import Reservoir
from liveoak.records import Origin, Rendered, Span
from liveoak.signals import Episode


def lived(number: int) -> Lived:
    rendered = Rendered(ids=(1, 2), spans=(Span(origin=Origin.GIVEN, start=0, end=2),))
    return Lived(episode=Episode(id=str(number), rendered=rendered, acted=()), world="w", group="g")


def ids(some: object) -> list[int]:
    return [int(one.episode.id) for one in some]  # type: ignore[attr-defined]


def test_all_are_kept_while_there_is_room():
    past = Reservoir(room=5).after([lived(n) for n in range(4)])
    assert ids(past.kept) == [0, 1, 2, 3]
    assert past.seen == 4
    assert sorted(ids(past.some(9))) == [0, 1, 2, 3]


def test_every_episode_is_kept_as_often_as_any_other():
    """Room for 5 of 20: each is in 1/4 of 400 memories, give or take 4 standard errors."""
    counts = Counter(
        n for seed in range(400) for n in ids(Reservoir(room=5, seed=seed).after(map(lived, range(20))).kept)
    )  # type: ignore[arg-type]
    expected, error = 100, (400 * 0.25 * 0.75) ** 0.5
    assert set(counts) == set(range(20))
    assert all(abs(count - expected) < 4 * error for count in counts.values())


def test_what_is_kept_does_not_depend_on_how_it_came():
    whole = Reservoir(room=3, seed=1).after([lived(n) for n in range(12)])
    parts = Reservoir(room=3, seed=1)
    for n in range(12):
        parts = parts.after([lived(n)])
    assert whole == parts
    assert ids(whole.some(2)) == ids(parts.some(2))


def test_no_room_keeps_nothing():
    past = Reservoir(room=0).after([lived(0)])
    assert past.kept == () and past.some(3) == []
