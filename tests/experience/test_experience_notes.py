"""Notes in the record, and whose each token of a turn is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from record_samples import a_session, a_turn

from liveoak.errors import Conflict, NotFound, UserError
from liveoak.experience import Experience
from liveoak.records import Note, Origin, Span

ACTED, FORCED = Origin.ACTED, Origin.SCAFFOLD


def a_note(id: str, session: str = "s", turn: str = "s-0", text: str = "Ann is away.") -> Note:
    return Note(id=id, session=session, turn=turn, text=text, tokens=5, created=3.0)


@pytest.fixture
def lived(experience: Experience) -> Experience:
    for name in ("s", "t"):
        experience.add_session(a_session(name))
        experience.append(a_turn(0, name))
    return experience


def test_notes_come_back_in_order_and_make_room(lived: Experience) -> None:
    first, second, third = a_note("n1"), a_note("n2"), a_note("n3")
    lived.add_note(first)
    lived.add_note(second)
    lived.add_note(third, dropped=("n1", "n2"))
    assert lived.notes("s") == [replace(first, dropped="n3"), replace(second, dropped="n3"), third]
    assert lived.notes("t") == []
    assert lived.counts()["notes"] == 3


def test_the_same_note_again_is_one_note(lived: Experience) -> None:
    lived.add_note(a_note("n1"))
    lived.add_note(a_note("n2"), dropped=("n1",))
    lived.add_note(a_note("n1"))
    lived.add_note(a_note("n2"), dropped=("n1",))
    assert [note.dropped for note in lived.notes("s")] == ["n2", None]
    with pytest.raises(Conflict, match="note 'n1' is in the record with other content"):
        lived.add_note(a_note("n1", text="Ann is here."))


def test_a_note_that_does_not_fit_the_record_is_refused_whole(lived: Experience) -> None:
    lived.add_note(a_note("other", session="t", turn="t-0"))
    lived.add_note(a_note("n1"))
    lived.add_note(a_note("n2"), dropped=("n1",))
    for gone in ("n1", "other", "unknown", "n3"):
        with pytest.raises(UserError, match="cannot make room"):
            lived.add_note(a_note("n3"), dropped=(gone,))
    with pytest.raises(UserError, match="another session"):
        lived.add_note(a_note("n3", turn="t-0"))
    with pytest.raises(UserError, match="dropped already"):
        lived.add_note(replace(a_note("n3"), dropped="n4"))
    with pytest.raises(NotFound):
        lived.add_note(a_note("n3", turn="nowhere"))
    with pytest.raises(NotFound):
        lived.notes("nowhere")
    assert [note.id for note in lived.notes("s")] == ["n1", "n2"]


def test_notes_go_with_their_session(lived: Experience) -> None:
    lived.add_note(a_note("n1"))
    lived.add_note(a_note("other", session="t", turn="t-0"))
    lived.erase("s")
    with pytest.raises(NotFound, match="erased"):
        lived.notes("s")
    assert [note.id for note in lived.notes("t")] == ["other"]


def test_spans_tell_what_was_forced(lived: Experience) -> None:
    spans = (Span(origin=ACTED, start=0, end=2), Span(origin=FORCED, start=2, end=3))
    turn = a_turn(1, origin=ACTED, ids=(5, 6, 7), logprobs=(-0.5, -1.0, 0.0), version="v", spans=spans)
    lived.append(turn)
    lived.append(turn)
    assert lived.turn("s-1") == turn
    assert lived.turn("s-0").spans == ()


@pytest.mark.parametrize("ranges", [[(0, 2)], [(1, 3)], [(0, 1), (2, 3)], [(0, 2), (1, 3)], [(0, 0), (0, 3)], [(0, 4)]])
def test_spans_cover_every_id_once(lived: Experience, ranges: list[tuple[int, int]]) -> None:
    spans = tuple(Span(origin=ACTED, start=start, end=end) for start, end in ranges)
    with pytest.raises(UserError, match="do not cover its 3 ids"):
        lived.append(a_turn(1, ids=(5, 6, 7), spans=spans))


def test_a_store_of_the_first_tables_is_migrated(tmp_path: Path) -> None:
    """As an earlier liveoak left it: what is in it stays, and it takes what is new."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text

    from liveoak.experience.migrate import FOLDER

    store = tmp_path / "experience.db"
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    engine = create_engine(f"sqlite:///{store}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO sessions (id, agent, author, created) VALUES ('s', 'oak', 'ann', 1.0)"))
        message = '{"role":"user","content":"hello","tool_calls":[],"tool_call_id":null}'
        turn = {"message": message, "ids": b"", "logprobs": b""}
        columns = 'id, session, "index", origin, created, message, ids, logprobs'
        values = "'s-0', 's', 0, 'given', 2.0, :message, :ids, :logprobs"
        connection.execute(text(f"INSERT INTO turns ({columns}) VALUES ({values})"), turn)
    engine.dispose()
    with Experience(store) as experience:
        assert experience.turns("s") == [a_turn(0)]
        experience.add_note(a_note("n1"))
        assert experience.notes("s") == [a_note("n1")]
