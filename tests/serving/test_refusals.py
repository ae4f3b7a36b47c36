"""Every bad request is refused in the one error shape, names what is wrong, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from liveoak.config import Settings
from liveoak.serving import served
from liveoak.serving.limits import MAX_BODY_BYTES
from liveoak.serving.scripted import ScriptedHost

HI = [{"role": "user", "content": "Hi"}]
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedHost]:
    with ScriptedHost(Settings(home=tmp_path_factory.mktemp("home"), port=0)) as host:
        yield host


@pytest.fixture(scope="module")
def http(scripted: ScriptedHost) -> Iterator[httpx.Client]:
    """One server for the module: refused requests leave nothing behind, which is half of what is tested."""
    with served(scripted) as url, httpx.Client(base_url=url, timeout=20) as session:
        yield session


def refused(answer: httpx.Response, status: int = 400) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    return body["error"]


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"n": 2}, "n", "would change the reply"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "leave it out or send 0"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "would change the reply"),
        ({"temprature": 0}, "temprature", "unknown field"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"temperature": "warm"}, "temperature", "'warm'"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, None, "send one of them"),
        ({"top_logprobs": 2}, None, "needs logprobs"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "'wizard'"),
        ({"messages": [*HI, {"role": "user", "content": 5}]}, "messages[1].content", "string"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content",
            "only parts of the form",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]", "needs tool_call_id"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "c"}]}, None, "no earlier assistant message"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, None, "expected a user or tool message last"),
        ({"tool_choice": "perhaps"}, "tool_choice", "expected 'auto'"),
        ({"tool_choice": {"type": "function", "function": {"name": "fly"}}}, None, "'fly'"),
        ({"tools": [{"type": "function", "function": {"name": "two words"}}]}, "tools[0].function.name", "two words"),
        ({"tools": [{"type": "function", "function": {"name": "a"}}] * 2}, None, "one name"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "json_schema"),
        ({"stop": [""]}, "stop[0]", "at least 1 character"),
        ({"stream_options": {"include_usage": True}}, None, "needs stream"),
        ({"session": "a b"}, "session", "'a b'"),
        ({"session": "a", "metadata": {"session": "b"}}, None, "more than one session"),
        ({"metadata": {"session": "../etc"}}, None, "'../etc'"),
    ],
)
def test_a_field_that_cannot_be_obeyed_is_named(
    scripted: ScriptedHost, http: httpx.Client, fields: dict[str, Any], param: str | None, said: str
) -> None:
    error = refused(http.post(CHAT, json={"model": "agent", "messages": HI, **fields}))
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert said in error["message"]
    assert scripted.experience.known_turns == {}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"model": NaN}',
        b"[" * 100_000,
        b'{"model":"agent","messages":"\\ud800"}',
    ],
)
def test_what_is_not_a_json_request_is_400(http: httpx.Client, body: bytes) -> None:
    refused(http.post(CHAT, content=body, headers={"content-type": "application/json"}))


def test_a_lone_surrogate_in_a_field_is_quoted_not_crashed_on(http: httpx.Client) -> None:
    body = b'{"model":"agent","messages":[{"role":"user","content":"\\ud800"}]}'
    answer = http.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert "surrogate" in refused(answer)["message"]


def test_nan_is_not_a_temperature(http: httpx.Client) -> None:
    body = json.dumps({"model": "agent", "messages": HI, "temperature": float("nan")})
    answer = http.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert "finite number" in refused(answer)["message"]


def test_a_form_from_a_web_page_is_not_read_as_json(http: httpx.Client) -> None:
    """A page may post text/plain to another origin unasked; it must not teach the agent that way."""
    body = json.dumps({"topic": "x", "statements": ["x"]})
    assert (
        "Content-Type"
        in refused(http.post("/v1/learn", content=body, headers={"content-type": "text/plain"}))["message"]
    )


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_413(http: httpx.Client, declared: bool) -> None:
    body = b'{"source": "' + b"x" * MAX_BODY_BYTES + b'"}'
    content = body if declared else iter([body[:1000], body[1000:]])
    answer = http.post("/v1/learn", content=content, headers={"content-type": "application/json"})
    assert refused(answer, 413)["code"] == "body_too_large"


def test_a_body_at_the_limit_is_read(http: httpx.Client) -> None:
    frame = b'{"topic": "t", "source": ""}'
    body = frame[:-2] + b"x" * (MAX_BODY_BYTES - len(frame)) + frame[-2:]
    assert len(body) == MAX_BODY_BYTES
    answer = http.post("/v1/learn", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200


def test_unknown_paths_and_methods_keep_the_shape(http: httpx.Client) -> None:
    assert refused(http.get("/v1/nothing"), 404)["code"] == "not_found"
    assert refused(http.get(CHAT), 405)["code"] == "method_not_allowed"


def test_another_host_name_is_not_answered(http: httpx.Client) -> None:
    assert refused(http.get("/healthz", headers={"host": "evil.example:80"}), 403)["code"] == "unknown_host"
    for own in ("localhost:1", "127.0.0.1", "[::1]:8321"):
        assert http.get("/healthz", headers={"host": own}).status_code == 200


def test_a_fault_of_ours_is_500_without_its_inside(
    scripted: ScriptedHost, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("secret")

    monkeypatch.setattr(scripted, "health", broken)
    error = refused(http.get("/healthz"), 500)
    assert "secret" not in error["message"]
    assert error["type"] == "server_error"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/learn", {"topic": "x", "questions": [{"question": "q"}]}),
        ("/v1/learn", {"topic": "x", "statements": ["x"], "effort": "heroic"}),
        ("/v1/feedback", {"turn": "t", "kind": "reward"}),
        ("/v1/feedback", {"turn": "t", "kind": "reward", "value": 2}),
        ("/v1/feedback", {"turn": "t", "kind": "correction"}),
        ("/v1/versions/rollback", {"unto": "x"}),
        ("/v1/versions/promote", {}),
    ],
)
def test_other_bodies_are_checked_too(http: httpx.Client, path: str, body: dict[str, Any]) -> None:
    refused(http.post(path, json=body))


@pytest.mark.parametrize("depth", [50, 500, 5000])
def test_deep_nesting_is_read_or_refused(http: httpx.Client, depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    tool = f'{{"type":"function","function":{{"name":"t","parameters":{nested}}}}}'
    body = f'{{"model":"agent","messages":[{{"role":"user","content":"Hi"}}],"tools":[{tool}]}}'
    answer = http.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 400)
