"""The learn tool, from its arguments to the tool's answer, and tools that are the client's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from scripted_speech import Scripted
from small_life import FACT, LOOK, QUICK, Heard, chat, user

from liveoak.config import GateSettings
from liveoak.errors import BadLesson, LearningError, UserError
from liveoak.records import (
    QA,
    Demonstration,
    Learned,
    LearnStarted,
    Origin,
    Probe,
    Proof,
    Sampling,
    ToolCall,
    ToolSpec,
    Verdict,
)
from liveoak.runtime import Runtime
from liveoak.runtime.tools import LEARN, NOTE, OWN, LearnArguments, lesson_of, offered, told


def call(**arguments: object) -> ToolCall:
    return ToolCall(id="c", name="learn", arguments=json.dumps(arguments))


# Arguments


def test_arguments_become_a_lesson():
    lesson = lesson_of(
        call(
            topic="boats",
            statements=[" They float. ", "  "],
            questions=[{"question": "Where?", "answer": "here"}],
            demonstrations=[{"prompt": "Hi", "reply": "Ahoy"}],
            effort="low",
        )
    )
    assert (lesson.topic, lesson.statements, lesson.effort) == ("boats", ("They float.",), "low")
    assert lesson.questions == (QA(question="Where?", answer="here"),)
    assert lesson.demonstrations == (Demonstration(prompt="Hi", reply="Ahoy"),)
    assert lesson_of(call(topic="boats")).effort == "medium"


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ("not json", "arguments"),
        ("[]", "arguments"),
        ("{}", "topic"),
        ('{"topic": ""}', "topic"),
        ('{"topic": "t", "effort": "huge"}', "effort"),
        ('{"topic": "t", "statements": "one"}', "statements"),
        ('{"topic": "t", "questions": [{"question": "q"}]}', "questions.0.answer"),
        ('{"topic": "t", "secret": 1}', "secret"),
        (json.dumps({"topic": "t", "statements": ["s"] * 13}), "statements"),
    ],
)
def test_arguments_that_are_no_lesson_name_the_place(arguments: str, where: str):
    with pytest.raises(BadLesson, match=f"learn: {where}: "):
        lesson_of(ToolCall(id="c", name="learn", arguments=arguments))


def test_the_schema_and_the_arguments_agree():
    assert set(LEARN.parameters["properties"]) == set(LearnArguments.model_fields)
    longest = {
        "topic": "t" * 80,
        "statements": ["s" * 240] * 12,
        "questions": [{"question": "q" * 240, "answer": "a" * 240}] * 6,
        "demonstrations": [{"prompt": "p" * 240, "reply": "r" * 240}] * 6,
        "effort": "high",
    }
    assert lesson_of(call(**longest)).statements == ("s" * 240,) * 12


def test_a_proof_is_told_in_one_line():
    verdict = Verdict(
        kept=False,
        reasons=("retention: worse",),
        probes=(Probe(name="retention", unit="u", before=0, after=1, limit=0, passed=False, n=1),),
    )
    proof = Proof(
        lesson="l", topic="t", version="v0", parent="v0", questions_trained=1, tokens_trained=9, tokens_processed=20,
        steps=2, loss_before=2.34567, loss_after=0.5, recall_before=0, recall_after=1 / 3, recall_n=3,
        retention_nats=0.123456, kl_prior=0.2, seconds=1.26, verdict=verdict,
    )  # fmt: skip
    line = told(proof)
    assert "\n" not in line
    assert json.loads(line) == {
        "learned": False, "version": "v0", "tokens_trained": 9, "loss": [2.346, 0.5], "recall": [0, 0.333],
        "retention_nats": 0.1235, "seconds": 1.3, "refused_because": ["retention: worse"],
    }  # fmt: skip
    assert "refused_because" not in json.loads(told(replace(proof, verdict=Verdict(kept=True, reasons=(), probes=()))))


# What is offered


@pytest.mark.parametrize(
    ("policy", "tools", "choice", "names"),
    [
        ("with-tools", (), "auto", []),
        ("with-tools", (LOOK,), "auto", ["look", "learn", "note"]),
        ("always", (), "auto", ["learn", "note"]),
        ("always", (LOOK,), "none", []),
        ("never", (LOOK,), "auto", ["look"]),
        ("never", (), "learn", ["learn"]),
        ("never", (), "note", ["note"]),
        ("never", (LOOK,), "learn", ["look", "learn"]),
        ("with-tools", (), "learn", ["learn"]),
        ("with-tools", (), "note", ["note"]),
        ("with-tools", (LOOK,), "look", ["look", "learn", "note"]),
        ("with-tools", (LOOK,), "required", ["look", "learn", "note"]),
        ("always", (), "required", ["learn", "note"]),
        ("with-tools", (replace(LEARN, description="mine"),), "auto", ["learn", "note"]),
        ("never", (replace(NOTE, description="mine"),), "auto", ["note"]),
    ],
)
def test_which_tools_the_agent_sees(policy: str, tools: tuple[ToolSpec, ...], choice: str, names: list[str]):
    found = offered(chat("Hi", tools=tools, tool_choice=choice), policy)
    assert [tool.name for tool in found] == names
    assert all(tool is OWN.get(tool.name, tool) for tool in found), "what it does is not the client's to say"


@pytest.mark.parametrize(
    ("policy", "tools", "choice"),
    [("with-tools", (), "look"), ("with-tools", (LOOK,), "jump"), ("with-tools", (), "required"), ("never", (), "?")],
)
def test_a_choice_that_no_tool_has_is_refused(policy: str, tools: tuple[ToolSpec, ...], choice: str):
    with pytest.raises(UserError, match="tool_choice"):
        offered(chat("Hi", tools=tools, tool_choice=choice), policy)


# Through the runtime


@pytest.mark.parametrize("seed", [12, 14])
def test_a_forced_call_is_a_valid_lesson_even_from_a_model_that_knows_nothing(start: Callable[..., Runtime], seed: int):
    """Of seeds whose random letters end soon; float32, so that they are the same letters on every machine."""
    runtime = start(dtype="float32")
    heard = Heard()
    before = runtime.current()
    draw = {"max_tokens": 900, "seed": seed, "temperature": 0.7}
    runtime.chat(chat(f"Remember: {FACT}", session="s", tool_choice="learn", draw=draw), heard)
    done = heard.finished()
    assert done.finish == "tool_calls"
    (made,) = done.message.tool_calls
    assert made.name == "learn"
    arguments = LearnArguments.model_validate_json(made.arguments)
    assert arguments.statements
    started, learned = (event for event in heard.events if isinstance(event, LearnStarted | Learned))
    assert started == LearnStarted(call=made)
    assert isinstance(learned, Learned) and learned.call == made
    (record,) = runtime.experience.lessons()
    assert (record.session, record.lesson.topic) == ("s", arguments.topic)
    *_, acted, observed = runtime.experience.turns("s")
    assert (acted.origin, acted.message.tool_calls) == (Origin.ACTED, (made,))
    assert (observed.origin, observed.message.tool_call_id) == (Origin.OBSERVED, made.id)
    if learned.proof is None:
        # Random letters may hold nothing that can be asked about; that is told, and changes nothing.
        assert record.status == "failed"
        assert observed.message.content == f"nothing was learned: {learned.error}"
        assert runtime.current("s") == before
    else:
        assert record.status == "kept"
        assert json.loads(observed.message.content)["learned"] is True
        assert runtime.current("s").lessons == (record.lesson.id,)
    assert runtime.current() == before


def test_the_agent_learns_within_a_reply_and_goes_on_as_another(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    """It says something, calls learn, reads the proof, and answers under the new version."""
    before = runtime.current()
    arguments = json.dumps({"topic": "boats", "statements": [FACT]})
    script = Scripted(
        runtime,
        monkeypatch,
        "Let me keep that. <tool_call>",
        json.dumps({"name": "learn", "arguments": json.loads(arguments)}),
        "I know it now.",
    )
    heard = Heard()
    runtime.chat(chat(f"Remember: {FACT}", session="s", tools=(LOOK,)), heard)
    done = heard.finished()
    assert (done.finish, done.message.content) == ("stop", "I know it now.")
    assert [type(event).__name__ for event in heard.events if type(event).__name__ != "Delta"] == [
        "LearnStarted",
        "Learned",
        "Finished",
    ]
    learned = next(event for event in heard.events if isinstance(event, Learned))
    assert learned.proof is not None and learned.proof.verdict.kept
    assert done.version == learned.proof.version == runtime.current("s").id != before.id
    roles = [(turn.message.role, turn.origin.value, turn.version) for turn in runtime.experience.turns("s")]
    assert roles == [
        ("user", "given", None),
        ("assistant", "acted", before.id),
        ("tool", "observed", None),
        ("assistant", "acted", done.version),
    ]
    said = runtime.experience.turns("s")[1].message
    assert said.content == "Let me keep that."
    assert json.loads(said.tool_calls[0].arguments) == json.loads(arguments)
    # The first request stops at a call, the second is held to the tools' grammar, the third has the proof before it.
    free, bound, after = script.requests
    assert "<tool_call>" in free.sampling.stop and free.sampling.schema is None
    names = [one["properties"]["name"]["const"] for one in (bound.sampling.schema or {})["anyOf"]]
    assert names == ["look", "learn", "note"]
    assert runtime._engine.tokenizer.decode(after.ids).count('"learned": true') == 1  # pyright: ignore[reportPrivateUsage]

    # A client that never saw the inner turns sends the conversation again: nothing is recorded twice.
    monkeypatch.undo()
    runtime.ask(chat(f"Remember: {FACT}", done.message, "Thanks", session="s"))
    origins = [turn.origin.value for turn in runtime.experience.turns("s")]
    assert origins == ["given", "acted", "observed", "acted", "given", "acted"]


def test_a_clients_own_tool_is_handed_to_the_client(runtime: Runtime):
    heard = Heard()
    runtime.chat(chat("Where?", session="s", tools=(LOOK,), tool_choice="look", draw={"max_tokens": 100}), heard)
    done = heard.finished()
    assert done.finish == "tool_calls"
    (made,) = done.message.tool_calls
    assert made.name == "look"
    assert json.loads(made.arguments)["where"] in ("north", "south")
    assert not any(isinstance(event, LearnStarted | Learned) for event in heard.events)
    assert runtime.experience.lessons() == []


def test_required_calls_one_of_the_tools(start: Callable[..., Runtime]):
    runtime = start(offer_learn="never")
    done = runtime.ask(
        chat("Where?", tools=(LOOK, replace(LOOK, name="leap")), tool_choice="required", draw={"max_tokens": 100})
    )
    assert done.message.tool_calls[0].name in ("look", "leap")


def test_a_call_that_is_cut_off_is_text(runtime: Runtime):
    done = runtime.ask(chat("Where?", tools=(LOOK,), tool_choice="look", draw={"max_tokens": 3}))
    assert (done.finish, done.message.tool_calls) == ("length", ())


def test_a_tool_whose_schema_cannot_be_followed_is_an_error_of_its_own_request(runtime: Runtime):
    strange = replace(LOOK, parameters={"type": "object", "properties": {"where": {"type": "nonsense"}}})
    with pytest.raises(UserError, match="cannot be followed"):
        runtime.ask(chat("Where?", tools=(strange,), tool_choice="look"))
    assert runtime.ask(chat("Hi")).finish == "length"


def test_tools_may_refer_to_their_own_definitions(runtime: Runtime):
    """As pydantic writes nested models."""
    place = {"type": "object", "properties": {"side": {"const": "port"}}, "required": ["side"]}
    nested = replace(
        LOOK,
        parameters={
            "type": "object",
            "properties": {"where": {"$ref": "#/$defs/Place"}},
            "required": ["where"],
            "additionalProperties": False,
            "$defs": {"Place": {**place, "additionalProperties": False}},
        },
    )
    done = runtime.ask(chat("Where?", tools=(nested,), tool_choice="look", draw={"max_tokens": 200}))
    assert json.loads(done.message.tool_calls[0].arguments) == {"where": {"side": "port"}}


def test_a_lesson_that_fails_within_a_reply_is_an_answer(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    def diverged(strides: list[object], _: object) -> list[LearningError]:
        return [LearningError("the update diverged") for _ in strides]

    monkeypatch.setattr("liveoak.learning.study.step_together", diverged)
    Scripted(
        runtime, monkeypatch,
        "<tool_call>", json.dumps({"name": "learn", "arguments": {"topic": "t", "statements": [FACT]}}), "Never mind.",
    )  # fmt: skip
    heard = Heard()
    before = runtime.current()
    runtime.chat(chat(FACT, session="s", tools=(LOOK,)), heard)
    done = heard.finished()
    assert done.message.content == "Never mind."
    learned = next(event for event in heard.events if isinstance(event, Learned))
    assert (learned.proof, learned.error) == (None, "the update diverged")
    assert runtime.experience.turns("s")[2].message.content == "nothing was learned: the update diverged"
    assert done.version == before.id == runtime.current("s").id


def test_a_refused_lesson_within_a_reply_says_why(start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch):
    runtime = start(recipe=QUICK, gate=GateSettings(max_kl_prior=0, max_retention_nats=0))
    Scripted(
        runtime, monkeypatch,
        "<tool_call>", json.dumps({"name": "learn", "arguments": {"topic": "t", "statements": [FACT]}}), "Pity.",
    )  # fmt: skip
    monkeypatch.setattr(runtime._school._teacher._gate, "divergence", lambda slot: 0.0 if slot is None else 0.5)  # pyright: ignore
    heard = Heard()
    runtime.chat(chat(FACT, session="s", tools=(LOOK,)), heard)
    assert heard.finished().message.content == "Pity."
    answer = json.loads(runtime.experience.turns("s")[2].message.content)
    assert answer["learned"] is False
    assert any(reason.startswith("kl_prior") for reason in answer["refused_because"])
    assert runtime.current("s").parent is None


def test_an_agent_that_only_ever_learns_comes_to_an_end(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    """After a few lessons in one reply it may call no more tools and has to answer."""
    monkeypatch.setattr(runtime._school, "learn", lambda *_, **__: (_ for _ in ()).throw(BadLesson("no")))  # pyright: ignore
    one = json.dumps({"name": "learn", "arguments": {"topic": "t", "statements": [FACT]}})
    script = Scripted(runtime, monkeypatch, *["<tool_call>", one] * 4, "<tool_call> I give up.")
    done = runtime.ask(chat(FACT, session="s", tools=(LOOK,)))
    assert done.message.content == "<tool_call> I give up."
    assert done.message.tool_calls == ()
    assert len(script.requests) == 9


def test_a_reply_without_tools_is_not_searched_for_calls(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    script = Scripted(runtime, monkeypatch, 'Say <tool_call>{"name": "learn"}')
    done = runtime.ask(chat("Hi"))
    assert done.message.content == 'Say <tool_call>{"name": "learn"}'
    assert script.requests[0].sampling == Sampling(max_tokens=4, seed=1)
    assert user("Hi") == runtime.experience.turns(done.session)[0].message
