"""Any order of calls, against a model made of lists."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from record_samples import a_session, a_turn, feedback_on

from liveoak.errors import Conflict
from liveoak.experience import Experience
from liveoak.records import Feedback, Turn

SESSIONS = ("a", "b", "c")


class RecordMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Path(self.folder.name) / "experience.db"
        self.experience = Experience(self.store)
        self.sessions: list[str] = []
        self.erased: set[str] = set()
        self.lived: list[Turn] = []
        self.said: list[Feedback] = []

    @rule(name=st.sampled_from(SESSIONS))
    def add_session(self, name: str) -> None:
        if name in self.erased:
            try:
                self.experience.add_session(a_session(name))
            except Conflict:
                return
            raise AssertionError("an erased session came back")
        self.experience.add_session(a_session(name))
        if name not in self.sessions:
            self.sessions.append(name)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20), skip=st.integers(-2, 2))
    def append(self, data: st.DataObject, text: str, skip: int) -> None:
        name = data.draw(st.sampled_from(self.sessions))
        due = sum(turn.session == name for turn in self.lived)
        turn = a_turn(due + skip, name, text=text, id=f"{name}-{due + skip}-{text}")
        known = turn in self.lived
        try:
            self.experience.append(turn)
        except Conflict:
            assert skip != 0
            assert not known
        else:
            assert skip == 0 or known
            if not known:
                self.lived.append(turn)

    @precondition(lambda self: self.lived)
    @rule(data=st.data(), trusted=st.booleans())
    def add_feedback(self, data: st.DataObject, trusted: bool) -> None:
        turn = data.draw(st.sampled_from(self.lived))
        feedback = feedback_on(turn.id, f"f{len(self.said)}-{turn.id}-{trusted}", trusted=trusted)
        self.experience.add_feedback(feedback)
        if feedback not in self.said:
            self.said.append(feedback)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.sessions))
        gone = {turn.id for turn in self.lived if turn.session == name}
        erased = self.experience.erase(name)
        assert erased.turns == len(gone)
        assert erased.feedback == sum(feedback.turn in gone for feedback in self.said)
        self.sessions.remove(name)
        self.erased.add(name)
        self.lived = [turn for turn in self.lived if turn.id not in gone]
        self.said = [feedback for feedback in self.said if feedback.turn not in gone]

    @rule()
    def reopen(self) -> None:
        self.experience.close()
        self.experience = Experience(self.store)

    @invariant()
    def the_record_is_the_model(self) -> None:
        assert [session.id for session in self.experience.sessions()] == self.sessions[::-1]
        assert list(self.experience.since(0, 1000).turns) == self.lived
        assert self.experience.feedback() == self.said
        for name in self.sessions:
            assert self.experience.turns(name) == [turn for turn in self.lived if turn.session == name]

    def teardown(self) -> None:
        self.experience.close()
        self.folder.cleanup()


TestRecord = RecordMachine.TestCase
TestRecord.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
