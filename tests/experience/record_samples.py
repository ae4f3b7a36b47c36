"""Records for tests: plain ones by name, arbitrary ones by hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from liveoak.records import (
    QA,
    Demonstration,
    Feedback,
    Lesson,
    Message,
    Origin,
    Probe,
    Proof,
    Session,
    ToolCall,
    Turn,
    Verdict,
    Version,
)


def a_session(id: str = "s", **fields: Any) -> Session:
    return Session(**{"id": id, "agent": "oak", "author": "ann", "created": 1.0, **fields})


def a_turn(index: int = 0, session: str = "s", text: str = "hello", **fields: Any) -> Turn:
    plain: dict[str, Any] = {
        "id": f"{session}-{index}",
        "session": session,
        "index": index,
        "message": Message(role="user", content=text),
        "origin": Origin.GIVEN,
        "created": 2.0 + index,
    }
    return Turn(**{**plain, **fields})


def feedback_on(turn: str, id: str = "f", **fields: Any) -> Feedback:
    plain: dict[str, Any] = {"id": id, "turn": turn, "author": "ann", "kind": "reward", "created": 3.0, "value": 0.5}
    return Feedback(**{**plain, **fields})


def a_verdict(kept: bool = True) -> Verdict:
    probe = Probe(name="recall", unit="share", before=0.0, after=0.75, limit=0.0, passed=kept, n=4)
    return Verdict(kept=kept, reasons=() if kept else ("forgot too much",), probes=(probe,))


def a_proof(lesson: str = "l", *, kept: bool = True, **fields: Any) -> Proof:
    plain: dict[str, Any] = {
        "lesson": lesson,
        "topic": "trees",
        "version": "v1",
        "parent": "v0",
        "questions_trained": 3,
        "tokens_trained": 120,
        "tokens_processed": 900,
        "steps": 12,
        "loss_before": 3.25,
        "loss_after": 0.5,
        "recall_before": 0.0,
        "recall_after": 0.75,
        "recall_n": 4,
        "retention_nats": 0.0625,
        "kl_prior": 0.125,
        "seconds": 9.5,
        "verdict": a_verdict(kept),
    }
    return Proof(**{**plain, **fields})


def a_version(id: str = "v0", **fields: Any) -> Version:
    plain: dict[str, Any] = {"id": id, "agent": "oak", "parent": None, "session": None, "created": 4.0, "prior": "p"}
    return Version(**{**plain, **fields})


# Everything that is Unicode, NUL and line separators among it; lone surrogates are not.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
times = st.floats(min_value=0, max_value=4e9)
numbers = st.floats(allow_nan=False)  # infinity is what a diverged lesson measures
counts = st.integers(min_value=0, max_value=2**40)

tool_calls = st.builds(ToolCall, id=texts, name=texts, arguments=texts)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=texts,
    tool_calls=st.lists(tool_calls, max_size=2).map(tuple),
    tool_call_id=st.none() | texts,
)
token_ids = st.integers(min_value=0, max_value=2**31 - 1)
logprobs = st.floats(max_value=0, allow_nan=False)
tokens = st.lists(st.tuples(token_ids, logprobs), max_size=8)
sessions = st.builds(Session, id=names, agent=names, author=names, created=times)


@st.composite
def turns(draw: st.DrawFn, session: str = "s", index: int = 0) -> Turn:
    drawn, scored = draw(tokens), draw(st.booleans())
    return Turn(
        id=draw(names),
        session=session,
        index=index,
        message=draw(messages),
        origin=draw(st.sampled_from(Origin)),
        created=draw(times),
        ids=tuple(id for id, _ in drawn),
        logprobs=tuple(logprob for _, logprob in drawn) if scored else (),
        version=draw(st.none() | names),
    )


lessons = st.builds(
    Lesson,
    id=names,
    topic=texts,
    statements=st.lists(texts, max_size=3).map(tuple),
    questions=st.lists(st.builds(QA, question=texts, answer=texts), max_size=3).map(tuple),
    demonstrations=st.lists(st.builds(Demonstration, prompt=texts, reply=texts), max_size=2).map(tuple),
    source=texts,
    effort=st.sampled_from(["low", "medium", "high"]),
)
probes = st.builds(
    Probe, name=texts, unit=texts, before=numbers, after=numbers, limit=numbers, passed=st.booleans(), n=counts
)
verdicts = st.builds(
    Verdict,
    kept=st.booleans(),
    reasons=st.lists(texts, max_size=2).map(tuple),
    probes=st.lists(probes, max_size=2).map(tuple),
)


def proofs(lesson: str) -> st.SearchStrategy[Proof]:
    whole = ("questions_trained", "tokens_trained", "tokens_processed", "steps", "recall_n")
    real = ("loss_before", "loss_after", "recall_before", "recall_after", "retention_nats", "kl_prior", "seconds")
    fields: dict[str, Any] = dict.fromkeys(whole, counts) | dict.fromkeys(real, numbers)
    return st.builds(
        Proof, lesson=st.just(lesson), topic=texts, version=names, parent=names, verdict=verdicts, **fields
    )


versions = st.builds(
    Version,
    id=names,
    agent=names,
    parent=st.none() | names,
    session=st.none(),
    created=times,
    prior=names,
    lessons=st.just(()),
    verdict=st.none() | verdicts,
)
feedbacks = st.builds(
    Feedback,
    id=names,
    turn=st.just("s-0"),
    author=names,
    kind=st.sampled_from(["reward", "correction", "comment"]),
    created=times,
    value=st.none() | st.floats(min_value=-1, max_value=1),
    text=st.none() | names,
    trusted=st.booleans(),
)
