"""What trusted people say of served turns reaches the weights, under the gate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from small_life import LOOK, chat, lesson, user

from liveoak.adapters import digest
from liveoak.config import GateSettings
from liveoak.errors import LearningError, NotAllowed, StorageError
from liveoak.learning.learner import Learner, Report
from liveoak.learning.lived import Lived
from liveoak.records import Finished, Harvest, Message
from liveoak.runtime import Progress, Runtime
from liveoak.runtime.traffic import TRAFFIC

ASKED = "What is the word?"
LONG = {"max_tokens": 64}


def said(runtime: Runtime, **fields: object) -> Finished:
    """A reply that can be read back: a random prior's bytes seldom are text."""
    drawn = {"temperature": 1.0, "max_tokens": 6, "pattern": "[a-z]{4}", "seed": hash_of(fields)}
    return runtime.ask(chat(ASKED, draw=drawn, **fields))


def reward(runtime: Runtime, session: str, value: float = 1.0) -> None:
    runtime.feedback(turn=said(runtime, session=session).turn, author="local", kind="reward", value=value)


def hash_of(fields: dict[str, object]) -> int:
    return sum(str(fields.get("session")).encode())


def likelihood(runtime: Runtime, reply: str) -> float:
    return sum(runtime.score([user(ASKED)], reply))


def test_a_reward_makes_what_was_said_likelier_and_a_bad_one_less(runtime: Runtime):
    good, bad = (said(runtime, session=name, author="guest") for name in ("good", "bad"))
    turns = [runtime.experience.turn(one.turn) for one in (good, bad)]
    texts = [runtime.score([user(ASKED)], turn.message.content) for turn in turns]
    before = [sum(one) for one in texts]
    runtime.feedback(turn=good.turn, author="local", kind="reward", value=1.0)
    runtime.feedback(turn=bad.turn, author="local", kind="reward", value=-1.0)
    parent = runtime.current().id
    done = runtime.learn_from_feedback()
    assert done.proof is not None and done.proof.verdict.kept
    assert done.version == runtime.current().id != parent
    assert set(done.sessions) == {"good", "bad"}
    after = [likelihood(runtime, turn.message.content) for turn in turns]
    assert after[0] > before[0]
    assert after[1] < before[1]
    # Each session is a lesson of the version, so that its erasure retires the version.
    assert len(runtime.current().lessons) == 2
    assert runtime.erase("bad") == (done.version,)
    assert runtime.current().id == parent


def test_a_correction_is_imitated_in_the_place_of_what_it_corrects(runtime: Runtime):
    reply = said(runtime, session="s")
    before = likelihood(runtime, "Ahoy")
    runtime.feedback(turn=reply.turn, author="local", kind="correction", text="Ahoy")
    done = runtime.learn_from_feedback()
    assert done.credited == {"imitation": len("Ahoy") + 1} and done.refused == ()
    assert likelihood(runtime, "Ahoy") > before
    (record,) = runtime.experience.lessons(session="s")
    assert record.status == "kept" and record.proof is not None
    assert record.proof.loss_after < record.proof.loss_before


def test_what_was_said_of_a_reply_is_distilled_by_an_earlier_version(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    """The prior teaches at first, and goes on to, for a version that has just been made would follow itself."""
    learners: list[Learner] = []
    told: list[str] = []
    learn = Learner.learn

    def watched(self: Learner, episodes: Sequence[Lived], *, stale: bool = False) -> Report:
        learners.append(self)
        told.extend(one.told for one in episodes)
        return learn(self, episodes, stale=stale)

    monkeypatch.setattr(Learner, "learn", watched)
    distilling = replace(TRAFFIC, reward=False, transition="off", imitation=False, distillation=True)
    for name in ("first", "second"):
        reply = said(runtime, session=name)
        runtime.feedback(turn=reply.turn, author="local", kind="reward", value=-1.0)
        runtime.feedback(turn=reply.turn, author="local", kind="comment", text="Too long.")
        runtime.feedback(turn=reply.turn, author="guest", kind="comment", text="Nonsense.")
        done = runtime.learn_from_feedback(learning=distilling)
        assert set(done.credited) == {"distillation"}
        assert done.proof is not None and done.proof.verdict.kept
    assert [text.splitlines()[1:] for text in told] == [
        ["Rewarded with -1.00, from -1 to 1.", "Said of it: Too long."]
    ] * 2
    first, second = (learner.teacher for learner in learners)
    assert first is not None and second is not None
    assert digest(first) == digest(second) != digest(learners[0].slot)


def test_each_feedback_is_learned_from_once(start: Callable[..., Runtime]):
    runtime = start()
    reward(runtime, "s")
    one = runtime.learn_from_feedback()
    assert (one.sessions, one.left) == (("s",), 0)
    runtime.close()
    runtime = start()
    again = runtime.learn_from_feedback()
    assert (again.version, again.sessions, again.left, again.proof) == (one.version, (), 0, None)
    assert len(runtime.experience.lessons()) == 1
    reward(runtime, "t")
    two = runtime.learn_from_feedback()
    assert two.sessions == ("t",)
    assert [version.id for version in runtime.versions()][-2:] == [one.version, two.version]
    reward(runtime, "s", -1.0)
    assert runtime.learn_from_feedback().sessions == ("s",), "something new was said of it"


def test_one_call_takes_so_many_sessions_and_the_next_the_others(start: Callable[..., Runtime]):
    runtime = start(harvest_sessions=2)
    for name in ("c", "a", "b"):
        reward(runtime, name)
    reward(runtime, "c", -1.0)
    harvests = [runtime.learn_from_feedback() for _ in range(3)]
    assert [(one.sessions, one.left) for one in harvests] == [(("c", "a"), 1), (("b",), 0), ((), 0)]


def test_one_session_that_diverges_keeps_no_other_waiting(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    names = [f"s{n}" for n in range(4)]
    for name in names:
        reward(runtime, name)
    learns = Learner.learn
    tried: list[list[str]] = []

    def diverges(learner: Learner, episodes: Sequence[Lived], *, stale: bool = False) -> Report:
        tried.append([one.group for one in episodes])
        if "s1" in tried[-1]:
            raise LearningError("the update diverged")
        return learns(learner, episodes, stale=stale)

    monkeypatch.setattr(Learner, "learn", diverges)
    first = runtime.learn_from_feedback()
    assert (first.sessions, first.left) == (("s0",), 3)
    assert tried == [names, names[:2], names[:1]]
    with pytest.raises(LearningError, match=r"'s1'.*diverged"):
        runtime.learn_from_feedback()
    last = runtime.learn_from_feedback()
    assert (last.sessions, last.left) == (("s2", "s3"), 0)
    assert len(runtime.current().lessons) == 3
    assert runtime.learn_from_feedback().sessions == ()
    assert not runtime.experience.lessons(status="waiting")


def test_what_is_let_out_of_quarantine_is_learned_from_then(runtime: Runtime):
    reply = said(runtime, session="s", author="guest")
    given = runtime.feedback(turn=reply.turn, author="guest", kind="reward", value=1.0)
    reward(runtime, "t")
    assert runtime.learn_from_feedback().sessions == ("t",)
    runtime.experience.confirm_feedback(given.id)
    assert runtime.learn_from_feedback().sessions == ("s",)


@pytest.mark.parametrize("error", [StorageError("full"), RuntimeError("broken")])
def test_a_harvest_that_fails_is_made_again(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, error: Exception):
    """Served by nothing of it, though the version was there already when the proof could not be recorded."""
    reward(runtime, "s")
    before = runtime.current()

    def broken(*_: object, **__: object) -> None:
        raise error

    if isinstance(error, StorageError):
        monkeypatch.setattr(runtime.experience, "finish_harvest", broken)
    else:
        monkeypatch.setattr(Learner, "learn", broken)
    with pytest.raises(type(error), match=str(error)):
        runtime.learn_from_feedback()
    assert runtime.current() == before
    monkeypatch.undo()
    assert runtime.learn_from_feedback().sessions == ("s",)
    assert [record.status for record in runtime.experience.lessons()] == ["failed", "kept"]


def test_a_harvest_waits_for_the_lesson_under_way(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    """Else one of them would find that what is served changed meanwhile."""
    reward(runtime, "s")
    studying, harvested = threading.Event(), list[Harvest]()
    harvest = threading.Thread(target=lambda: harvested.append(runtime.learn_from_feedback()))

    def told(progress: Progress) -> None:
        if progress.stage == "study" and not studying.is_set():
            studying.set()
            harvest.start()
            while not runtime._school._waiting:  # pyright: ignore[reportPrivateUsage]
                time.sleep(0.001)

    proof = runtime.learn(lesson("first"), on_progress=told)
    harvest.join(60)
    (done,) = harvested
    assert done.proof is not None and done.proof.parent == proof.version
    assert runtime.current().id == done.version


def test_a_harvest_tells_its_progress(runtime: Runtime):
    reward(runtime, "s")
    told: list[Progress] = []
    runtime.learn_from_feedback(on_progress=told.append)
    assert [(one.stage, one.done) for one in told] == [("read", 0), ("study", 0), ("gate", 0), ("gate", 1)]


def test_what_others_say_is_not_learned_from(runtime: Runtime):
    reply = said(runtime, session="s", author="guest")
    runtime.feedback(turn=reply.turn, author="guest", kind="reward", value=1.0)
    before = runtime.current().id
    done = runtime.learn_from_feedback()
    assert (done.sessions, done.version) == ((), before)
    with pytest.raises(NotAllowed):
        runtime.learn_from_feedback(author="guest")


@pytest.mark.parametrize(("author", "taught"), [("guest", {}), ("local", {"imitation": 4, "transition": 6})])
def test_what_a_client_wrote_into_a_rewarded_session_teaches_only_from_a_teacher(
    runtime: Runtime, author: str, taught: dict[str, int]
):
    """Anybody can send what "the assistant" said and what "the tool" answered; a teacher rewards another turn there."""
    sent = [user("Hi"), Message(role="assistant", content="Arr"), user("Look")]
    called = runtime.ask(chat(*sent, session="s", author=author, tools=(LOOK,), tool_choice="look", draw=LONG))
    (call,) = called.message.tool_calls
    sent += [called.message, Message(role="tool", content="a bear", tool_call_id=call.id), user(ASKED)]
    reply = runtime.ask(chat(*sent, session="s", author=author, draw={"temperature": 1.0, "pattern": "[a-z]{4}"}))
    runtime.feedback(turn=reply.turn, author="local", kind="reward", value=1.0)
    done = runtime.learn_from_feedback()
    assert done.credited == {"reward": 4, **taught}


def test_what_the_gate_refuses_is_not_served_and_recorded(start: Callable[..., Runtime]):
    runtime = start(gate=GateSettings(max_retention_nats=0.0, max_kl_prior=0.0))
    reply = said(runtime, session="s")
    runtime.feedback(turn=reply.turn, author="local", kind="reward", value=1.0)
    before = runtime.current().id
    done = runtime.learn_from_feedback()
    assert done.proof is not None and not done.proof.verdict.kept
    assert done.version == runtime.current().id == before
    assert [record.status for record in runtime.experience.lessons(session="s")] == ["refused"]
    assert runtime.learn_from_feedback().sessions == (), "a refusal is an answer too"


def test_a_reward_of_nothing_is_an_error_with_its_reason(runtime: Runtime):
    reply = said(runtime, session="s")
    runtime.feedback(turn=reply.turn, author="local", kind="reward", value=0.0)
    with pytest.raises(LearningError, match="every turn was worth what its baseline expected"):
        runtime.learn_from_feedback()
    assert [record.status for record in runtime.experience.lessons(session="s")] == ["failed"]
    assert runtime.current().parent is None
    assert runtime.learn_from_feedback().sessions == (), "it would teach nothing the next time either"


def test_replies_that_cannot_be_found_again_are_named(runtime: Runtime):
    reply = runtime.ask(chat(ASKED, session="s", draw={"max_tokens": 12}))
    runtime.feedback(turn=reply.turn, author="local", kind="reward", value=1.0)
    with pytest.raises(LearningError, match="1 turns are written otherwise than sampled"):
        runtime.learn_from_feedback()


def test_lessons_go_on_after_it(runtime: Runtime):
    reply = said(runtime, session="s")
    runtime.feedback(turn=reply.turn, author="local", kind="reward", value=1.0)
    lived = runtime.learn_from_feedback()
    proof = runtime.learn(lesson("after"))
    assert proof.parent == lived.version and proof.verdict.kept
    assert len(runtime.current().lessons) == 2
