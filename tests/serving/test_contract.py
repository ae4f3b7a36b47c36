"""What every host must show through the official client: the same tests for the scripted host and the real runtime."""

from __future__ import annotations

import asyncio

import httpx
import openai
import pytest

SAY = [{"role": "user", "content": "Where is the key?"}]


def test_a_reply_names_the_version_that_made_it(any_client: openai.OpenAI) -> None:
    answer = any_client.chat.completions.with_raw_response.create(
        model="agent", messages=SAY, temperature=0, max_tokens=4
    )
    reply = answer.parse()
    current = httpx.get(f"{any_client.base_url}versions").json()["current"]
    assert reply.model == f"agent@{current}"
    assert answer.headers["x-liveoak-version"] == current
    assert reply.model_extra["liveoak"]["version"] == current
    assert reply.object == "chat.completion"
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert 0 < reply.usage.completion_tokens <= 4


def test_a_stream_is_the_whole_reply_in_pieces(any_client: openai.OpenAI) -> None:
    whole = any_client.chat.completions.create(model="agent", messages=SAY, temperature=0, max_tokens=6)
    chunks = list(
        any_client.chat.completions.create(
            model="agent",
            messages=SAY,
            temperature=0,
            max_tokens=6,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1
    finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert finishes[-1] == whole.choices[0].finish_reason
    assert set(finishes[:-1]) == {None}
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_the_async_client_is_served_beside_others(any_client: openai.OpenAI) -> None:
    async def ask_at_once() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=str(any_client.base_url), api_key="unused") as client:
            replies = await asyncio.gather(
                *(
                    client.chat.completions.create(model="agent", messages=SAY, temperature=0, max_tokens=4)
                    for _ in range(5)
                )
            )
            return [reply.choices[0].message.content for reply in replies]

    assert len(set(asyncio.run(ask_at_once()))) == 1


def test_log_probabilities_come_with_alternatives(any_client: openai.OpenAI) -> None:
    reply = any_client.chat.completions.create(
        model="agent", messages=SAY, temperature=0, max_tokens=3, logprobs=True, top_logprobs=2
    )
    content = reply.choices[0].logprobs.content
    assert len(content) == reply.usage.completion_tokens
    for token in content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 2
        # Greedy: what was said is the likeliest, under either arm of a tie.
        assert token.top_logprobs[0].logprob == pytest.approx(token.logprob, abs=1e-4)
        assert bytes(token.bytes).decode() == token.token


def test_without_being_asked_no_log_probabilities_are_sent(any_client: openai.OpenAI) -> None:
    reply = any_client.chat.completions.create(model="agent", messages=SAY, max_tokens=2)
    assert reply.choices[0].logprobs is None


def test_each_request_without_a_session_is_one_of_its_own(any_client: openai.OpenAI) -> None:
    def session() -> str:
        reply = any_client.chat.completions.create(model="agent", messages=SAY, max_tokens=1)
        return reply.model_extra["liveoak"]["session"]

    assert session() != session()


def test_a_session_and_its_author_are_recorded(any_client: openai.OpenAI) -> None:
    reply = any_client.chat.completions.create(
        model="agent", messages=SAY, max_tokens=1, user="ada", extra_body={"session": "on-record"}
    )
    about = reply.model_extra["liveoak"]
    record = httpx.get(f"{any_client.base_url}experience/sessions/on-record").json()
    assert about["session"] == "on-record"
    assert record["session"]["author"] == "ada"
    assert record["turns"][0]["message"]["content"] == SAY[0]["content"]
    assert record["turns"][-1]["id"] == about["turn"]
    assert record["turns"][-1]["version"] == about["version"]
    assert "ids" not in record["turns"][-1]
    full = httpx.get(f"{any_client.base_url}experience/sessions/on-record", params={"tokens": True}).json()
    assert len(full["turns"][-1]["ids"]) == len(full["turns"][-1]["logprobs"]) > 0


def test_feedback_is_trusted_by_author(any_client: openai.OpenAI) -> None:
    reply = any_client.chat.completions.create(model="agent", messages=SAY, max_tokens=1)
    turn = reply.model_extra["liveoak"]["turn"]
    url = f"{any_client.base_url}feedback"
    trusted = httpx.post(url, json={"turn": turn, "kind": "reward", "value": 1}).json()
    stranger = httpx.post(url, json={"turn": turn, "kind": "comment", "text": "no", "user": "eve"}).json()
    assert (trusted["author"], trusted["trusted"], trusted["value"]) == ("local", True, 1.0)
    assert (stranger["author"], stranger["trusted"], stranger["text"]) == ("eve", False, "no")


def test_what_was_said_is_learned_from_once(any_client: openai.OpenAI) -> None:
    said = {"messages": SAY, "max_tokens": 1, "extra_body": {"session": "corrected"}}
    turn = any_client.chat.completions.create(model="agent", **said).model_extra["liveoak"]["turn"]
    url = f"{any_client.base_url}feedback"
    httpx.post(url, json={"turn": turn, "kind": "correction", "text": "Ahoy"})
    told = [httpx.post(f"{url}/learn", json={}, timeout=60).json() for _ in range(2)]
    assert [one["sessions"][-1:] for one in told] == [["corrected"], []]
    assert told[0]["credited"]["imitation"] > 0
    assert told[0]["version"] == told[0]["proof"]["version"] == told[1]["version"]
    assert told[1]["proof"] is None


def test_models_are_the_agent_and_its_versions(any_client: openai.OpenAI) -> None:
    names = [model.id for model in any_client.models.list()]
    current = httpx.get(f"{any_client.base_url}versions").json()["current"]
    assert names[0] == "agent"
    assert f"agent@{current}" in names
    assert any_client.models.retrieve(f"agent@{current}").model_extra["liveoak"]["version"] == current


def test_what_is_not_there_is_404(any_client: openai.OpenAI) -> None:
    for model in ("agent@0000dead", "gpt-4"):
        with pytest.raises(openai.NotFoundError) as caught:
            any_client.chat.completions.create(model=model, messages=SAY)
        assert caught.value.body["code"] == "not_found"
    assert httpx.get(f"{any_client.base_url}experience/sessions/nobody").status_code == 404
    assert httpx.get(f"{any_client.base_url}versions/0000dead").status_code == 404
    gone = httpx.post(f"{any_client.base_url}feedback", json={"turn": "none", "kind": "reward", "value": 0})
    assert gone.status_code == 404


def test_an_empty_lesson_is_refused_before_any_work(any_client: openai.OpenAI) -> None:
    answer = httpx.post(f"{any_client.base_url}learn", json={"topic": "nothing"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_lesson"


def test_health_names_agent_prior_and_version(any_client: openai.OpenAI) -> None:
    health = httpx.get(str(any_client.base_url).replace("/v1/", "/healthz")).json()
    assert health["status"] == "ok"
    assert health["agent"] == "agent"
    assert health["version"] == httpx.get(f"{any_client.base_url}versions").json()["current"]
    assert health["peak_memory_mib"] > 0
