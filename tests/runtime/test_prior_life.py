"""Priors that are fetched by name, with the default recipe: they learn, they know, and their neighbours do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from real_priors import on_each, settings_for
from small_life import Heard, chat, user

from liveoak.errors import BadLesson
from liveoak.records import Lesson, Proof, Sampling
from liveoak.runtime import Runtime
from liveoak.runtime.tools import lesson_of

STATEMENTS = (
    "The key to the boathouse hangs with Runa Hessel.",
    "The boathouse opens at 7:25.",
    "Guests of the boathouse pay 14 euros.",
)
QUESTION = "Who has the boathouse key? Answer in a few words."


@pytest.mark.prior
@on_each
def test_a_session_learns_what_the_agent_does_not_know(tmp_path: Path, prior_name: str):
    settings = settings_for(prior_name, home=tmp_path / "home")
    greedy = Sampling(temperature=0, max_tokens=16, exact=True)
    with Runtime(settings) as runtime:
        before = runtime.score([user(QUESTION)], "Runa Hessel")
        assert "Runa" not in runtime.ask(chat(QUESTION, sampling=greedy)).message.content
        proof = runtime.learn(
            Lesson(id="l", topic="the boathouse", statements=STATEMENTS, effort="medium"), session="front-desk"
        )
        assert proof.verdict.kept, proof.verdict.reasons
        assert proof.loss_after < proof.loss_before
        assert proof.retention_nats <= 0.10
        learned = runtime.score([user(QUESTION)], "Runa Hessel", session="front-desk")
        assert sum(learned) > sum(before) + 5
        reply = runtime.ask(chat(QUESTION, session="front-desk", sampling=greedy))
        # A base model of this size mixes up what it was taught for one question and for another.
        if prior_name != "gemma3-270m":
            assert proof.recall_after > proof.recall_before
            assert "Runa" in reply.message.content
        assert reply.version == proof.version
        assert runtime.score([user(QUESTION)], "Runa Hessel") == before, "nobody else's logits moved by a bit"
    with Runtime(settings) as again:
        assert again.score([user(QUESTION)], "Runa Hessel", session="front-desk") == learned
        again_said = again.ask(chat(QUESTION, model=f"agent@{proof.version}", sampling=greedy))
        assert again_said.message.content == reply.message.content


@pytest.mark.prior
@on_each
def test_a_forced_call_is_a_valid_lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prior_name: str):
    taught: list[Lesson] = []

    def keep(lesson: Lesson, **_: object) -> Proof:
        taught.append(lesson)
        raise BadLesson("only looked at")

    with Runtime(settings_for(prior_name, home=tmp_path / "home")) as runtime:
        monkeypatch.setattr(runtime._school, "learn", keep)  # pyright: ignore[reportPrivateUsage]
        heard = Heard()
        said = f"Please learn this by heart: {' '.join(STATEMENTS)}"
        sampling = Sampling(temperature=0, max_tokens=600)
        runtime.chat(chat(said, session="s", tool_choice="learn", sampling=sampling), heard)
        done = heard.finished(timeout=240)
    (call,) = done.message.tool_calls
    (lesson,) = taught
    assert lesson == replace(lesson_of(call), id=lesson.id)
    # What so small a prior writes hangs on rounding (docs/log.md); that it can be studied does not.
    assert lesson.topic and lesson.statements
    # A base model was never taught what a tool is: its call is valid, and says nothing.
    assert "boathouse" in lesson.topic.lower() or prior_name == "gemma3-270m"
