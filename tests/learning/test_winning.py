"""What is kept of contests: the agent's own wins, and rivals' moves where these won."""

from __future__ import annotations

from liveoak.learning.lived import Lived
from liveoak.learning.reservoir import Reservoir
from liveoak.learning.winning import Wins
from liveoak.records import Origin, Rendered, Span
from liveoak.signals import Acted, Episode


def rival(number: int) -> Lived:
    spans = (Span(origin=Origin.GIVEN, start=0, end=1), Span(origin=Origin.DEMONSTRATED, start=1, end=2))
    return Lived(
        episode=Episode(id=f"r{number}", rendered=Rendered(ids=(10, number), spans=spans), acted=()),
        world="w",
        group="0",
    )


def contest(number: int, worth: float | None, *, contested: bool = True) -> Lived:
    spans = (Span(origin=Origin.OBSERVED, start=0, end=1), Span(origin=Origin.ACTED, start=1, end=2))
    acted = Acted(turn=f"t{number}", places=(1,), logprobs=(-1.0,), reward=worth)
    episode = Episode(id=str(number), rendered=Rendered(ids=(10, number), spans=spans), acted=(acted,))
    return Lived(
        episode=episode, world="w", group="0", told="how it went", contested=contested, beside=(rival(100 + number),)
    )


def wins(room: int = 8) -> Wins:
    return Wins(own=Reservoir(room=room), rivals=Reservoir(room=room))


def test_of_a_win_the_agents_play_is_kept_and_of_a_loss_the_rivals():
    kept = wins().after([contest(1, 1.0), contest(2, -1.0), contest(3, 1.0)])
    assert [one.episode.id for one in kept.own.kept] == ["1/won", "3/won"]
    assert [one.episode.id for one in kept.rivals.kept] == ["r102"]
    for one in kept.own.kept:
        assert one.beside == () and one.told == "" and one.episode.acted == ()
        assert [span.origin for span in one.episode.rendered.spans] == [Origin.OBSERVED, Origin.DEMONSTRATED]


def test_what_went_as_usual_was_rewarded_by_nobody_or_is_no_contest_tells_nothing():
    same = wins().after([contest(1, 0.0), contest(2, 0.0)])
    assert not same.own.kept and not same.rivals.kept
    none = wins().after([contest(1, None), contest(2, 1.0, contested=False), contest(3, -1.0, contested=False)])
    assert none == wins()


def test_better_is_what_is_better_than_all_of_the_past_was():
    kept = wins().after([contest(1, -1.0)])
    # A draw, where losing is usual.
    assert [one.episode.id for one in kept.after([contest(2, 0.0)]).own.kept] == ["2/won"]


def test_there_is_room_for_so_many_of_each_and_some_of_each_are_drawn():
    kept = wins(room=4)
    for number in range(20):
        kept = kept.after([contest(2 * number, 1.0), contest(2 * number + 1, -1.0)])
    assert (len(kept.own.kept), len(kept.rivals.kept)) == (4, 4)
    drawn = kept.some(3)
    assert [bool(one.episode.id.endswith("/won")) for one in drawn] == [True] * 3 + [False] * 3
    assert all(one.episode.id.endswith("/won") for one in kept.some(9, rivals=False)) and len(kept.some(9)) == 8
