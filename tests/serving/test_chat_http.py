"""Chat over HTTP with a scripted host: learning inside a reply, tools, cancelling, and what goes wrong."""

from __future__ import annotations

import json
import time

import httpx
import openai
import pydantic
import pytest

from liveoak.serving.scripted import IGNORANCE, ScriptedHost


def say(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_a_lesson_inside_a_reply_is_proved(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="agent", messages=say("study: keys"), extra_body={"session": "s1"})
    about = reply.model_extra["liveoak"]
    [proof] = about["learned"]
    assert reply.choices[0].message.content == "Learned."
    assert proof["topic"] == "keys"
    assert proof["verdict"]["kept"] is True
    assert reply.model == f"agent@{proof['version']}"
    assert about["not_learned"] == []


def test_a_lesson_that_fails_costs_no_reply(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="agent", messages=say("study: diverged"))
    about = reply.model_extra["liveoak"]
    assert reply.choices[0].message.content == "Learned."
    assert about["learned"] == []
    assert "nan at step 3" in about["not_learned"][0]["error"]


def test_a_stream_tells_when_the_agent_learns(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="agent", messages=say("study: keys"), stream=True))
    events = [chunk.model_extra["liveoak"] for chunk in chunks if "liveoak" in chunk.model_extra]
    assert [event["event"] for event in events] == ["learn_started", "learned", "finished"]
    assert events[1]["proof"] == events[2]["learned"][0]
    # The version served at the start opens the stream; the lesson's version, which replied, closes it.
    assert chunks[0].model == f"agent@{events[1]['proof']['parent']}"
    assert chunks[-1].model == f"agent@{events[1]['proof']['version']}"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_learn_can_be_forced_without_being_listed(client: openai.OpenAI) -> None:
    choice = {"type": "function", "function": {"name": "learn"}}
    reply = client.chat.completions.create(model="agent", messages=say("The key is blue."), tool_choice=choice)
    assert reply.choices[0].finish_reason == "tool_calls"
    [call] = reply.choices[0].message.tool_calls
    assert call.function.name == "learn"
    assert "topic" in json.loads(call.function.arguments)
    assert len(reply.model_extra["liveoak"]["learned"]) == 1


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    },
}
FORCED = {"type": "function", "function": {"name": "weather"}}


def test_a_tool_call_goes_out_and_its_result_comes_back(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(model="agent", messages=say("Rain?"), tools=[TOOL], tool_choice=FORCED)
    message = first.choices[0].message
    [call] = message.tool_calls
    assert (call.function.name, message.content, first.choices[0].finish_reason) == ("weather", None, "tool_calls")
    # The message goes back just as the client got it.
    history = [*say("Rain?"), message, {"role": "tool", "tool_call_id": call.id, "content": "Sun."}]
    second = client.chat.completions.create(model="agent", messages=history, tools=[TOOL])
    assert second.choices[0].message.content == IGNORANCE


def test_a_streamed_tool_call_is_put_together_by_the_client(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="agent", messages=say("Rain?"), tools=[TOOL], tool_choice=FORCED
    ) as stream:
        reply = stream.get_final_completion()
    assert reply.choices[0].message.tool_calls[0].function.name == "weather"
    assert reply.choices[0].finish_reason == "tool_calls"


def test_tools_and_sampling_reach_the_host_as_sent(scripted: ScriptedHost, client: openai.OpenAI) -> None:
    seen = []
    chat = scripted.chat
    scripted.chat = lambda request, on_event: (seen.append(request), chat(request, on_event))[1]  # type: ignore[method-assign]
    learn = {"type": "function", "function": {"name": "learn", "parameters": {"type": "object"}}}
    client.chat.completions.create(
        model="agent",
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]},
            {"role": "user", "content": "Hi", "name": "ada"},
        ],
        tools=[TOOL, learn],
        tool_choice="required",
        temperature=0.25,
        top_p=0.5,
        seed=7,
        stop="\n",
        max_completion_tokens=9,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        parallel_tool_calls=False,
        store=False,
        frequency_penalty=0,
        n=1,
        metadata={"session": "meta"},
        extra_headers={"X-Liveoak-Author": "ada"},
    )
    [request] = seen
    assert [(one.role, one.content) for one in request.messages] == [("system", "Be brief."), ("user", "Hi")]
    assert [tool.name for tool in request.tools] == ["weather", "learn"]
    assert request.tools[0].parameters == TOOL["function"]["parameters"]
    assert (request.tool_choice, request.session, request.author) == ("required", "meta", "ada")
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.seed) == (0.25, 0.5, 7)
    assert (sampling.stop, sampling.max_tokens, sampling.schema) == (("\n",), 9, {"type": "object"})


@pytest.mark.parametrize(
    ("asked", "exact"), [({}, False), ({"seed": 0}, True), ({"logprobs": True}, True), ({"logprobs": False}, False)]
)
def test_who_asks_for_figures_or_repeats_gets_them_computed_afresh(
    scripted: ScriptedHost, client: openai.OpenAI, asked: dict[str, int], exact: bool
) -> None:
    seen = []
    chat = scripted.chat
    scripted.chat = lambda request, on_event: (seen.append(request), chat(request, on_event))[1]  # type: ignore[method-assign]
    client.chat.completions.create(model="agent", messages=say("Hi"), **asked)
    assert seen[0].sampling.exact is exact


def wait_until_cancelled(host: ScriptedHost) -> None:
    assert host.replies[-1].cancelled.wait(5), "the reply was not cancelled"


def test_a_client_that_leaves_a_stream_cancels_its_reply(scripted: ScriptedHost, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="agent", messages=say("stall"), stream=True)
    next(iter(stream))
    assert not scripted.replies[-1].cancelled.is_set()
    stream.close()
    wait_until_cancelled(scripted)


def test_a_client_that_gives_up_waiting_cancels_its_reply(scripted: ScriptedHost, client: openai.OpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).chat.completions.create(model="agent", messages=say("stall"))
    wait_until_cancelled(scripted)


def test_a_reply_that_breaks_off_is_an_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model="agent", messages=say("fail"))
    assert caught.value.body["code"] == "learning_error"


def test_a_stream_that_breaks_off_ends_in_an_error(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="agent", messages=say("fail"), stream=True)
    pieces = [next(stream).choices[0].delta.content for _ in range(2)]
    assert pieces == ["", "half a "]
    with pytest.raises(openai.APIError, match="the script says so"):
        next(stream)


def test_a_full_queue_is_429_with_a_time_to_wait(scripted: ScriptedHost, http: httpx.Client) -> None:
    scripted._most_running = 0
    answer = http.post("/v1/chat/completions", json={"model": "agent", "messages": say("Hi")})
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert answer.headers["retry-after"] == "1"


def test_others_are_answered_while_a_reply_stalls(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="agent", messages=say("stall"), stream=True)
    next(iter(stream))
    started = time.monotonic()
    client.chat.completions.create(model="agent", messages=say("Hi"))
    assert time.monotonic() - started < 2
    stream.close()


def test_the_clients_own_parser_gets_what_it_asked_for(client: openai.OpenAI) -> None:
    class Key(pydantic.BaseModel):
        owner: str = "nobody"

    reply = client.chat.completions.parse(model="agent", messages=say("Whose?"), response_format=Key)
    assert reply.choices[0].message.parsed == Key()


def test_what_a_reply_cut_short_says_is_length(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="agent", messages=say("Whose?"), max_tokens=2)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("I do", "length")
