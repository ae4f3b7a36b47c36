from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_samples import a_session, a_turn, feedback_on, feedbacks, sessions, turns

from liveoak.errors import Conflict, NotFound, Unavailable, UserError
from liveoak.experience import Experience
from liveoak.records import Feedback, Message, Origin, Session, Turn

shared_store = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@shared_store
@given(sessions, st.data())
def test_what_goes_in_comes_out(experience: Experience, session: Session, data: st.DataObject) -> None:
    fresh = replace(session, id=f"{session.id}#{_number()}")
    experience.add_session(fresh)
    assert experience.session(fresh.id) == fresh
    lived = [data.draw(turns(fresh.id, index)) for index in range(3)]
    lived = [replace(turn, id=f"{turn.id}#{_number()}") for turn in lived]
    for turn in lived:
        experience.append(turn)
    assert experience.turns(fresh.id) == lived
    assert [experience.turn(turn.id) for turn in lived] == lived
    assert list(experience.replay(fresh.id)) == lived
    said = replace(data.draw(feedbacks), id=f"f#{_number()}", turn=lived[0].id)
    experience.add_feedback(said)
    assert experience.feedback_on(lived[0].id) == [said]
    # Equal records again change nothing.
    experience.add_session(fresh)
    experience.append(*lived)
    experience.add_feedback(said)
    assert experience.turns(fresh.id) == lived
    assert experience.feedback(session=fresh.id) == [said]


_numbers = itertools.count()


def _number() -> int:
    return next(_numbers)


def test_types_come_back_as_they_are_declared(experience: Experience) -> None:
    experience.add_session(a_session())
    experience.append(a_turn(origin=Origin.ACTED, ids=(5, 7), logprobs=(-0.1, -1e-9), version="v"))
    turn = experience.turn("s-0")
    assert isinstance(turn.origin, Origin)
    assert isinstance(turn.ids, tuple)
    assert turn.logprobs == (-0.1, -1e-9)
    assert isinstance(turn.message.tool_calls, tuple)


class TestOrder:
    def test_indexes_have_no_gap_and_no_double(self, experience: Experience) -> None:
        experience.add_session(a_session())
        with pytest.raises(Conflict, match=r"index 1 .* expected 0"):
            experience.append(a_turn(1))
        experience.append(a_turn(0))
        with pytest.raises(Conflict, match=r"index 0 .* expected 1"):
            experience.append(a_turn(0, id="another"))
        with pytest.raises(Conflict, match="expected 1"):
            experience.append(a_turn(2))
        with pytest.raises(Conflict, match="index -1"):
            experience.append(a_turn(-1))
        assert experience.last_index("s") == 0

    def test_last_index_of_a_new_session_is_none(self, experience: Experience) -> None:
        experience.add_session(a_session())
        assert experience.last_index("s") is None
        assert experience.turns("s") == []
        assert list(experience.replay("s")) == []

    def test_several_turns_are_appended_together_or_not_at_all(self, experience: Experience) -> None:
        experience.add_session(a_session())
        with pytest.raises(Conflict):
            experience.append(a_turn(0), a_turn(1), a_turn(3))
        assert experience.turns("s") == []
        experience.append(a_turn(0), a_turn(1))
        assert [turn.index for turn in experience.turns("s")] == [0, 1]

    def test_turns_from_an_index_on(self, experience: Experience) -> None:
        experience.add_session(a_session())
        experience.append(*(a_turn(index) for index in range(5)))
        assert [turn.index for turn in experience.turns("s", 3)] == [3, 4]
        assert [turn.index for turn in experience.turns("s", 1, 2)] == [1, 2]
        assert experience.turns("s", 9) == []

    def test_replay_passes_page_borders(self, experience: Experience) -> None:
        experience.add_session(a_session())
        experience.append(*(a_turn(index) for index in range(600)))
        assert [turn.index for turn in experience.replay("s")] == list(range(600))

    def test_since_gives_all_sessions_in_order_of_arrival(self, experience: Experience) -> None:
        for name in "ab":
            experience.add_session(a_session(name))
        order = [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("b", 2)]
        for session, index in order:
            experience.append(a_turn(index, session))
        read, cursor = [], 0
        while (stretch := experience.since(cursor, 2)).turns:
            assert len(stretch.turns) <= 2
            read += [(turn.session, turn.index) for turn in stretch.turns]
            assert stretch.cursor > cursor
            cursor = stretch.cursor
        assert read == order
        assert stretch.cursor == cursor
        experience.append(a_turn(2, "a"))
        assert [turn.id for turn in experience.since(cursor).turns] == ["a-2"]

    def test_sequence_numbers_are_not_given_out_again_after_an_erasure(self, experience: Experience) -> None:
        for name in "ab":
            experience.add_session(a_session(name))
        experience.append(a_turn(0, "a"))
        experience.append(a_turn(0, "b"), a_turn(1, "b"))
        cursor = experience.since(0).cursor
        experience.erase("b")
        experience.append(a_turn(1, "a"))
        assert [turn.id for turn in experience.since(cursor).turns] == ["a-1"]

    def test_sessions_newest_first_by_pages(self, experience: Experience) -> None:
        for number in range(5):
            experience.add_session(a_session(f"s{number}", author="ann" if number % 2 else "bob"))
        assert [session.id for session in experience.sessions(limit=2)] == ["s4", "s3"]
        assert [session.id for session in experience.sessions(limit=2, before="s3")] == ["s2", "s1"]
        assert [session.id for session in experience.sessions(author="ann")] == ["s3", "s1"]
        assert [session.id for session in experience.sessions(agent="elm")] == []
        assert len(experience.sessions(limit=None)) == 5


class TestIdempotence:
    def test_the_same_turn_twice_is_one(self, experience: Experience) -> None:
        experience.add_session(a_session())
        experience.append(a_turn(0))
        experience.append(a_turn(1))
        experience.append(a_turn(0))
        assert [turn.index for turn in experience.turns("s")] == [0, 1]

    @pytest.mark.parametrize(
        ("change", "column"),
        [
            ({"message": Message(role="user", content="other")}, "message"),
            ({"origin": Origin.OBSERVED}, "origin"),
            ({"ids": (1,)}, "ids"),
            ({"version": "v"}, "version"),
            ({"created": 9.0}, "created"),
            ({"index": 1}, "index"),
        ],
    )
    def test_another_turn_under_the_same_id_is_a_conflict(
        self, experience: Experience, change: dict[str, object], column: str
    ) -> None:
        experience.add_session(a_session())
        experience.append(a_turn(0))
        with pytest.raises(Conflict, match=f"'s-0' .*differs in .*{column}"):
            experience.append(replace(a_turn(0), **change))  # type: ignore[arg-type]
        assert experience.turns("s") == [a_turn(0)]

    def test_another_session_under_the_same_id_is_a_conflict(self, experience: Experience) -> None:
        experience.add_session(a_session())
        with pytest.raises(Conflict, match="author"):
            experience.add_session(a_session(author="bob"))

    def test_whole_numbers_given_for_floats_are_the_same_record(self, experience: Experience) -> None:
        experience.add_session(a_session(created=1))
        experience.add_session(a_session(created=1.0))


class TestFeedback:
    @pytest.fixture(autouse=True)
    def _lived(self, experience: Experience) -> None:
        experience.add_session(a_session())
        experience.append(a_turn(0), a_turn(1))

    def test_out_of_quarantine_by_confirmation(self, experience: Experience) -> None:
        experience.add_feedback(feedback_on("s-0", "mine", trusted=True))
        experience.add_feedback(feedback_on("s-1", "theirs", author="eve"))
        assert [said.id for said in experience.feedback(trusted=True)] == ["mine"]
        assert [said.id for said in experience.feedback(trusted=False)] == ["theirs"]
        assert experience.confirm_feedback("theirs").trusted
        assert [said.id for said in experience.feedback(trusted=True)] == ["mine", "theirs"]
        assert experience.feedback(trusted=False) == []
        assert experience.confirm_feedback("theirs").trusted
        # A retry of the report after the confirmation neither conflicts nor takes the trust away.
        experience.add_feedback(feedback_on("s-1", "theirs", author="eve"))
        assert experience.feedback(trusted=False) == []

    def test_filters(self, experience: Experience) -> None:
        experience.add_session(a_session("t"))
        experience.append(a_turn(0, "t"))
        for id, turn, author in [("1", "s-0", "ann"), ("2", "t-0", "ann"), ("3", "s-1", "eve")]:
            experience.add_feedback(feedback_on(turn, id, author=author))
        assert [said.id for said in experience.feedback(session="s")] == ["1", "3"]
        assert [said.id for said in experience.feedback(author="ann")] == ["1", "2"]
        assert [said.id for said in experience.feedback(limit=1)] == ["1"]
        assert [said.id for said in experience.feedback_on("s-1")] == ["3"]

    @pytest.mark.parametrize(
        "bad", [{"value": 1.5}, {"value": float("nan")}, {"kind": "praise"}, {"created": float("inf")}]
    )
    def test_what_cannot_be_meant_is_refused(self, experience: Experience, bad: dict[str, object]) -> None:
        with pytest.raises(UserError):
            experience.add_feedback(feedback_on("s-0", **bad))
        assert experience.feedback() == []

    def test_other_feedback_under_the_same_id(self, experience: Experience) -> None:
        experience.add_feedback(feedback_on("s-0"))
        with pytest.raises(Conflict, match="value"):
            experience.add_feedback(feedback_on("s-0", value=-1.0))


class TestRefusals:
    def test_unknown_ids(self, experience: Experience) -> None:
        for ask in (
            lambda: experience.session("nobody"),
            lambda: experience.turn("nobody"),
            lambda: experience.turns("nobody"),
            lambda: experience.last_index("nobody"),
            lambda: experience.append(a_turn(0, "nobody")),
            lambda: list(experience.replay("nobody")),
            lambda: experience.sessions(before="nobody"),
            lambda: experience.feedback_on("nobody"),
            lambda: experience.add_feedback(feedback_on("nobody")),
            lambda: experience.confirm_feedback("nobody"),
            lambda: experience.erase("nobody"),
        ):
            with pytest.raises(NotFound, match="'nobody'"):
                ask()

    def test_log_probabilities_that_do_not_fit(self, experience: Experience) -> None:
        experience.add_session(a_session())
        with pytest.raises(UserError, match="1 log-probabilities for 2 ids"):
            experience.append(a_turn(ids=(1, 2), logprobs=(-1.0,)))

    @pytest.mark.parametrize("turn", [a_turn(text="\ud800"), a_turn(id="\ud800"), a_turn(created=float("nan"))])
    def test_what_no_database_can_hold(self, experience: Experience, turn: Turn) -> None:
        experience.add_session(a_session())
        with pytest.raises(UserError, match="cannot be recorded"):
            experience.append(turn)
        assert experience.turns("s") == []

    def test_negative_limits(self, experience: Experience) -> None:
        experience.add_session(a_session())
        for ask in (lambda: experience.sessions(limit=-1), lambda: experience.since(0, 0)):
            with pytest.raises(UserError, match="limit"):
                ask()

    def test_a_closed_record(self, location: Path | str) -> None:
        experience = Experience(location)
        experience.close()
        experience.close()
        with pytest.raises(Unavailable, match="closed"):
            experience.counts()
        with pytest.raises(Unavailable, match="closed"):
            experience.add_session(a_session())


def test_counts(experience: Experience) -> None:
    assert set(experience.counts().values()) == {0}
    experience.add_session(a_session())
    experience.append(a_turn(0), a_turn(1))
    experience.add_feedback(feedback_on("s-0"))
    assert experience.counts() == {
        "sessions": 1,
        "turns": 2,
        "notes": 0,
        "feedback": 1,
        "lessons": 0,
        "versions": 0,
        "erasures": 0,
    }


def test_everything_is_there_after_reopening(location: Path | str) -> None:
    said: Feedback = feedback_on("s-0", text="well done")
    with Experience(location) as experience:
        experience.add_session(a_session())
        experience.append(a_turn(0))
        experience.add_feedback(said)
    with Experience(location) as experience:
        assert experience.session("s") == a_session()
        assert experience.turns("s") == [a_turn(0)]
        assert experience.feedback() == [said]
        assert experience.check() == []
